#include "validate/hbm_bench.h"

#include <fmt/format.h>

#include <ctime>

#include "base/rng.h"
#include "timing/hbm_fast.h"
#include "timing/hbm_load.h"
#include "timing/hbm_queued.h"
#include "validate/hbm_driver.h"

namespace athena::validate {
namespace {

constexpr const char* kTiming = "HBM2E-3.2Gbps-derived";

std::uint64_t scaled(double scale, double requests) {
  return static_cast<std::uint64_t>(std::max(1000.0, scale * requests));
}

HbmBenchCase pattern_case(const std::string& tier, const std::string& pattern, int channels) {
  HbmBenchCase result;
  result.name = fmt::format("{} {} {} channel(s) {} 64 B", tier, kTiming, channels, pattern);
  result.unit = "requests";
  const bool queued = tier == "queued";
  result.run = [=](double scale) {
    const timing::HbmSpec spec = timing::spec_from_name(kTiming, channels, "hash");
    HbmRun run;
    run.pattern = pattern;
    run.requests = scaled(scale, queued ? 1e6 : 5e6);
    const HbmMeasured measured = queued ? drive_queued(spec, run) : drive_fast(spec, run);
    return static_cast<double>(run.requests) / measured.cpu_s;
  };
  return result;
}

/// Random aligned segments through the queued model, in 64 B equivalents.
HbmBenchCase segment_case(std::int64_t segment) {
  HbmBenchCase result;
  result.name = fmt::format("queued {} 1 channel random {} B segments", kTiming, segment);
  result.unit = "64 B equivalents";
  result.run = [=](double scale) {
    const timing::HbmSpec spec = timing::spec_from_name(kTiming, 1, "hash");
    const std::uint64_t count = scaled(scale, 6.4e7 / static_cast<double>(segment));
    timing::HbmQueued memory(spec);
    Rng rng(1);
    const auto chunks = static_cast<std::uint64_t>(spec.capacity().value() / segment);
    const std::uint64_t window =
        std::max<std::uint64_t>(1, 16384 / static_cast<std::uint64_t>(segment));
    const std::clock_t begin = std::clock();
    std::uint64_t sent = 0;
    Time now(0);
    while (sent < count || memory.outstanding() > 0) {
      while (sent < count && memory.outstanding() < window) {
        memory.submit({rng.below(chunks) * static_cast<std::uint64_t>(segment), Bytes(segment),
                       false, now, sent++});
      }
      now += memory.lookahead();
      memory.advance(now);
      memory.completions().clear();
    }
    const double cpu = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    return static_cast<double>(count) * static_cast<double>(segment) / 64.0 / cpu;
  };
  return result;
}

/// Whole tiles through the fast tier of a chip's memory.
HbmBenchCase tile_case(std::int64_t bytes) {
  HbmBenchCase result;
  result.name = fmt::format("fast {} 40 channels {} KiB tiles", kTiming, bytes >> 10);
  result.unit = "accesses";
  result.run = [=](double scale) {
    timing::HbmSystem system;
    system.timing = kTiming;
    system.stacks = 5;
    timing::HbmFast memory(timing::make_spec(system));
    const std::uint64_t count = scaled(scale, 1e6);
    const std::uint64_t wrap = memory.capacity() / static_cast<std::uint64_t>(bytes);
    Time now(0);
    const std::clock_t begin = std::clock();
    for (std::uint64_t i = 0; i < count; ++i) {
      now = memory.access(now, (i % wrap) * static_cast<std::uint64_t>(bytes), Bytes(bytes), false);
    }
    const double cpu = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    return static_cast<double>(count) / cpu;
  };
  return result;
}

}  // namespace

std::vector<HbmBenchCase> hbm_bench_cases() {
  std::vector<HbmBenchCase> cases;
  for (const char* tier : {"queued", "fast"}) {
    for (const char* pattern :
         {"seq", "seqmix21", "triad", "stride1024", "rand64", "rand512", "rand2048"}) {
      cases.push_back(pattern_case(tier, pattern, 1));
    }
    cases.push_back(pattern_case(tier, "seq", 16));
    cases.push_back(pattern_case(tier, "rand64", 16));
  }
  for (const std::int64_t segment : {256, 1024, 2048, 8192}) cases.push_back(segment_case(segment));
  for (const std::int64_t tile : {32 << 10, 256 << 10, 1 << 20}) cases.push_back(tile_case(tile));
  return cases;
}

}  // namespace athena::validate
