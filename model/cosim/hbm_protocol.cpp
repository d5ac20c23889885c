#include "cosim/hbm_protocol.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/rng.h"
#include "cosim/rtl_factory.h"
#include "timing/hbm_channel.h"
#include "timing/hbm_load.h"

namespace athena::cosim {
namespace {

using timing::HbmRowOp;
using timing::HbmSchedulerParams;

/// The timing set of configs/memory/ that the scheduler is built for.
constexpr const char* kTimingSet = "HBM2E-3.2Gbps-derived";
/// Stated tolerance of the memory tier's bandwidth.
constexpr double kTolerance = 0.03;

/// A request's content as one number.
std::uint64_t key(std::uint32_t write, std::uint32_t bank, std::uint32_t column, std::uint32_t id) {
  return static_cast<std::uint64_t>(write) << 32 | bank << 16 | column << 8 | id;
}

struct Address {
  bool write = false;
  std::uint32_t bank = 0, row = 0, column = 0;
};

/// 64 B sequential over pseudo-channels, bank groups and columns; or scattered 64 B pairs.
class Pattern {
 public:
  Pattern(std::string name, std::uint64_t seed) : name_(std::move(name)), rng_(seed) {}
  Address next() {
    if (name_ == "rand64") {
      if (at_ % 2 == 0) {
        pair_.bank = static_cast<std::uint32_t>(rng_.below(32));
        pair_.row = static_cast<std::uint32_t>(rng_.below(1U << 14));
        pair_.column = static_cast<std::uint32_t>(rng_.below(16)) * 2;
      } else {
        ++pair_.column;
      }
      ++at_;
      return pair_;
    }
    // LSB first: column low 1 | pseudo-channel 1 | bank group 2 | column high 4 | bank 2 | row.
    const std::uint64_t i = at_++;
    Address a;
    a.bank = static_cast<std::uint32_t>((i >> 1 & 1) << 4 | (i >> 2 & 3) << 2 | (i >> 8 & 3));
    a.column = static_cast<std::uint32_t>((i & 1) | (i >> 4 & 15) << 1);
    a.row = static_cast<std::uint32_t>(i >> 10 & 0x3fff);
    a.write = name_ == "seqmix21" && i / 2 % 3 == 2;
    return a;
  }

 private:
  std::string name_;
  Rng rng_;
  std::uint64_t at_ = 0;
  Address pair_;
};

/// Columns per cycle and pseudo-channel pair, as a fraction of peak (one column per cycle).
double bandwidth(timing::Block& block, const std::string& pattern, std::int64_t cycles) {
  const timing::Ports& ports = block.ports();
  std::vector<std::uint32_t> in(static_cast<std::size_t>(ports.input_words()));
  std::vector<std::uint32_t> out(static_cast<std::size_t>(ports.output_words()));
  const auto word = [&](const char* n) { return static_cast<std::size_t>(ports.input(n).word); };
  const auto ready = static_cast<std::size_t>(ports.output("req_ready").word);
  const auto column = static_cast<std::size_t>(ports.output("col_valid").word);
  block.reset();
  Pattern source(pattern, 3);
  Address a = source.next();
  std::int64_t columns = 0;
  const std::int64_t warm_up = cycles / 10;
  for (std::int64_t i = 0; i < cycles; ++i) {
    in[word("req_valid")] = 1;
    in[word("req_write")] = a.write;
    in[word("req_bank")] = a.bank;
    in[word("req_row")] = a.row;
    in[word("req_col")] = a.column;
    block.cycle(in.data(), out.data());
    if (out[ready] != 0) a = source.next();
    if (i >= warm_up) columns += out[column] != 0 ? 1 : 0;
  }
  return static_cast<double>(columns) / static_cast<double>(cycles - warm_up);
}

/// The same requests through the detailed memory tier, with as many of them outstanding as the
/// scheduler has entries. (The tier has a queue for each direction, and a request whose row was
/// opened has left it: only the number outstanding is the same in both.)
double detailed_bandwidth(const std::string& pattern, std::int64_t cycles) {
  const HbmSchedulerParams params;
  timing::HbmSpec spec = timing::spec_from_name(kTimingSet, 1, "plain");
  spec.read_queue = spec.write_queue = params.entries;
  spec.drain_high = static_cast<double>(params.drain_high) / params.entries;
  spec.drain_low = static_cast<double>(params.drain_low) / params.entries;
  const auto window = static_cast<std::uint64_t>(params.entries);
  timing::HbmChannel channel(spec);
  std::vector<timing::HbmIssued> commands;
  channel.record(&commands);
  Pattern source(pattern, 3);
  for (std::int64_t now = 0; now < cycles; ++now) {
    if (channel.waiting() < window) {
      const Address a = source.next();
      timing::HbmPiece piece;
      piece.arrival = now;
      piece.tag = static_cast<std::uint32_t>(now);
      piece.bank = static_cast<std::uint8_t>(a.bank);
      piece.row = a.row;
      piece.column = static_cast<std::uint16_t>(a.column);
      piece.write = a.write;
      channel.submit(piece);
    }
    channel.advance(now);
  }
  const std::int64_t warm_up = cycles / 10;
  std::int64_t columns = 0;
  for (const timing::HbmIssued& c : commands) {
    const bool column =
        c.command == timing::HbmCommand::kRead || c.command == timing::HbmCommand::kWrite;
    columns += column && c.tick >= warm_up && c.tick < cycles ? 1 : 0;
  }
  return static_cast<double>(columns) / static_cast<double>(cycles - warm_up);
}

}  // namespace

HbmProtocolChecker::HbmProtocolChecker(const HbmSchedulerParams& params)
    : p_(params), ports_(timing::hbm_scheduler_ports()) {}

void HbmProtocolChecker::require(bool kept, const char* rule) const {
  if (kept) return;
  throw Contradiction(fmt::format("hbm_scheduler: {} broken at cycle {}", rule, now_));
}

void HbmProtocolChecker::accepted(const std::uint32_t* in) {
  const auto get = [&](const char* n) { return in[ports_.input(n).word]; };
  ++waiting_[key(get("req_write"), get("req_bank"), get("req_col"), get("req_id"))];
}

void HbmProtocolChecker::activate(std::uint32_t bank, std::uint32_t row) {
  Bank& b = banks_[bank];
  require(!b.open, "activate of an open bank");
  require(now_ - b.act >= p_.t_rc, "tRC");
  require(now_ - b.pre >= p_.t_rp, "tRP");
  require(now_ - last_refresh_ >= p_.t_rfc || last_refresh_ == 0, "tRFC");
  for (std::uint32_t other = 0; other < 32; ++other) {
    if (other / 16 != bank / 16) continue;
    require(now_ - banks_[other].act >= p_.t_rrd_s, "tRRD_S");
    if (other / 4 == bank / 4) require(now_ - banks_[other].act >= p_.t_rrd_l, "tRRD_L");
  }
  auto& acts = activates_[bank / 16];
  if (acts.size() >= 4) require(now_ - acts[acts.size() - 4] >= p_.t_faw, "tFAW");
  acts.push_back(now_);
  if (acts.size() > 8) acts.erase(acts.begin());
  b.open = true;
  b.row = row;
  b.act = now_;
  row_bus_free_ = now_ + 2;
}

void HbmProtocolChecker::precharge(std::uint32_t bank) {
  Bank& b = banks_[bank];
  if (!b.open) return;
  require(now_ - b.act >= p_.t_ras, "tRAS");
  require(now_ - b.read >= p_.t_rtp, "tRTP");
  require(now_ - b.write >= p_.cwl + p_.bl + p_.t_wr, "tWR");
  b.open = false;
  b.pre = now_;
}

void HbmProtocolChecker::row_command(const std::uint32_t* out) {
  const auto get = [&](const char* n) { return out[ports_.output(n).word]; };
  require(now_ >= row_bus_free_, "row bus");
  switch (static_cast<HbmRowOp>(get("row_op"))) {
    case HbmRowOp::kActivate:
      activate(get("row_bank"), get("row_row"));
      return;
    case HbmRowOp::kPrecharge:
      require(banks_[get("row_bank")].open, "precharge of a closed bank");
      precharge(get("row_bank"));
      return;
    case HbmRowOp::kPrechargeAll:
      for (std::uint32_t b = 0; b < 32; ++b) precharge(b);
      return;
    case HbmRowOp::kRefresh:
      for (const Bank& b : banks_) {
        require(!b.open, "refresh with an open bank");
        require(now_ - b.pre >= p_.t_rp, "tRP before refresh");
      }
      last_refresh_ = now_;
      return;
  }
}

void HbmProtocolChecker::column_command(const std::uint32_t* out) {
  const auto get = [&](const char* n) { return out[ports_.output(n).word]; };
  const std::uint32_t bank = get("col_bank");
  const bool write = get("col_write") != 0;
  Bank& b = banks_[bank];
  require(b.open, "column of a closed bank");
  require(now_ - b.act >= (write ? p_.t_rcd_wr : p_.t_rcd_rd), "tRCD");
  for (std::uint32_t other = 0; other < 32; ++other) {
    if (other / 16 != bank / 16) continue;
    const Bank& o = banks_[other];
    const bool same_group = other / 4 == bank / 4;
    const std::int64_t column = std::max(o.read, o.write);
    require(now_ - column >= (same_group ? p_.t_ccd_l : p_.t_ccd_s), "tCCD");
    if (write) {
      require(now_ - o.read >= p_.cl + p_.bl + 2 - p_.cwl, "read to write");
    } else {
      require(now_ - o.write >= p_.cwl + p_.bl + (same_group ? p_.t_wtr_l : p_.t_wtr_s), "tWTR");
    }
  }
  (write ? b.write : b.read) = now_;
  auto& left = waiting_[key(write, bank, get("col_col"), get("col_id"))];
  require(left > 0, "one column per request");
  --left;
  ++columns_;
}

void HbmProtocolChecker::observe(const std::uint32_t* out) {
  if (out[ports_.output("col_valid").word] != 0) column_command(out);
  if (out[ports_.output("row_valid").word] != 0) row_command(out);
  require(now_ - last_refresh_ <= 2 * p_.t_refi, "tREFI");
  ++now_;
}

std::vector<std::string> hbm_parity() {
  constexpr std::int64_t kCycles = 25'000;  // four refresh intervals
  std::vector<std::string> lines;
  timing::HbmSchedulerStep model({});
  const auto rtl = make_rtl_hbm(1);
  for (const char* pattern : {"seq", "seqmix21", "rand64"}) {
    const double m = bandwidth(model, pattern, kCycles);
    const double r = bandwidth(*rtl, pattern, kCycles);
    const double d = detailed_bandwidth(pattern, kCycles);
    lines.push_back(fmt::format(
        "PARITY hbm_scheduler {}: bandwidth rtl={:.2f} % of peak, stepped={:.2f} error={:.2f} %, "
        "detailed tier={:.2f} error={:.2f} % tolerance={:.0f} %",
        pattern, r * 100, m * 100, (m - r) / r * 100, d * 100, (d - r) / r * 100,
        kTolerance * 100));
    if (m != r || std::abs(d - r) > kTolerance * r) throw Contradiction(lines.back());
  }
  return lines;
}

}  // namespace athena::cosim
