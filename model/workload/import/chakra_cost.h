#pragma once
/// What a Chakra node says about its cost, whoever wrote it: generators (num_ops, symbolic shapes)
/// and PyTorch (lists of tensors). Private to import/.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "workload/graph.h"
#include "workload/import/chakra_wire.h"

namespace athena::workload {

/// A numeric attribute (booleans are 0 and 1).
[[nodiscard]] std::optional<double> number_of(const WireNode& node, const std::string& key);
/// A text attribute, "" when absent.
[[nodiscard]] std::string text_of(const WireNode& node, const std::string& key);
/// Size behind each "name@shape" text of a symbolic trace's `inputs` or `outputs`.
[[nodiscard]] std::vector<double> listed_sizes(const WireNode& node, const std::string& key);
/// Bytes of the distinct tensors on a device in PyTorch value lists:
/// [[id, storage, offset, elements, element_bytes, 'cuda:0'], ...].
[[nodiscard]] std::int64_t device_bytes(const std::string& values);
/// Whether a device kernel of PyTorch takes the time of moving its tensors.
[[nodiscard]] bool is_streaming(const std::string& name);
/// m, n, k of a matrix product, from a generator's symbolic node or from the operator's shapes of a
/// PyTorch kernel; empty for everything else.
[[nodiscard]] std::optional<GemmShape> gemm_of(const WireNode& node);

}  // namespace athena::workload
