#pragma once
/// Hugging Face config.json -> Transformer. What a file leaves to the reader's knowledge of the
/// family (gated FFN, norm, biases, position coding) is decided by `model_type`, else by
/// `architectures`; everything else is read from the file.
#include <filesystem>
#include <string>
#include <string_view>

#include "workload/transformer.h"

namespace athena::workload {

/// Families: llama mistral mixtral qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next deepseek_v2
/// deepseek_v3 phimoe gpt2 gptj gpt_neox opt mpt bert. Throws InputError: file and line of broken
/// JSON, the key that is missing or of the wrong type, an unknown family with the nearest one.
[[nodiscard]] Transformer import_hugging_face(const std::filesystem::path& path);

/// The same from text; `file` stands in errors, `name` names the model.
[[nodiscard]] Transformer import_hugging_face_text(std::string_view text, const std::string& file,
                                                   const std::string& name);

}  // namespace athena::workload
