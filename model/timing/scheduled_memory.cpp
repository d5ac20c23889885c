#include "timing/scheduled_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace athena::timing {
namespace {

/// rtl/hbm_scheduler/hbm_scheduler_pkg.sv: RowBits.
constexpr std::uint32_t kRows = 1U << 14;

int clocks(Seconds time, Time period) {
  return static_cast<int>(ceil_div(to_time(time).value(), period.value()));
}

}  // namespace

HbmSchedulerParams scheduler_params(const HbmTimingSet& t, const HbmSchedulerParams& defaults) {
  HbmSchedulerParams p = defaults;
  p.t_rcd_rd = t.tRCDRD;
  p.t_rcd_wr = t.tRCDWR;
  p.t_rp = t.tRP;
  p.t_ras = t.tRAS;
  p.t_rc = t.tRC;
  p.t_wr = t.tWR;
  p.t_rtp = t.tRTP;
  p.t_ccd_s = t.tCCDS;
  p.t_ccd_l = t.tCCDL;
  p.t_rrd_s = t.tRRDS;
  p.t_rrd_l = t.tRRDL;
  p.t_faw = t.tFAW;
  p.t_wtr_s = t.tWTRS;
  p.t_wtr_l = t.tWTRL;
  p.cl = t.tCL;
  p.cwl = t.tCWL;
  p.bl = t.tBL;
  p.t_rfc = clocks(t.tRFC, t.clock_period());
  p.t_refi = clocks(t.tREFI, t.clock_period());
  return p;
}

ScheduledMemory::ScheduledMemory(const HbmSpec& spec, ClockedBodies& bodies)
    : spec_(spec),
      params_(bodies.scheduler_params),
      map_(spec),
      period_(spec.timing.clock_period()),
      lookahead_(std::min(params_.cl, params_.cwl) + params_.bl),
      use_(bodies.scheduler_use),
      ports_(hbm_scheduler_ports()),
      channels_(static_cast<std::size_t>(spec.channels())) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    Channel& channel = channels_[i];
    channel.body = bodies.scheduler(fmt::format("memory channel {}", i));
    channel.body->reset();
    channel.in.resize(static_cast<std::size_t>(ports_.input_words()));
    channel.out.resize(static_cast<std::size_t>(ports_.output_words()));
    for (int id = 255; id >= 0; --id) channel.free_ids.push_back(static_cast<std::uint8_t>(id));
  }
}

void ScheduledMemory::submit(const HbmRequest& request) {
  if (request.bytes.value() < 1) {
    throw InputError(
        fmt::format("HBM request of {} bytes: expected at least one", request.bytes.value()));
  }
  const auto pitch = static_cast<std::uint64_t>(request.pitch.value());
  const std::uint64_t last = request.address + static_cast<std::uint64_t>(request.rows - 1) * pitch;
  map_.check_range(last, request.bytes);
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t id = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[id];
  slot.done = {request.tag, request.arrival, request.arrival, request.arrival, request.write};
  slot.open = 0;
  ++outstanding_;
  const auto access = static_cast<std::uint64_t>(spec_.timing.access_bytes);
  const std::int64_t arrival = ceil_div(request.arrival.value(), period_.value());
  for (std::uint64_t row = request.address; row <= last; row += std::max<std::uint64_t>(1, pitch)) {
    const std::uint64_t end = row + static_cast<std::uint64_t>(request.bytes.value());
    for (std::uint64_t at = row & ~(access - 1); at < end; at += access)
      enqueue(at, arrival, id, request.write);
  }
}

void ScheduledMemory::enqueue(std::uint64_t address, std::int64_t arrival, std::uint32_t slot,
                              bool write) {
  const HbmPlace place = map_.place(address);
  if (place.row >= kRows) {
    throw InputError(
        fmt::format("address {:#x} lies in row {} of its bank; rtl/hbm_scheduler names {} rows: "
                    "take a smaller model or context.",
                    address, place.row, kRows));
  }
  Channel& channel = channels_[place.channel];
  if (channel.waiting == 0) catch_up(channel, arrival);
  channel.source.push_back({arrival, place.bank, place.row, place.column, slot, write});
  ++channel.waiting;
  ++slots_[slot].open;
}

/// Idle cycles up to `cycle`. Two refresh intervals without a request leave every timer run out and
/// every row closed: from there on the scheduler repeats itself each interval, and whole intervals
/// are left out.
void ScheduledMemory::catch_up(Channel& channel, std::int64_t cycle) {
  const std::int64_t settled = channel.cycle + 2 * params_.t_refi;
  while (channel.cycle < cycle) {
    if (channel.cycle == settled) {
      channel.cycle += (cycle - settled) / params_.t_refi * params_.t_refi;
      if (channel.cycle >= cycle) return;
    }
    step(channel);
  }
}

void ScheduledMemory::step(Channel& channel) {
  enum In { kValid, kWrite, kBank, kRow, kColumn, kId };  // hbm_scheduler_ports()
  const bool due = !channel.source.empty() && channel.source.front().arrival <= channel.cycle;
  if (channel.offered < 0 && due && !channel.free_ids.empty()) {  // kept until it is taken
    channel.offered = channel.free_ids.back();
    channel.free_ids.pop_back();
    const Column& c = channel.source.front();
    channel.slot_of_id[static_cast<std::size_t>(channel.offered)] = c.slot;
    channel.in[kWrite] = c.write;
    channel.in[kBank] = c.bank;
    channel.in[kRow] = c.row;
    channel.in[kColumn] = c.column;
    channel.in[kId] = static_cast<std::uint32_t>(channel.offered);
  }
  channel.in[kValid] = channel.offered >= 0;
  channel.body->cycle(channel.in.data(), channel.out.data());
  if (channel.offered >= 0 && channel.out[0] != 0) {
    channel.offered = -1;
    channel.source.pop_front();
  }
  commanded(channel);
  ++channel.cycle;
  ++use_.cycles;
}

/// A column command names its request; its data ends latency and burst later.
void ScheduledMemory::commanded(Channel& channel) {
  enum Out {
    kReady,
    kRowValid,
    kRowOp,
    kRowBank,
    kRowRow,
    kColValid,
    kColWrite,
    kColBank,
    kColCol
  };
  constexpr std::size_t kColId = kColCol + 1;
  if (channel.out[kColValid] == 0) return;
  const auto id = static_cast<std::uint8_t>(channel.out[kColId]);
  channel.free_ids.push_back(id);
  --channel.waiting;
  ++use_.pieces;
  const int latency = (channel.out[kColWrite] != 0 ? params_.cwl : params_.cl) + params_.bl;
  const std::uint32_t number = channel.slot_of_id[id];
  Slot& slot = slots_[number];
  slot.done.finish = std::max(slot.done.finish, period_ * (channel.cycle + latency));
  slot.done.accept = std::max(slot.done.accept, period_ * channel.cycle);
  if (--slot.open > 0) return;
  ++use_.transactions;
  use_.latency += (slot.done.finish - slot.done.arrival).value() / period_.value();
  completions_.push_back(slot.done);
  free_slots_.push_back(number);
  --outstanding_;
}

void ScheduledMemory::advance(Time now) {
  const std::int64_t until = now.value() / period_.value();
  for (Channel& channel : channels_) {
    while (channel.waiting > 0 && channel.cycle <= until) step(channel);
  }
}

}  // namespace athena::timing
