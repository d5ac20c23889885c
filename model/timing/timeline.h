#pragma once
/// What a machine did when: spans of its engines and rates over time. The machine fills a Timeline
/// while it runs, reports and traces read it afterwards. Nothing in a run's result depends on it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/units.h"

namespace athena::timing {

/// An amount per time, in bins of equal width that double whenever the run outgrows them: any run
/// fits the same memory.
class Series {
 public:
  Series() : Series(2048) {}
  explicit Series(std::size_t bins);
  /// Spreads `amount` evenly over [start, end); all of it at `start` when they are equal. Nothing
  /// for an end before its start.
  void add(Time start, Time end, double amount);
  [[nodiscard]] Time bin() const { return Time(std::int64_t{1} << shift_); }
  /// Amounts of the bins up to the last one that is not zero.
  [[nodiscard]] std::vector<double> amounts() const;
  [[nodiscard]] double total() const;

 private:
  void fold();
  int shift_;  ///< a bin is 2^shift_ femtoseconds wide
  std::vector<double> amounts_;
};

/// Which part of a core a span belongs to.
enum class Lane : std::uint8_t { kMatrix, kVector, kLoad, kStore };
inline constexpr std::size_t kLanes = 4;
inline constexpr std::array<const char*, kLanes> kLaneNames{"matrix", "vector", "load", "store"};

/// What flows, chip-wide.
enum class Flow : std::uint8_t {
  kMemoryRead,   ///< bytes at the memory's pins
  kMemoryWrite,  ///< bytes
  kCache,        ///< bytes through the cache's slices or the cluster scratchpads
  kNetwork,      ///< bytes x links of the on-chip network
  kMatrix,       ///< core-seconds (as femtoseconds) that matrix units were busy
  kVector,       ///< likewise
};
inline constexpr std::size_t kFlows = 6;
inline constexpr std::array<const char*, kFlows> kFlowNames{
    "memory_read", "memory_write", "cache", "network", "matrix", "vector"};

struct TimelineOptions {
  int cores = 1;                                      ///< whose engines are recorded
  Time from{0};                                       ///< spans that end before are left
  Time to{std::numeric_limits<std::int64_t>::max()};  ///< spans that begin after are left
  std::size_t most_spans = 1000000;                   ///< further ones are only counted
};

class Timeline {
 public:
  /// One engine at work. `kernel`: number of the execution in the run.
  struct Span {
    Lane lane = Lane::kMatrix;
    std::int32_t core = 0;
    std::int32_t kernel = 0;
    Time start{0};
    Time end{0};
  };
  /// One execution of one kernel, from the end of the one before it to its own.
  struct Kernel {
    std::int32_t number = 0;
    std::string name;
    std::string block;
    std::int64_t repeat = 0;
    Time start{0};
    Time end{0};
  };
  /// Bytes over one link of the on-chip network; router -1 = a terminal's own link.
  struct Link {
    int from = -1;
    int to = -1;
    int terminal = -1;
    double bytes = 0;
  };

  explicit Timeline(TimelineOptions options = {}) : options_(options) {}

  [[nodiscard]] bool wants(int core) const { return core < options_.cores; }
  void span(Lane lane, int core, int kernel, Time start, Time end);
  /// A span of a matrix or vector unit that kept it busy for `busy`.
  void work(Lane lane, int core, int kernel, Time start, Time end, Time busy) {
    span(lane, core, kernel, start, end);
    flow(lane == Lane::kMatrix ? Flow::kMatrix : Flow::kVector, start, end,
         static_cast<double>(busy.value()));
  }
  void flow(Flow what, Time start, Time end, double amount) {
    flows_[static_cast<std::size_t>(what)].add(start, end, amount);
  }
  void kernel(Kernel kernel) { kernels_.push_back(std::move(kernel)); }
  void link(const Link& link) { links_.push_back(link); }
  /// Size of the network's grid; 0 x 0 = no grid.
  void grid(int rows, int cols) {
    rows_ = rows;
    cols_ = cols;
  }

  [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
  [[nodiscard]] std::size_t spans_left_out() const { return left_out_; }
  [[nodiscard]] const std::vector<Kernel>& kernels() const { return kernels_; }
  [[nodiscard]] const Series& of(Flow what) const { return flows_[static_cast<std::size_t>(what)]; }
  [[nodiscard]] const std::vector<Link>& links() const { return links_; }
  [[nodiscard]] int rows() const { return rows_; }
  [[nodiscard]] int cols() const { return cols_; }

 private:
  TimelineOptions options_;
  std::vector<Span> spans_;
  std::size_t left_out_ = 0;
  std::vector<Kernel> kernels_;
  std::array<Series, kFlows> flows_{};
  std::vector<Link> links_;
  int rows_ = 0;
  int cols_ = 0;
};

}  // namespace athena::timing
