/// Import of config.json: published parameter counts and KV sizes, and what is said about bad
/// files.
#include "workload/import/hugging_face.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "base/error.h"

using namespace athena;
using namespace athena::workload;

namespace {

const std::string kLlama = R"({
  "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008,
  "num_attention_heads": 32, "num_hidden_layers": 32, "vocab_size": 32000,
  "max_position_embeddings": 4096, "hidden_act": "silu", "torch_dtype": "float16"
})";

Transformer import_text(const std::string& text) {
  return import_hugging_face_text(text, "config.json", "model");
}

std::string error_of(const std::string& text) {
  try {
    (void)import_text(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string without(std::string text, const std::string& key) {
  const auto at = text.find("\"" + key + "\"");
  REQUIRE(at != std::string::npos);
  return text.replace(at, key.size() + 2, "\"_" + key + "\"");
}

std::string with(std::string text, const std::string& member) {
  return text.insert(text.find('{') + 1, member + ",");
}

struct Published {
  const char* file;
  double billions;
  double tolerance;  // half a unit of the last published digit
  double active;     // 0 = dense
  double kv_kib;     // bf16, 0 = not published
};

}  // namespace

TEST_CASE("published models have their published parameter counts and KV sizes") {
  const std::filesystem::path folder =
      std::filesystem::path(ATHENA_SOURCE_DIR) / "../shared/models";
  if (!std::filesystem::exists(folder)) {
    WARN("SKIPPED: " << folder << " is absent, no config.json to import");
    return;
  }
  const Published expected[] = {
      {"llama-2-7b-hf.json", 6.74, 0.005, 0, 512},
      {"Llama-3.1-8B.json", 8.03, 0.005, 0, 128},
      {"Llama-3.1-70B.json", 70.55, 0.005, 0, 320},
      {"Mixtral-8x7B-v0.1.json", 46.70, 0.005, 12.88, 128},
      {"Qwen3-30B-A3B-Instruct-2507.json", 30.53, 0.005, 3.35, 0},
      {"qwen3-235B-A22B_config.json", 235.1, 0.05, 22.2, 0},
      {"deepseek-v2-lite.json", 15.7, 0.05, 0, 30.4},
      {"deepseek_v3_config.json", 671.03, 0.005, 37.6, 68.6},
      {"pythia-6.9b.json", 6.86, 0.005, 0, 512},
      {"bert-large-uncased.json", 0.33, 0.006, 0, 0},
      {"codellama-34b-instruct-hf.json", 33.74, 0.005, 0, 192},
      // Names of releases, which round more coarsely.
      {"mistral-nemo-instruct-2407.json", 12.2, 0.1, 0, 160},
      {"Phi-mini-MoE-instruct.json", 7.6, 0.1, 2.4, 128},
      {"Qwen3-32B.json", 32.8, 0.1, 0, 256},
      {"qwen3-14b.json", 14.8, 0.1, 0, 160},
      {"qwen3-8B_config.json", 8.2, 0.1, 0, 144},
      {"qwen2.5-7b-instruct.json", 7.61, 0.01, 0, 56},
      {"yi-34b.json", 34.4, 0.1, 0, 240},
      {"qwen3-next-80B-A3B_config.json", 80, 0.5, 3.9, 24},
  };
  std::size_t seen = 0;
  for (const Published& p : expected) {
    INFO(p.file);
    const Transformer m = import_hugging_face(folder / p.file);
    ++seen;
    CHECK(static_cast<double>(m.parameter_count()) * 1e-9 ==
          Approx(p.billions).margin(p.tolerance));
    if (p.active > 0) {
      CHECK(static_cast<double>(m.active_parameter_count()) * 1e-9 ==
            Approx(p.active).margin(p.active < 10 && p.tolerance < 0.05 ? 0.005 : 0.1));
    } else if (!m.is_moe()) {
      CHECK(m.active_parameter_count() == m.parameter_count());
    }
    if (p.kv_kib > 0) {
      CHECK(static_cast<double>(m.kv_bytes_per_token(Dtype::kBf16)) / 1024 ==
            Approx(p.kv_kib).margin(0.05));
    }
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files += entry.path().extension() == ".json" ? 1 : 0;
  }
  CHECK(seen == files);
}

TEST_CASE("a missing key is named, with its nearest relative") {
  for (const std::string key : {"num_hidden_layers", "hidden_size", "num_attention_heads",
                                "vocab_size", "intermediate_size", "max_position_embeddings"}) {
    const std::string said = error_of(without(kLlama, key));
    INFO(said);
    CHECK(said.find("config.json") != std::string::npos);
    CHECK(said.find("'" + key + "'") != std::string::npos);
    CHECK(said.find("Did you mean '_" + key + "'") != std::string::npos);
  }
  CHECK(error_of(without(kLlama, "model_type")).find("'model_type'") != std::string::npos);
}

TEST_CASE("truncated JSON names file and line") {
  for (std::size_t cut = 1; cut < kLlama.size() - 1; ++cut) {
    const std::string said = error_of(kLlama.substr(0, cut));
    INFO("cut at " << cut << ": " << said);
    REQUIRE(said.rfind("config.json:", 0) == 0);
  }
  CHECK(error_of(kLlama.substr(0, 60)).find("ends too early") != std::string::npos);
}

TEST_CASE("wrong values are refused with the key's name") {
  CHECK(error_of(with(kLlama, "\"num_key_value_heads\": \"eight\"")).find("num_key_value_heads") !=
        std::string::npos);
  CHECK(error_of(with(kLlama, "\"num_key_value_heads\": 5")).find("kv_heads (5)") !=
        std::string::npos);
  CHECK(error_of(with(kLlama, "\"head_dim\": -4")).find("head_dim") != std::string::npos);
  CHECK(error_of("[1, 2]").find("JSON object") != std::string::npos);
  CHECK(error_of(with(kLlama, "\"rope_theta\": 1e999")).find("config.json") == 0);
  const std::string unknown = error_of(R"({"model_type": "lama"})");
  CHECK(unknown.find("Did you mean 'llama'") != std::string::npos);
}

TEST_CASE("explicit head_dim is honoured") {
  const Transformer m = import_text(with(kLlama, "\"head_dim\": 64"));
  CHECK(m.head_dim == 64);
  CHECK(m.kv_bytes_per_token(Dtype::kFp16) == 2 * 32 * 32 * 64 * 2);
  CHECK(m.parameter_count() < import_text(kLlama).parameter_count());
}

TEST_CASE("quantised checkpoints keep their weight format") {
  const Transformer m =
      import_text(with(kLlama, R"("quantization_config": {"quant_method": "gptq", "bits": 4})"));
  CHECK(m.weight_dtype == Dtype::kInt4);
  CHECK(error_of(with(kLlama, R"("quantization_config": {"quant_method": "magic"})"))
            .find("quant_method") != std::string::npos);
}
