#include "timing/hbm_spec.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "base/error.h"
#include "timing/hbm_queue.h"
#include "timing/hbm_slots.h"

namespace athena::timing {
namespace {

/// A count that is a hair above an integer only through binary fractions is that integer.
constexpr double kRounding = 1e-4;

int round_up_clocks(double nanoseconds, double period_ns) {
  return static_cast<int>(std::ceil(nanoseconds / period_ns - kRounding));
}

double period_ns(double gbps, int bits_per_clock) {
  return static_cast<double>(bits_per_clock) / gbps;
}

void require(bool condition, const std::string& sentence) {
  if (!condition) throw InputError(sentence);
}

}  // namespace

Time HbmTimingSet::clock_period() const {
  return Time(std::llround(period_ns(gbps, bits_per_clock) * 1e6));
}

BytesPerSecond HbmTimingSet::channel_peak() const {
  const double per_access = to_seconds(clock_period() * tBL).value();
  return BytesPerSecond(static_cast<double>(pseudo_channels * access_bytes) / per_access);
}

Bytes HbmTimingSet::channel_capacity() const {
  return Bytes(static_cast<std::int64_t>(banks()) * rows * columns * access_bytes);
}

BytesPerSecond HbmSpec::peak() const {
  return timing.channel_peak() * static_cast<double>(channels());
}

Bytes HbmSpec::capacity() const {
  return timing.channel_capacity() * channels();
}

HbmTimingSet derive_timing(const HbmTimingSet& base, std::string standard, double gbps) {
  require(gbps > 0.0 && std::isfinite(gbps),
          fmt::format("HBM data rate {} Gb/s per pin: expected a positive number", gbps));
  HbmTimingSet set = base;
  set.standard = std::move(standard);
  set.gbps = gbps;
  set.name = fmt::format("{}-{:.1f}Gbps-derived", set.standard, gbps);
  const double from = period_ns(base.gbps, base.bits_per_clock);
  const double to = period_ns(gbps, base.bits_per_clock);
  const auto scale = [&](int& clocks) { clocks = round_up_clocks(clocks * from, to); };
  for (int* clocks : {&set.tCL, &set.tCWL, &set.tRCDRD, &set.tRCDWR, &set.tRP, &set.tRAS, &set.tWR,
                      &set.tRTP, &set.tRRDS, &set.tRRDL, &set.tFAW, &set.tWTRS, &set.tWTRL}) {
    scale(*clocks);
  }
  set.tRC = set.tRAS + set.tRP;
  const int guard = base.tRTW - (base.tCL + base.tBL - base.tCWL);
  set.tRTW = set.tCL + set.tBL - set.tCWL + guard;
  return set;
}

void check(const HbmTimingSet& t) {
  const auto at = [&](const std::string& text) { return "timing set '" + t.name + "': " + text; };
  require(t.gbps > 0.0, at("gbps must be positive"));
  for (const auto& [name, value] :
       {std::pair{"tBL", t.tBL}, {"tCL", t.tCL},     {"tCWL", t.tCWL},   {"tRCDRD", t.tRCDRD},
        {"tRCDWR", t.tRCDWR},    {"tRP", t.tRP},     {"tRAS", t.tRAS},   {"tRC", t.tRC},
        {"tWR", t.tWR},          {"tRTP", t.tRTP},   {"tCCDS", t.tCCDS}, {"tCCDL", t.tCCDL},
        {"tCCDR", t.tCCDR},      {"tRRDS", t.tRRDS}, {"tRRDL", t.tRRDL}, {"tFAW", t.tFAW},
        {"tWTRS", t.tWTRS},      {"tWTRL", t.tWTRL}, {"tRTW", t.tRTW},   {"tPPD", t.tPPD}}) {
    require(value > 0, at(fmt::format("{} is {} but must be at least one clock", name, value)));
  }
  require(t.tRC >= t.tRAS + t.tRP,
          at(fmt::format("tRC = {} is less than tRAS + tRP = {}", t.tRC, t.tRAS + t.tRP)));
  require(t.tRAS >= t.tRCDRD,
          at(fmt::format("tRAS = {} is less than tRCDRD = {}", t.tRAS, t.tRCDRD)));
  require(t.tFAW >= t.tRRDS, at(fmt::format("tFAW = {} is less than tRRDS = {}", t.tFAW, t.tRRDS)));
  require(t.tRRDL >= t.tRRDS,
          at(fmt::format("tRRDL = {} is less than tRRDS = {}", t.tRRDL, t.tRRDS)));
  require(t.tCCDL >= t.tCCDS,
          at(fmt::format("tCCDL = {} is less than tCCDS = {}", t.tCCDL, t.tCCDS)));
  require(t.tCCDS >= t.tBL,
          at(fmt::format("tCCDS = {} is less than the burst tBL = {}", t.tCCDS, t.tBL)));
  require(t.tWTRL >= t.tWTRS,
          at(fmt::format("tWTRL = {} is less than tWTRS = {}", t.tWTRL, t.tWTRS)));
  require(t.tRTW >= t.tCL + t.tBL - t.tCWL,
          at(fmt::format("tRTW = {} lets write data collide with read data (tCL + tBL - tCWL = {})",
                         t.tRTW, t.tCL + t.tBL - t.tCWL)));
  require(t.tRFC < t.tREFI, at("tRFC is not shorter than tREFI: the memory would only refresh"));
  const int banks_of_pc = t.banks_per_pseudo_channel();
  require(banks_of_pc > 0 && t.tRFCpb < t.tREFI, at("tRFCpb is not shorter than tREFI"));
  for (const auto& [name, value] : {std::pair{"pseudo_channels", t.pseudo_channels},
                                    {"stack_ids", t.stack_ids},
                                    {"bank_groups", t.bank_groups},
                                    {"banks_per_group", t.banks_per_group},
                                    {"rows", t.rows},
                                    {"columns", t.columns},
                                    {"access_bytes", t.access_bytes}}) {
    require(value > 0 && std::has_single_bit(static_cast<unsigned>(value)),
            at(fmt::format("{} is {} but must be a power of two", name, value)));
  }
  require(t.banks() <= HbmQueue::kMaxBanks,
          at(fmt::format("{} banks in a channel; at most {} are supported", t.banks(),
                         HbmQueue::kMaxBanks)));
  require(t.pseudo_channels <= 2, at("at most two pseudo-channels share a channel's command bus"));
  require(t.columns <= 256, at("a row has at most 256 column accesses"));
  const int groups = t.pseudo_channels * t.stack_ids * t.bank_groups;
  require(groups <= HbmSlots::kMaxGroups,
          at(fmt::format("{} bank groups in a channel; at most {} are supported", groups,
                         HbmSlots::kMaxGroups)));
  for (const auto& [name, value] : {std::pair{"tCCDL", t.tCCDL}, {"tCCDR", t.tCCDR}}) {
    require(value <= HbmSlots::kMaxSpacing, at(fmt::format("{} = {}; at most {} is supported", name,
                                                           value, HbmSlots::kMaxSpacing)));
  }
}

void check(const HbmSpec& spec) {
  check(spec.timing);
  require(spec.stacks > 0 && spec.channels_per_stack > 0 && spec.channels() <= 4096,
          fmt::format("HBM: {} stacks of {} channels; expected 1 to 4096 channels in all",
                      spec.stacks, spec.channels_per_stack));
  const std::int64_t grain = spec.interleave.value();
  require(
      grain >= 32 && grain <= 4096 && std::has_single_bit(static_cast<std::uint64_t>(grain)),
      fmt::format("HBM: channel interleave of {} bytes; expected a power of two from 32 to 4096",
                  grain));
  require(grain >= spec.timing.access_bytes,
          fmt::format("HBM: channel interleave of {} bytes is less than one access of {} bytes",
                      grain, spec.timing.access_bytes));
  require(spec.read_queue >= 4 && spec.read_queue <= 1024 && spec.write_queue >= 4 &&
              spec.write_queue <= 1024,
          fmt::format("HBM: queues of {} reads and {} writes; expected 4 to 1024 accesses each",
                      spec.read_queue, spec.write_queue));
  require(spec.drain_low >= 0.0 && spec.drain_low < spec.drain_high && spec.drain_high < 1.0,
          fmt::format("HBM: write drain from {} down to {}; expected 0 <= low < high < 1",
                      spec.drain_high, spec.drain_low));
}

}  // namespace athena::timing
