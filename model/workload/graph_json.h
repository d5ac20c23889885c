#pragma once
/// A graph as a file: every field of every tensor, block and op, in a fixed order, so that equal
/// graphs give equal bytes.
#include <nlohmann/json.hpp>
#include <string>

#include "workload/graph.h"

namespace athena::workload {

[[nodiscard]] nlohmann::ordered_json to_json(const Graph& graph);

/// Inverse of to_json(). `file` stands in errors. Throws InputError for a missing key, a wrong type
/// or a graph that check() finds unsound.
[[nodiscard]] Graph graph_from_json(const nlohmann::ordered_json& json, const std::string& file);

/// Hash of to_json(): names the artefact.
[[nodiscard]] std::string graph_hash(const Graph& graph);

}  // namespace athena::workload
