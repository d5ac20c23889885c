#pragma once
/// Which of many designs are not beaten by another, and how much they cover. Everything here
/// minimises: callers negate what is to be maximised.
#include <cstddef>
#include <vector>

namespace athena::explore {

/// One design's objectives; all of a set have the same length, all numbers finite.
using Objectives = std::vector<double>;

/// True when `a` is nowhere worse than `b` and somewhere better.
[[nodiscard]] bool dominates(const Objectives& a, const Objectives& b);

/// Indices of the designs that none dominates, ascending. Equal designs are all kept.
[[nodiscard]] std::vector<std::size_t> pareto_front(const std::vector<Objectives>& designs);

/// The best `count` indices: front after front, inside a front those in the least crowded places
/// first (crowding distance of NSGA-II, Deb et al. 2002); ties by index.
[[nodiscard]] std::vector<std::size_t> best_by_front(const std::vector<Objectives>& designs,
                                                     std::size_t count);

/// A box that scales objectives to 0 (best seen) .. 1 (worst seen).
struct ObjectiveBox {
  Objectives best;
  Objectives worst;
};
[[nodiscard]] ObjectiveBox bounding_box(const std::vector<Objectives>& designs);

/// Share of the box (grown by a tenth at the worst corner, so that extreme designs count too) that
/// the designs dominate, 0..1. Exact (pagmo's WFG).
[[nodiscard]] double hypervolume(const std::vector<Objectives>& designs, const ObjectiveBox& box);

}  // namespace athena::explore
