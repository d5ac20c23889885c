#pragma once
/// Values of an axis: a list, or a range written from..to.
#include "config/node.h"
#include "explore/space.h"

namespace athena::explore {

/// Reads `[a, b, c]`, `{from, to, step}`, `{from, to, factor}` (times factor), or
/// `{from, to, points, scale: linear|log}`; both ends belong to the range. Throws InputError for an
/// empty range, a step that leads nowhere, ends of different units, a value given twice.
[[nodiscard]] Axis read_axis(const std::string& key, const config::Node& node);

}  // namespace athena::explore
