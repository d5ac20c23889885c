#pragma once
/// Sections of `athena run`'s screen that only some runs have.
#include <nlohmann/json.hpp>
#include <string>

namespace athena::cli {

/// Of a training step: utilisation, bubble, communication, memory of the fullest rank. Empty for
/// other runs.
[[nodiscard]] std::string training_text(const nlohmann::ordered_json& run);

/// Of a replayed trace: its nodes, what they are timed by and what they lacked. Empty for others.
[[nodiscard]] std::string replay_text(const nlohmann::ordered_json& run);

}  // namespace athena::cli
