#include "explore/pareto.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace athena::explore {
namespace {

/// Designs in lexicographic order: one that comes later cannot dominate one that comes earlier.
std::vector<std::size_t> lexicographic(const std::vector<Objectives>& designs) {
  std::vector<std::size_t> order(designs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return designs[a] != designs[b] ? designs[a] < designs[b] : a < b;
  });
  return order;
}

/// The front among `order` (lexicographic); what is dominated goes to `rest` in the same order.
std::vector<std::size_t> peel(const std::vector<Objectives>& designs,
                              const std::vector<std::size_t>& order,
                              std::vector<std::size_t>& rest) {
  std::vector<std::size_t> front;
  for (const std::size_t candidate : order) {
    // The latest members of the front are the likeliest to dominate: look from the back.
    const bool beaten = std::any_of(front.rbegin(), front.rend(), [&](std::size_t member) {
      return dominates(designs[member], designs[candidate]);
    });
    (beaten ? rest : front).push_back(candidate);
  }
  return front;
}

/// The same for two objectives in one pass: beaten means no better in the second than the best so
/// far, unless equal to a member.
std::vector<std::size_t> peel_two(const std::vector<Objectives>& designs,
                                  const std::vector<std::size_t>& order,
                                  std::vector<std::size_t>& rest) {
  std::vector<std::size_t> front;
  double best = std::numeric_limits<double>::infinity();
  for (const std::size_t candidate : order) {
    const Objectives& design = designs[candidate];
    const bool twin = !front.empty() && designs[front.back()] == design;
    if (design[1] < best || twin) {
      best = design[1];
      front.push_back(candidate);
    } else {
      rest.push_back(candidate);
    }
  }
  return front;
}

std::vector<std::size_t> next_front(const std::vector<Objectives>& designs,
                                    std::vector<std::size_t>& order) {
  std::vector<std::size_t> rest;
  const bool two = !order.empty() && designs[order.front()].size() == 2;
  std::vector<std::size_t> front =
      two ? peel_two(designs, order, rest) : peel(designs, order, rest);
  order = std::move(rest);
  return front;
}

std::vector<double> crowding(const std::vector<Objectives>& designs,
                             const std::vector<std::size_t>& front) {
  std::vector<double> distance(front.size(), 0.0);
  std::vector<std::size_t> order(front.size());
  for (std::size_t objective = 0; objective < designs[front[0]].size(); ++objective) {
    const auto value = [&](std::size_t i) { return designs[front[i]][objective]; };
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return value(a) < value(b); });
    const double span = value(order.back()) - value(order.front());
    distance[order.front()] = distance[order.back()] = std::numeric_limits<double>::infinity();
    if (span <= 0.0) continue;
    for (std::size_t i = 1; i + 1 < order.size(); ++i) {
      distance[order[i]] += (value(order[i + 1]) - value(order[i - 1])) / span;
    }
  }
  return distance;
}

}  // namespace

bool dominates(const Objectives& a, const Objectives& b) {
  bool better = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    better = better || a[i] < b[i];
  }
  return better;
}

std::vector<std::size_t> pareto_front(const std::vector<Objectives>& designs) {
  std::vector<std::size_t> order = lexicographic(designs);
  std::vector<std::size_t> front = next_front(designs, order);
  std::sort(front.begin(), front.end());
  return front;
}

std::vector<std::size_t> best_by_front(const std::vector<Objectives>& designs, std::size_t count) {
  std::vector<std::size_t> order = lexicographic(designs);
  std::vector<std::size_t> best;
  while (best.size() < count && !order.empty()) {
    std::vector<std::size_t> front = next_front(designs, order);
    std::sort(front.begin(), front.end());
    const std::vector<double> distance = crowding(designs, front);
    std::vector<std::size_t> rank(front.size());
    std::iota(rank.begin(), rank.end(), std::size_t{0});
    std::stable_sort(rank.begin(), rank.end(),
                     [&](std::size_t a, std::size_t b) { return distance[a] > distance[b]; });
    for (const std::size_t i : rank) {
      if (best.size() < count) best.push_back(front[i]);
    }
  }
  return best;
}

ObjectiveBox bounding_box(const std::vector<Objectives>& designs) {
  ObjectiveBox box;
  if (designs.empty()) return box;
  box.best = box.worst = designs.front();
  for (const Objectives& design : designs) {
    for (std::size_t i = 0; i < design.size(); ++i) {
      box.best[i] = std::min(box.best[i], design[i]);
      box.worst[i] = std::max(box.worst[i], design[i]);
    }
  }
  return box;
}

}  // namespace athena::explore
