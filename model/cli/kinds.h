#pragma once
/// Every kind of document that this build reads.
#include <vector>

#include "config/kind.h"

namespace athena::cli {

/// In the order of the reference page.
[[nodiscard]] const std::vector<config::Kind>& document_kinds();

}  // namespace athena::cli
