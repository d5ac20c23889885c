#pragma once
/// ONNX transformer graph -> Transformer. The stack is recognised by its softmaxes: what multiplies
/// by a weight before one is the projection of Q, K and V, what follows is the output projection
/// and the FFN. Sizes come from the shapes of the weights, which may be outside the file.
#include <filesystem>

#include "workload/transformer.h"

namespace athena::workload {

/// Reads graphs with decomposed or fused attention (Softmax; Attention, MultiHeadAttention and
/// GroupQueryAttention nodes), LayerNorm or RMSNorm (fused or decomposed), plain or gated FFN,
/// learned or rotary positions. All layers must have one shape. A model is causal when its
/// attention is masked by a triangle (Trilu or a square constant) or is declared so.
/// Throws InputError naming what was looked for and not found, or the node that fits no layer; also
/// when the recognised architecture does not have the parameters that the file holds.
[[nodiscard]] Transformer import_onnx(const std::filesystem::path& path);

}  // namespace athena::workload
