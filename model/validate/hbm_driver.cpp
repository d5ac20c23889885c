#include "validate/hbm_driver.h"

#include <algorithm>
#include <bit>
#include <ctime>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "timing/hbm_fast.h"
#include "timing/hbm_queued.h"
#include "validate/hbm_pattern.h"

namespace athena::validate {
namespace {

using timing::HbmCompletion;
using timing::HbmSpec;

constexpr Bytes kRequest{64};

double cpu_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

/// Arrival times of an open loop.
class Poisson {
 public:
  Poisson(const HbmSpec& spec, const HbmRun& run)
      : rng_(run.seed * 2654435761U + 17),
        mean_fs_(run.offered_load > 0.0
                     ? static_cast<double>(kRequest.value()) / spec.peak().value() /
                           run.offered_load * kFemtosecondsPerSecond
                     : 0.0) {}
  Time next() {
    at_ += rng_.exponential(mean_fs_);
    return Time(static_cast<std::int64_t>(at_));
  }

 private:
  Rng rng_;
  double mean_fs_ = 0.0;
  double at_ = 0.0;
};

/// What the requests behind the first tenth, which does not count, add up to.
struct Counted {
  std::uint64_t requests = 0, reads = 0;
  Time begin{0}, end{0};
  double read_fs = 0.0;     // of reads, arrival to last byte, summed
  double control_fs = 0.0;  // ... from their controller's queue on

  void fill(HbmMeasured& result, const HbmSpec& spec) const {
    constexpr double kFsPerNs = 1e6;
    const double span = to_seconds(end - begin).value();
    result.bandwidth = static_cast<double>(requests) * static_cast<double>(kRequest.value()) /
                       span / spec.peak().value();
    if (reads > 0) {
      result.read_latency_ns = read_fs / static_cast<double>(reads) / kFsPerNs;
      result.controller_latency_ns = control_fs / static_cast<double>(reads) / kFsPerNs;
    }
    result.simulated_s = to_seconds(end).value();
  }
};

std::uint64_t uncounted(std::uint64_t requests) {
  return requests / 10;
}
/// Requests of a closed loop.
std::size_t in_flight(const HbmPattern& pattern, const HbmSpec& spec, const HbmRun& run) {
  if (pattern.chase()) return 1;
  return static_cast<std::size_t>(run.outstanding) * static_cast<std::size_t>(spec.channels());
}

/// Counts requests whose ends become known in another order than they are sent in.
class Meter {
 public:
  explicit Meter(std::uint64_t requests) : skip_(uncounted(requests)) {
    counted_.requests = requests - skip_;
  }

  /// Requests in the order of their submission.
  void latency(std::uint64_t index, bool write, Time arrival, Time accept, Time finish) {
    if (index < skip_ || write) return;
    counted_.read_fs += static_cast<double>((finish - arrival).value());
    counted_.control_fs += static_cast<double>((finish - accept).value());
    ++counted_.reads;
  }
  /// Completions in the order of time.
  void finished(Time at) {
    if (++finished_ == skip_) counted_.begin = at;
    counted_.end = std::max(counted_.end, at);
  }
  [[nodiscard]] const Counted& counted() const { return counted_; }
  [[nodiscard]] std::uint64_t finished() const { return finished_; }

 private:
  std::uint64_t skip_ = 0, finished_ = 0;
  Counted counted_;
};

/// Completions that lie ahead, by tick: a ring, since none lies further ahead than a read takes,
/// and a bit for every tick that has some.
class Ahead {
 public:
  explicit Ahead(timing::Tick horizon) {
    std::size_t size = 64;
    while (size <= static_cast<std::size_t>(horizon)) size *= 2;
    count_.resize(size, 0);
    some_.resize(size / 64, 0);
  }
  void add(timing::Tick at) {
    const std::size_t i = index(at);
    ++count_[i];
    some_[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  /// Calls `each(tick)` for every completion of [from, to), in the order of time.
  template <class Each>
  void take(timing::Tick from, timing::Tick to, Each each) {
    while (from < to) {
      const std::size_t i = index(from);
      const timing::Tick here = std::min<timing::Tick>(to - from, 64 - static_cast<int>(i % 64));
      std::uint64_t& word = some_[i / 64];
      std::uint64_t due = word >> (i % 64);
      if (here < 64) due &= (std::uint64_t{1} << here) - 1;
      word &= ~(due << (i % 64));
      for (; due != 0; due &= due - 1) {
        const int bit = std::countr_zero(due);
        for (std::uint32_t n = std::exchange(count_[i + static_cast<std::size_t>(bit)], 0); n > 0;
             --n) {
          each(from + bit);
        }
      }
      from += here;
    }
  }

 private:
  [[nodiscard]] std::size_t index(timing::Tick at) const {
    return static_cast<std::size_t>(at) & (count_.size() - 1);
  }
  std::vector<std::uint32_t> count_;
  std::vector<std::uint64_t> some_;
};

/// Request i arrives when request i - window has gone, and not before request i - 1.
class Window {
 public:
  explicit Window(std::size_t size) : finish_(size, Time(0)) {}
  Time arrive() {
    const std::int64_t free = finish_[at_].value();
    now_ = free > now_ ? free : now_;
    return Time(now_);
  }
  void depart(Time done) {
    finish_[at_] = done;
    at_ = at_ + 1 == finish_.size() ? 0 : at_ + 1;
  }

 private:
  std::vector<Time> finish_;
  std::size_t at_ = 0;
  std::int64_t now_ = 0;
};

/// Requests that arrive whatever has become of those before them.
class Open {
 public:
  explicit Open(Poisson poisson) : poisson_(poisson) {}
  Time arrive() { return poisson_.next(); }
  void depart(Time) {}

 private:
  Poisson poisson_;
};

/// Sends `count` requests, whose ends are known at once; `begin` is the last one's.
template <class Arrivals>
Counted send_fast(timing::HbmFast& memory, HbmPattern& pattern, std::uint64_t count,
                  Arrivals& arrivals) {
  // Copies, for the compiler to keep in registers.
  HbmPattern next = pattern;
  Arrivals loop = std::move(arrivals);
  Time done(0);
  std::int64_t end = 0;
  double latency = 0.0;
  std::uint64_t writes = 0;
  for (std::uint64_t left = count; left > 0; --left) {
    const HbmAccess access = next.next();
    const Time at = loop.arrive();
    done = memory.access(at, access.address, kRequest, access.write);
    loop.depart(done);
    end = done.value() > end ? done.value() : end;
    if (access.write) {
      ++writes;
    } else {
      latency += static_cast<double>((done - at).value());
    }
  }
  pattern = next;
  arrivals = std::move(loop);
  return {count, count - writes, done, Time(end), latency, 0.0};
}

/// A tenth that does not count, then the others.
template <class Arrivals>
HbmMeasured measure_fast(timing::HbmFast& memory, const HbmRun& run, HbmPattern pattern,
                         Arrivals arrivals) {
  const std::uint64_t skip = uncounted(run.requests);
  const double started = cpu_seconds();
  const Counted before = send_fast(memory, pattern, skip, arrivals);
  Counted counted = send_fast(memory, pattern, run.requests - skip, arrivals);
  HbmMeasured result;
  result.cpu_s = cpu_seconds() - started;
  counted.begin = before.begin;
  counted.end = std::max(before.end, counted.end);
  counted.fill(result, memory.spec());
  result.counters = memory.counters(counted.end);
  return result;
}

}  // namespace

HbmMeasured drive_queued(const HbmSpec& spec, const HbmRun& run) {
  timing::HbmQueued memory(spec);
  HbmPattern pattern(run.pattern, static_cast<std::uint64_t>(spec.capacity().value()), run.seed);
  const timing::HbmTicks& ticks = memory.ticks();
  const timing::Tick step = std::min(ticks.read_latency, ticks.write_latency);
  const double per_period = 1.0 / static_cast<double>(ticks.period.value());
  Poisson poisson(spec, run);
  Meter meter(run.requests);
  Ahead ahead(2 * (ticks.read_latency + step));
  const bool closed = run.offered_load <= 0.0;
  const std::uint64_t window = in_flight(pattern, spec, run);
  std::uint64_t sent = 0;
  const auto send = [&](Time at) {
    const HbmAccess access = pattern.next();
    memory.submit({access.address, kRequest, access.write, at, sent++});
  };

  const double started = cpu_seconds();
  Time arrival = closed ? Time(0) : poisson.next();
  if (closed) {
    while (sent < std::min(window, run.requests)) send(Time(0));
  }
  for (timing::Tick now = 0; meter.finished() < run.requests; now += step) {
    const Time until = ticks.time(now + step);
    while (!closed && sent < run.requests && arrival < until) {
      send(arrival);
      arrival = poisson.next();
    }
    ahead.take(now, now + step, [&](timing::Tick t) {
      meter.finished(ticks.time(t));
      if (closed && sent < run.requests) send(ticks.time(t));
    });
    memory.advance(ticks.time(now + step - 1));
    for (const HbmCompletion& done : memory.completions()) {
      // A whole number of ticks, never negative: half a tick more and cut off, without a call.
      const double tick = static_cast<double>(done.finish.value()) * per_period + 0.5;
      ahead.add(static_cast<timing::Tick>(tick));
      meter.latency(done.tag, done.write, done.arrival, done.accept, done.finish);
    }
    memory.completions().clear();
  }
  HbmMeasured result;
  result.cpu_s = cpu_seconds() - started;
  meter.counted().fill(result, spec);
  result.counters = memory.counters(meter.counted().end);
  return result;
}

HbmMeasured drive_fast(const HbmSpec& spec, const HbmRun& run) {
  timing::HbmFast memory(spec);
  const HbmPattern pattern(run.pattern, static_cast<std::uint64_t>(spec.capacity().value()),
                           run.seed);
  if (run.offered_load > 0.0) return measure_fast(memory, run, pattern, Open(Poisson(spec, run)));
  return measure_fast(memory, run, pattern, Window(in_flight(pattern, spec, run)));
}

}  // namespace athena::validate
