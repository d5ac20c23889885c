#pragma once
/// A sweep read back: its rows with their meaning, the front, what moved what; as text, CSV, JSON.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "explore/space.h"
#include "explore/statistics.h"
#include "explore/table.h"

namespace athena::explore {

/// How well a tier ranks designs as the next finer one does, per objective.
struct TierAgreement {
  std::string objective;
  std::string from;  ///< fidelity
  std::string to;
  std::size_t designs = 0;
  double spearman = 1.0;
};

/// Share of the objectives' box that the designs found so far dominate.
struct VolumeStep {
  std::size_t evaluations = 0;
  double hypervolume = 0.0;
};

/// Everything that `athena sweep show` can say.
struct SweepReport {
  Space space;
  std::vector<Row> rows;           ///< by tier, then number
  int last_stage = 0;              ///< the finest tier that has feasible rows
  std::vector<std::size_t> front;  ///< places in `rows`: feasible, of last_stage, not dominated
  std::vector<TierAgreement> agreement;
  std::vector<VolumeStep> volume;  ///< first tier; empty where it cannot be computed in reason
  std::vector<std::vector<MainEffect>> effects;  ///< per column, first tier
  std::vector<std::string> warnings;
  std::string settings;  ///< JSON text: optimizer, budget, population, seed
};

/// Throws InputError when the folder holds no sweep.
[[nodiscard]] SweepReport load_report(const std::filesystem::path& folder);

/// Name of a tier: the fidelity it ran at.
[[nodiscard]] std::string tier_name(const Space& space, int stage);

/// Which rows to write.
enum class RowChoice { kAll, kFront };

/// One line per row: tier, candidate, axes and derived values, columns with their units, feasible,
/// front, exit code, reason. The same bytes for the same rows.
[[nodiscard]] std::string to_csv(const SweepReport& report, RowChoice choice);
[[nodiscard]] nlohmann::ordered_json to_json(const SweepReport& report, RowChoice choice);
/// For a terminal: summary, at most `limit` rows, effects, agreement between tiers, warnings.
[[nodiscard]] std::string to_text(const SweepReport& report, RowChoice choice, std::size_t limit);

/// One candidate in full: its settings, the command of each of its points, its numbers or reason.
[[nodiscard]] std::string candidate_text(const SweepReport& report, std::int64_t index);

}  // namespace athena::explore
