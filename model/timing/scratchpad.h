#pragma once
/// Software-managed memory: banks behind ports. Reserves time, first come first served, and says
/// how much conflicts cost.
#include <cstdint>
#include <vector>

#include "base/units.h"

namespace athena::timing {

struct ScratchpadSpec {
  Bytes capacity{static_cast<std::int64_t>(1) << 20};
  int banks = 16;
  int bank_bytes = 32;  ///< width of one bank: bytes per bank and cycle; also the interleave
  int read_ports = 1;   ///< transfers that may read at once; each sees all banks
  int write_ports = 1;
  Hertz clock{1e9};
  Cycles latency{2};  ///< first address to first data
};

/// A regular access: `rows` rows of `row_bytes`, `pitch` bytes apart, from `address`.
struct ScratchAccess {
  std::uint64_t address = 0;
  Bytes row_bytes{0};
  std::int64_t rows = 1;
  Bytes pitch{0};
  bool write = false;
};

/// Closed form: cycles in which the banks deliver an access, one word per bank and cycle. A column
/// walk (rows narrower than a bank word, pitch a multiple of all banks) keeps hitting one bank.
[[nodiscard]] Cycles bank_cycles(const ScratchpadSpec& spec, const ScratchAccess& access);

class Scratchpad {
 public:
  /// Throws InputError when the spec contradicts itself.
  explicit Scratchpad(const ScratchpadSpec& spec);

  /// Completion of an access that arrives at `arrival`. Throws InputError beyond the capacity. Call
  /// in global time order.
  Time access(Time arrival, const ScratchAccess& access);

  [[nodiscard]] std::int64_t conflict_cycles() const { return conflicts_; }
  [[nodiscard]] Bytes moved() const { return moved_; }
  [[nodiscard]] const ScratchpadSpec& spec() const { return spec_; }
  void reset();

 private:
  ScratchpadSpec spec_;
  std::vector<Time> read_free_, write_free_;
  Time banks_free_{0};  // the banks' whole bandwidth as one server
  std::int64_t conflicts_ = 0;
  Bytes moved_{0};
};

}  // namespace athena::timing
