#pragma once
/// Does what is swept matter? A key that changes no input of the model, or no result, is a slip
/// that a table of numbers would hide.
#include <string>
#include <vector>

#include "explore/space.h"
#include "explore/table.h"
#include "jobs/run_points.h"

namespace athena::explore {

/// Resolves a few candidates before anything runs. Throws the error of the space itself: a key that
/// a document does not have, a value that no candidate can take. Returns one sentence per axis
/// whose values all lead to the same model input.
[[nodiscard]] std::vector<std::string> check_inputs(const Space& space, jobs::Pool& pool);

/// One sentence per axis along which at least one pair of rows of the first tier differs in nothing
/// else, and no such pair differs in its results. `already` holds sentences of check_inputs: their
/// axes are not named twice.
[[nodiscard]] std::vector<std::string> check_results(const Space& space,
                                                     const std::vector<Row>& rows,
                                                     const std::vector<std::string>& already);

}  // namespace athena::explore
