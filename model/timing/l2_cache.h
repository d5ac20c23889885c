#pragma once
/// GPU-style last-level cache at the granularity of tiles: what is resident follows from the order
/// in which the schedule really touches blocks of tensors, and each block occupies slices of a
/// partition with their own bandwidth.
///
/// A block is (tensor, index) with a size in bytes. The cache keeps whole blocks, least recently
/// used ones leave first; a block larger than the cache passes through without staying.
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/units.h"

namespace athena::timing {

struct L2Spec {
  Bytes capacity{static_cast<std::int64_t>(40) << 20};
  /// Partitions that each serve their own cores. 2: half of the addresses are in the far partition,
  /// reached at `far_latency` more; a block that both sides read is kept twice, as in a GPU whose
  /// partitions cache for their directly connected cores.
  int partitions = 1;
  bool duplicate = false;  ///< each partition keeps its own copy of what its cores read
  int slices = 80;         ///< of the whole cache
  BytesPerSecond slice_bandwidth{64.0 * 1.41e9};
  Seconds latency{200e-9};      ///< hit in the near partition
  Seconds far_latency{100e-9};  ///< added for a hit in another partition
};

/// What one access found.
struct L2Access {
  Bytes hit{0};         ///< served from the cache
  Bytes miss{0};        ///< to be read from memory
  Bytes write_back{0};  ///< dirty bytes that had to leave to make room
};

struct L2Counters {
  std::uint64_t accesses = 0;
  Bytes hit{0}, miss{0}, written{0}, write_back{0};
};

class L2Cache {
 public:
  /// Throws InputError when the spec contradicts itself.
  explicit L2Cache(const L2Spec& spec);

  /// Reads `bytes` of block (tensor, block) of `block_bytes` for the cores of `partition`. A miss
  /// makes the block resident (bytes of it that were read).
  L2Access read(int partition, std::uint64_t tensor, std::uint64_t block, Bytes bytes);
  /// Writes: the block becomes resident and dirty without a fetch (whole tiles are written).
  L2Access write(int partition, std::uint64_t tensor, std::uint64_t block, Bytes bytes);
  /// Forgets a tensor (its last use is over): nothing is written back.
  void drop(std::uint64_t tensor);
  /// Writes back and forgets everything; returns the dirty bytes.
  Bytes flush();

  /// When a transfer of `bytes` from the cache, starting at `arrival`, is over: latency plus the
  /// slices' bandwidth, first come first served. Reserve in global time order.
  Time serve(Time arrival, int partition, std::uint64_t block, Bytes bytes);

  [[nodiscard]] const L2Counters& counters() const { return counters_; }
  [[nodiscard]] Bytes resident() const;
  [[nodiscard]] const L2Spec& spec() const { return spec_; }
  void reset();

 private:
  struct Key {
    std::uint64_t tensor = 0, block = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const {
      return static_cast<std::size_t>((k.tensor * 0x9e3779b97f4a7c15ULL) ^
                                      (k.block * 0xbf58476d1ce4e5b9ULL));
    }
  };
  static constexpr std::uint32_t kNil = UINT32_MAX;
  struct Line {
    Key key;
    Bytes bytes{0};
    std::uint32_t newer = kNil, older = kNil;
    bool dirty = false;
  };
  /// One set of lines in order of use.
  struct Store {
    std::unordered_map<Key, std::uint32_t, KeyHash> index;
    std::vector<Line> lines;
    std::vector<std::uint32_t> free;
    std::uint32_t newest = kNil, oldest = kNil;
    Bytes used{0};
    Bytes capacity{0};
  };

  Store& store_of(int partition, const Key& key);
  static void detach(Store& store, std::uint32_t id);
  static void attach(Store& store, std::uint32_t id);
  static void remove(Store& store, std::uint32_t id);
  Bytes make_room(Store& store, Bytes bytes);
  Bytes insert(Store& store, const Key& key, Bytes bytes, bool dirty);

  L2Spec spec_;
  std::vector<Store> stores_;
  std::vector<Time> free_;  // per partition: when its slices are idle
  L2Counters counters_;
};

}  // namespace athena::timing
