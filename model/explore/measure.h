#pragma once
/// From the results of a candidate's points to the numbers of its row.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "explore/pareto.h"
#include "explore/space.h"
#include "explore/table.h"
#include "jobs/excerpt.h"

namespace athena::explore {

/// Results of a candidate's points, one per scenario in their order.
using Results = std::vector<nlohmann::ordered_json>;

/// The number under a dotted path of a result, in base units; an object that has a `nominal` stands
/// for it. With named scenarios the path starts with the scenario's name; without the name, the
/// first scenario that has the path answers.
[[nodiscard]] std::optional<Value> result_value(const Space& space, const Results& results,
                                                const std::string& path);

/// What columns and constraints read of a result: all that a sweep needs to see of it.
[[nodiscard]] std::vector<jobs::Alternatives> wanted_values(const Space& space);

/// Throws InputError when a column or constraint names something that neither the candidate nor its
/// results have, with the nearest name that they do have: an objective that nobody computes.
void check_columns(const Space& space, const Candidate& candidate, const Results& results);

/// Fills columns and violations; a row whose numbers cannot be computed fails with the reason.
/// `candidate` is null for reference designs, which have no axes.
void measure(const Space& space, const Candidate* candidate, const Results& results, Row& row);

/// The objectives of a row, all to be minimised. Only for rows that are ok.
[[nodiscard]] Objectives minimised(const Space& space, const Row& row);

}  // namespace athena::explore
