#include "timing/l2_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace athena::timing {

L2Cache::L2Cache(const L2Spec& spec) : spec_(spec) {
  if (spec.capacity.value() <= 0 || spec.partitions < 1 || spec.slices < spec.partitions ||
      spec.slice_bandwidth.value() <= 0.0) {
    throw InputError(fmt::format(
        "L2 cache of {} bytes, {} partitions, {} slices: expected a positive capacity and slice "
        "bandwidth, and at least one slice in each partition",
        spec.capacity.value(), spec.partitions, spec.slices));
  }
  reset();
}

void L2Cache::reset() {
  stores_.assign(static_cast<std::size_t>(spec_.partitions), Store{});
  for (Store& store : stores_) store.capacity = spec_.capacity / spec_.partitions;
  free_.assign(static_cast<std::size_t>(spec_.partitions), Time(0));
  counters_ = {};
}

/// With copies in each partition the reader's own store counts, else the one the address hashes to.
L2Cache::Store& L2Cache::store_of(int partition, const Key& key) {
  const auto n = static_cast<std::size_t>(spec_.partitions);
  const std::size_t home =
      spec_.duplicate ? static_cast<std::size_t>(partition) : KeyHash{}(key) >> 7;
  return stores_[home % n];
}

void L2Cache::detach(Store& store, std::uint32_t id) {
  Line& line = store.lines[id];
  (line.newer == kNil ? store.newest : store.lines[line.newer].older) = line.older;
  (line.older == kNil ? store.oldest : store.lines[line.older].newer) = line.newer;
}

void L2Cache::attach(Store& store, std::uint32_t id) {
  Line& line = store.lines[id];
  line.newer = kNil;
  line.older = store.newest;
  (store.newest == kNil ? store.oldest : store.lines[store.newest].newer) = id;
  store.newest = id;
}

void L2Cache::remove(Store& store, std::uint32_t id) {
  detach(store, id);
  store.used -= store.lines[id].bytes;
  store.index.erase(store.lines[id].key);
  store.free.push_back(id);
}

Bytes L2Cache::make_room(Store& store, Bytes bytes) {
  Bytes dirty{0};
  while (store.oldest != kNil && store.used + bytes > store.capacity) {
    const Line& victim = store.lines[store.oldest];
    if (victim.dirty) dirty += victim.bytes;
    remove(store, store.oldest);
  }
  counters_.write_back += dirty;
  return dirty;
}

Bytes L2Cache::insert(Store& store, const Key& key, Bytes bytes, bool dirty) {
  if (bytes > store.capacity) {  // passes through
    if (dirty) counters_.write_back += bytes;
    return dirty ? bytes : Bytes(0);
  }
  const Bytes left = make_room(store, bytes);
  std::uint32_t id = 0;
  if (store.free.empty()) {
    id = static_cast<std::uint32_t>(store.lines.size());
    store.lines.emplace_back();
  } else {
    id = store.free.back();
    store.free.pop_back();
  }
  store.lines[id] = {key, bytes, kNil, kNil, dirty};
  store.index[key] = id;
  store.used += bytes;
  attach(store, id);
  return left;
}

L2Access L2Cache::read(int partition, std::uint64_t tensor, std::uint64_t block, Bytes bytes) {
  const Key key{tensor, block};
  Store& store = store_of(partition, key);
  L2Access access;
  ++counters_.accesses;
  const auto it = store.index.find(key);
  if (it == store.index.end()) {
    access.miss = bytes;
    access.write_back = insert(store, key, bytes, false);
  } else {
    const std::uint32_t id = it->second;
    access.hit = std::min(bytes, store.lines[id].bytes);
    access.miss = bytes - access.hit;
    detach(store, id);
    attach(store, id);
    if (access.miss.value() > 0) {  // more of the block than was there
      const bool dirty = store.lines[id].dirty;
      remove(store, id);
      access.write_back = insert(store, key, bytes, dirty);
    }
  }
  counters_.hit += access.hit;
  counters_.miss += access.miss;
  return access;
}

L2Access L2Cache::write(int partition, std::uint64_t tensor, std::uint64_t block, Bytes bytes) {
  const Key key{tensor, block};
  L2Access access;
  ++counters_.accesses;
  counters_.written += bytes;
  if (spec_.duplicate) {  // copies on the other side are stale
    for (std::size_t p = 0; p < stores_.size(); ++p) {
      if (p == static_cast<std::size_t>(partition)) continue;
      if (const auto it = stores_[p].index.find(key); it != stores_[p].index.end()) {
        remove(stores_[p], it->second);
      }
    }
  }
  Store& store = store_of(partition, key);
  Bytes size = bytes;
  if (const auto it = store.index.find(key); it != store.index.end()) {
    size = std::max(size, store.lines[it->second].bytes);
    remove(store, it->second);
  }
  access.write_back = insert(store, key, size, true);
  access.hit = bytes;
  return access;
}

void L2Cache::drop(std::uint64_t tensor) {
  for (Store& store : stores_) {
    for (std::uint32_t id = store.newest; id != kNil;) {
      const std::uint32_t next = store.lines[id].older;
      if (store.lines[id].key.tensor == tensor) remove(store, id);
      id = next;
    }
  }
}

Bytes L2Cache::flush() {
  Bytes dirty{0};
  for (Store& store : stores_) {
    for (std::uint32_t id = store.newest; id != kNil;) {
      const std::uint32_t next = store.lines[id].older;
      if (store.lines[id].dirty) dirty += store.lines[id].bytes;
      remove(store, id);
      id = next;
    }
  }
  counters_.write_back += dirty;
  return dirty;
}

Bytes L2Cache::resident() const {
  Bytes sum{0};
  for (const Store& store : stores_) sum += store.used;
  return sum;
}

Time L2Cache::serve(Time arrival, int partition, std::uint64_t block, Bytes bytes) {
  const auto n = static_cast<std::uint64_t>(spec_.partitions);
  const bool far = !spec_.duplicate && n > 1 && block % n != static_cast<std::uint64_t>(partition);
  const std::size_t home =
      far ? static_cast<std::size_t>(block % n) : static_cast<std::size_t>(partition);
  const BytesPerSecond rate =
      spec_.slice_bandwidth * (static_cast<double>(spec_.slices) / spec_.partitions);
  const Time start = std::max(arrival, free_[home]);
  free_[home] = start + transfer_time(bytes, rate);
  return free_[home] + to_time(spec_.latency) + (far ? to_time(spec_.far_latency) : Time(0));
}

}  // namespace athena::timing
