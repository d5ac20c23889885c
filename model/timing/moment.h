#pragma once
/// Points in simulated time that remember how they were reached, and the servers that make them.
///
/// Every start time in the chip is the latest of several causes (operands arrived, unit free,
/// buffer free). A Moment carries, beside its time, the composition of the longest chain of causes
/// that led to it, split by kind of resource. The last Moment of a run therefore *is* its critical
/// path, and the shares add to the run time exactly, because both are integer femtoseconds.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/units.h"

namespace athena::timing {

/// What a piece of the critical path was spent on.
enum class Bound : std::size_t { kCompute, kVector, kHbm, kL2, kNoc, kLink, kLaunch, kPower };
inline constexpr std::size_t kBounds = 8;
inline constexpr std::array<std::string_view, kBounds> kBoundNames{
    "compute", "vector", "hbm", "l2", "noc", "link", "launch", "power"};

/// Time per kind of resource along one chain of causes.
class PathShares {
 public:
  void add(Bound bound, Time time) { time_[static_cast<std::size_t>(bound)] += time.value(); }
  [[nodiscard]] Time of(Bound bound) const { return Time(time_[static_cast<std::size_t>(bound)]); }
  [[nodiscard]] Time total() const {
    std::int64_t sum = 0;
    for (const std::int64_t part : time_) sum += part;
    return Time(sum);
  }
  PathShares& operator+=(const PathShares& other) {
    for (std::size_t i = 0; i < kBounds; ++i) time_[i] += other.time_[i];
    return *this;
  }
  friend PathShares operator-(PathShares a, const PathShares& b) {
    for (std::size_t i = 0; i < kBounds; ++i) a.time_[i] -= b.time_[i];
    return a;
  }
  /// All parts times a factor, each rounded to a femtosecond.
  [[nodiscard]] PathShares scaled(double factor) const {
    PathShares result;
    for (std::size_t i = 0; i < kBounds; ++i) {
      result.time_[i] =
          static_cast<std::int64_t>(std::llround(static_cast<double>(time_[i]) * factor));
    }
    return result;
  }
  /// All parts times an integer (repeated identical stretches).
  [[nodiscard]] PathShares times(std::int64_t factor) const {
    PathShares result = *this;
    for (std::int64_t& part : result.time_) part *= factor;
    return result;
  }

 private:
  std::array<std::int64_t, kBounds> time_{};
};

/// A point in time with the critical path that led there; `path.total() == at` always.
struct Moment {
  Time at{0};
  PathShares path;

  /// This moment, `time` later, the time spent on `bound`.
  [[nodiscard]] Moment after(Time time, Bound bound) const {
    Moment result = *this;
    result.at += time;
    result.path.add(bound, time);
    return result;
  }
  /// The moment at absolute time `until` (not before this one), the wait spent on `bound`.
  [[nodiscard]] Moment until(Time until, Bound bound) const {
    return until > at ? after(until - at, bound) : *this;
  }
};

/// The later of two causes; the first one when they tie, so that results do not depend on order
/// alone.
[[nodiscard]] inline const Moment& later(const Moment& a, const Moment& b) {
  return b.at > a.at ? b : a;
}

/// A resource that serves one customer at a time, in order of arrival.
class Server {
 public:
  /// Occupies the server for `busy` from max(arrival, free); returns when it is done.
  const Moment& serve(const Moment& arrival, Time busy, Bound bound) {
    if (arrival.at > free_.at) free_ = arrival;
    start_ = free_.at;
    free_.at += busy;
    free_.path.add(bound, busy);
    busy_ += busy;
    return free_;
  }
  /// Keeps the server occupied until `until`, which is not before it falls free.
  void extend(const Moment& until) { free_ = until; }
  [[nodiscard]] const Moment& free() const { return free_; }
  [[nodiscard]] Time start() const { return start_; }  ///< start of the last service
  [[nodiscard]] Time busy() const { return busy_; }    ///< total time occupied
  void reset() { *this = Server(); }

 private:
  Moment free_;
  Time start_{0};
  Time busy_{0};
};

}  // namespace athena::timing
