#pragma once
/// The matrix array behind one door: the closed form with bit-exact numbers, the Verilated RTL, or
/// both in lockstep. A chip model holds a `ArrayEngine` and does not know which.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/units.h"
#include "config/chip.h"
#include "cosim/lockstep.h"
#include "timing/systolic_step.h"

namespace athena::cosim {

using config::Backend;
/// Inverse of "model", "rtl", "lockstep"; throws InputError.
[[nodiscard]] Backend backend_from_name(std::string_view text);

/// One matrix product: c[m][n] (+)= a[m][k] * b[k][n], row-major.
///
/// Operands are values already rounded to the engine's format (BF16: floats; INT8: whole numbers in
/// -128..127; MX8: any floats, quantised in blocks of 32 along k inside the engine).
struct TileJob {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::span<const float> a;
  std::span<const float> b;
  /// Sums to continue from (m x n words: FP32 bits, or INT32), empty to start afresh.
  std::span<const std::uint32_t> c;
};

struct TileResult {
  Cycles cycles;                    ///< array clock, preload of `c` not counted (see below)
  Cycles preload;                   ///< cycles spent handing `c` in; a chip keeps sums in the array
  std::vector<std::uint32_t> bits;  ///< m x n sums: FP32 bits (BF16, MX8) or INT32
};

/// A product's cycles, and those after which the same product may follow it (its weights enter
/// while this one still computes).
struct ProductCycles {
  Cycles total;
  Cycles next;
};

/// Products that were computed by model and RTL, with equal bits.
struct Compared {
  std::int64_t jobs = 0;
  std::int64_t model_cycles = 0;
  std::int64_t rtl_cycles = 0;
  Compared& operator+=(const Compared& other);
};
/// "jobs=4 model=.. rtl=.. cycles error=0.00 % bits=equal".
[[nodiscard]] std::string show(const Compared& compared);

/// Executes products. Not thread-safe. Cycles count from the first weight row's entry to the cycle
/// in which the last sums are seen, with every stream always ready.
class ArrayEngine {
 public:
  virtual ~ArrayEngine() = default;
  /// Throws InputError for an impossible job, Contradiction when lockstep finds a difference.
  virtual TileResult run_tile(const TileJob& job) = 0;
  /// As run_tile, but cycles only, from the closed form.
  [[nodiscard]] virtual Cycles cycles(std::int64_t m, std::int64_t n, std::int64_t k) const = 0;
  /// Cycles as the backend takes them: the RTL runs a product of zeros, once and twice in a row.
  /// Throws Contradiction when lockstep finds a difference.
  [[nodiscard]] virtual ProductCycles measure(std::int64_t m, std::int64_t n, std::int64_t k) = 0;
  /// Writes a waveform of the RTL from now on; without RTL nothing happens.
  virtual void open_trace(const std::string& /*path*/) {}
  virtual void close_trace() {}
  /// What lockstep compared so far.
  [[nodiscard]] virtual Compared compared() const { return {}; }
  /// "PARITY systolic_array 16x16x1 bf16: jobs=4 cycles=.. rtl=.. error=0.00 % bits=equal", or ""
  /// for a backend that compares nothing.
  [[nodiscard]] virtual std::string parity() const { return ""; }
};

/// The format an engine computes `type` in; throws InputError when the array has none.
[[nodiscard]] timing::ArrayFormat array_format(Dtype type);

/// "16x16x1 bf16".
[[nodiscard]] std::string show(const timing::SystolicRtlParams& params);

/// Creates an engine. RTL backends need a Verilated build of exactly these parameters; if there is
/// none, InputError names the ones there are.
[[nodiscard]] std::unique_ptr<ArrayEngine> make_array_engine(
    const timing::SystolicRtlParams& params, Backend backend,
    const std::vector<Fault>& faults = {});

/// Parameter sets that have a Verilated build.
[[nodiscard]] std::vector<timing::SystolicRtlParams> built_arrays();

}  // namespace athena::cosim
