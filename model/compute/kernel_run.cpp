#include "compute/kernel_run.h"

#include <algorithm>

namespace athena::compute {

ItemPlace queue_item(const program::Kernel& kernel, std::int64_t index) {
  ItemPlace place;
  while (index >= kernel.parts[static_cast<std::size_t>(place.part)].items()) {
    index -= kernel.parts[static_cast<std::size_t>(place.part)].items();
    ++place.part;
  }
  const auto& dims = kernel.parts[static_cast<std::size_t>(place.part)].dims;
  const std::int64_t plane = dims[0] * dims[1];
  place.coord[3] = index / (plane * dims[2]);
  index %= plane * dims[2];
  place.coord[2] = index / plane;
  index %= plane;
  // Groups of row tiles: inside a group rows run fastest, so that its row panels stay in the cache
  // while the column panels pass.
  const std::int64_t group = std::min(kernel.order.group, dims[0]);
  const std::int64_t first = index / (group * dims[1]) * group;
  const std::int64_t height = std::min(group, dims[0] - first);
  index -= first * dims[1];
  place.coord[0] = first + index % height;
  place.coord[1] = index / height;
  return place;
}

CorePlace core_place(const program::Kernel& kernel, int core, int cluster_cores) {
  std::int64_t down = 1;
  while (down * down * 4 <= cluster_cores) down *= 2;
  const std::int64_t across = cluster_cores / down;
  const bool tiles = down * across == cluster_cores && kernel.core_rows % down == 0 &&
                     kernel.core_cols % across == 0;
  if (!tiles) return {core / kernel.core_cols, core % kernel.core_cols};
  const std::int64_t clusters_across = kernel.core_cols / across;
  const std::int64_t cluster = core / cluster_cores;
  const std::int64_t inside = core % cluster_cores;
  return {cluster / clusters_across * down + inside / across,
          cluster % clusters_across * across + inside % across};
}

bool StaticItems::next(ItemPlace& place) {
  return kernel_->flat ? next_flat(place) : next_grid(place);
}

bool StaticItems::next_flat(ItemPlace& place) {
  // Rounds alternate in direction, so that causal items of growing length even out.
  const std::int64_t slot = index_ % 2 == 0 ? core_ : cores_ - 1 - core_;
  const std::int64_t item = index_ * cores_ + slot;
  if (item >= kernel_->items()) {
    // A reversed last round may leave this core without an item while the next does not exist.
    return false;
  }
  ++index_;
  ++round_;
  place = queue_item(*kernel_, item);
  return true;
}

bool StaticItems::next_grid(ItemPlace& place) {
  for (; part_ < kernel_->parts.size(); ++part_, index_ = 0) {
    const auto& dims = kernel_->parts[part_].dims;
    rows_ = dims[0] * dims[3];
    columns_ = dims[1] * dims[2];
    const std::int64_t rounds_down = ceil_div(rows_, kernel_->core_rows);
    const std::int64_t rounds = rounds_down * ceil_div(columns_, kernel_->core_cols);
    while (index_ < rounds) {
      const std::int64_t present = index_++;
      ++round_;
      i_ = present % rounds_down * kernel_->core_rows + place_.row;
      j_ = present / rounds_down * kernel_->core_cols + place_.column;
      if (i_ >= rows_ || j_ >= columns_) continue;
      place.part = static_cast<int>(part_);
      place.coord[0] = i_ % dims[0];
      place.coord[3] = i_ / dims[0];
      place.coord[1] = j_ % dims[1];
      place.coord[2] = j_ / dims[1];
      return true;
    }
  }
  return false;
}

int StaticItems::members(program::Multicast group) const {
  if (group == program::Multicast::kRow) {
    const std::int64_t first = j_ / kernel_->core_cols * kernel_->core_cols;
    return static_cast<int>(std::min(kernel_->core_cols, columns_ - first));
  }
  const std::int64_t first = i_ / kernel_->core_rows * kernel_->core_rows;
  return static_cast<int>(std::min(kernel_->core_rows, rows_ - first));
}

}  // namespace athena::compute
