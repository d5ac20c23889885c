#include "timing/hbm_scheduler_step.h"

#include <algorithm>

#include "base/error.h"

namespace athena::timing {
namespace {

constexpr int kBankBits = 5;
constexpr int kRowBits = 14;
constexpr int kColumnBits = 5;
constexpr int kIdBits = 8;

/// Words of the port, in the order of hbm_scheduler_ports().
enum In { kReqValid, kReqWrite, kReqBank, kReqRow, kReqColumn, kReqId };
enum Out {
  kReqReady,
  kRowValid,
  kRowOp,
  kRowBank,
  kRowRow,
  kColValid,
  kColWrite,
  kColBank,
  kColColumn,
  kColId,
  kBusy
};

void at_least(std::int64_t& time, std::int64_t value) {
  time = std::max(time, value);
}

}  // namespace

Ports hbm_scheduler_ports() {
  Ports ports;
  ports.add_input("req_valid", 1);
  ports.add_input("req_write", 1, "req_valid");
  ports.add_input("req_bank", kBankBits, "req_valid");
  ports.add_input("req_row", kRowBits, "req_valid");
  ports.add_input("req_col", kColumnBits, "req_valid");
  ports.add_input("req_id", kIdBits, "req_valid");
  ports.add_output("req_ready", 1);
  ports.add_output("row_valid", 1);
  ports.add_output("row_op", 2, "row_valid");
  ports.add_output("row_bank", kBankBits, "row_valid");
  ports.add_output("row_row", kRowBits, "row_valid");
  ports.add_output("col_valid", 1);
  ports.add_output("col_write", 1, "col_valid");
  ports.add_output("col_bank", kBankBits, "col_valid");
  ports.add_output("col_col", kColumnBits, "col_valid");
  ports.add_output("col_id", kIdBits, "col_valid");
  ports.add_output("busy", 1);
  return ports;
}

HbmSchedulerStep::HbmSchedulerStep(const HbmSchedulerParams& params)
    : Block("hbm_scheduler", hbm_scheduler_ports()), p_(params) {
  if (params.entries < 2 || params.drain_high > params.entries ||
      params.drain_low >= params.drain_high) {
    throw InputError("hbm_scheduler needs 2 or more entries and drain_low < drain_high <= entries");
  }
  reset();
}

void HbmSchedulerStep::reset() {
  now_ = 0;
  queue_.clear();
  writes_ = 0;
  draining_ = false;
  banks_ = {};
  groups_ = {};
  channels_ = {};
  row_bus_ = 0;
  state_ = State::kRun;
  until_refresh_ = p_.t_refi - 1;
  wait_ = 0;
  due_ = false;
}

bool HbmSchedulerStep::column_allowed(const Entry& e) const {
  const Bank& b = banks_[e.bank];
  const Group& g = groups_[e.bank / 4];
  const PseudoChannel& c = channels_[e.bank / 16];
  if (!b.open || b.row != e.row || now_ < g.column || now_ < c.column) return false;
  if (e.write) return now_ >= b.write && now_ >= c.write;
  return now_ >= b.read && now_ >= g.read && now_ >= c.read;
}

bool HbmSchedulerStep::row_allowed(const Entry& e, std::uint32_t banks_with_hits) const {
  const Bank& b = banks_[e.bank];
  if (now_ < row_bus_) return false;
  if (b.open) return b.row != e.row && (banks_with_hits >> e.bank & 1U) == 0 && now_ >= b.pre;
  const PseudoChannel& c = channels_[e.bank / 16];
  return now_ >= b.act && now_ >= groups_[e.bank / 4].act && now_ >= c.act &&
         now_ >= c.window[static_cast<std::size_t>(c.window_at)];
}

void HbmSchedulerStep::activate(const Entry& e) {
  Bank& b = banks_[e.bank];
  b.open = true;
  b.row = e.row;
  at_least(b.act, now_ + p_.t_rc);
  at_least(b.pre, now_ + p_.t_ras);
  at_least(b.read, now_ + p_.t_rcd_rd);
  at_least(b.write, now_ + p_.t_rcd_wr);
  at_least(groups_[e.bank / 4].act, now_ + p_.t_rrd_l);
  PseudoChannel& c = channels_[e.bank / 16];
  at_least(c.act, now_ + p_.t_rrd_s);
  c.window[static_cast<std::size_t>(c.window_at)] = now_ + p_.t_faw;
  c.window_at = (c.window_at + 1) % 4;
  row_bus_ = now_ + 2;
}

void HbmSchedulerStep::column(const Entry& e) {
  Bank& b = banks_[e.bank];
  Group& g = groups_[e.bank / 4];
  PseudoChannel& c = channels_[e.bank / 16];
  at_least(g.column, now_ + p_.t_ccd_l);
  at_least(c.column, now_ + p_.t_ccd_s);
  if (e.write) {
    at_least(b.pre, now_ + p_.cwl + p_.bl + p_.t_wr);
    at_least(g.read, now_ + p_.cwl + p_.bl + p_.t_wtr_l);
    at_least(c.read, now_ + p_.cwl + p_.bl + p_.t_wtr_s);
  } else {
    at_least(b.pre, now_ + p_.t_rtp);
    at_least(c.write, now_ + p_.cl + p_.bl + 2 - p_.cwl);
  }
}

bool HbmSchedulerStep::may_close_all() const {
  return std::all_of(banks_.begin(), banks_.end(),
                     [&](const Bank& b) { return !b.open || now_ >= b.pre; });
}

void HbmSchedulerStep::refresh_edge(bool close_all, bool refresh) {
  const bool was_due = due_;
  if (until_refresh_ == 0) {
    until_refresh_ = p_.t_refi - 1;
    due_ = true;
  } else {
    --until_refresh_;
    if (refresh) due_ = false;
  }
  switch (state_) {
    case State::kRun:
      if (was_due) state_ = State::kClose;
      return;
    case State::kClose:
      wait_ = p_.t_rp - 1;
      if (close_all) state_ = State::kSettle;
      return;
    case State::kSettle:
      wait_ = refresh ? p_.t_rfc - 2 : wait_ - 1;
      if (refresh) state_ = State::kRefresh;
      return;
    case State::kRefresh:
      if (wait_ == 0) {
        state_ = State::kRun;
      } else {
        --wait_;
      }
      return;
  }
}

void HbmSchedulerStep::cycle(const std::uint32_t* in, std::uint32_t* out) {
  const bool ready = static_cast<int>(queue_.size()) < p_.entries;
  std::fill(out, out + kBusy + 1, 0U);
  out[kReqReady] = ready;
  out[kBusy] = !queue_.empty();

  // Choice, from the state before the edge: entries of the present turn, oldest first.
  const bool running = state_ == State::kRun;
  std::uint32_t banks_with_hits = 0;
  for (const Entry& e : queue_) {
    const Bank& b = banks_[e.bank];
    if (e.write == draining_ && b.open && b.row == e.row) banks_with_hits |= 1U << e.bank;
  }
  std::size_t column_at = queue_.size();
  std::size_t row_at = queue_.size();
  for (std::size_t i = 0; running && i < queue_.size(); ++i) {
    const Entry& e = queue_[i];
    if (e.write != draining_) continue;
    if (column_at == queue_.size() && column_allowed(e)) column_at = i;
    if (row_at == queue_.size() && row_allowed(e, banks_with_hits)) row_at = i;
  }
  const bool has_column = column_at < queue_.size();
  const bool has_row = row_at < queue_.size();
  const bool close_all = state_ == State::kClose && now_ >= row_bus_ && may_close_all();
  const bool refresh = state_ == State::kSettle && wait_ == 0;
  const Entry column_entry = has_column ? queue_[column_at] : Entry{};
  const Entry row_entry = has_row ? queue_[row_at] : Entry{};
  const bool act = has_row && !banks_[row_entry.bank].open;
  if (has_row || close_all || refresh) {
    const HbmRowOp op = refresh     ? HbmRowOp::kRefresh
                        : close_all ? HbmRowOp::kPrechargeAll
                        : act       ? HbmRowOp::kActivate
                                    : HbmRowOp::kPrecharge;
    out[kRowValid] = 1;
    out[kRowOp] = static_cast<std::uint32_t>(op);
    out[kRowBank] = row_entry.bank;
    out[kRowRow] = row_entry.row;
  }
  if (has_column) {
    out[kColValid] = 1;
    out[kColWrite] = column_entry.write;
    out[kColBank] = column_entry.bank;
    out[kColColumn] = column_entry.column;
    out[kColId] = column_entry.id;
  }

  // The edge.
  const int writes_before = writes_;
  const int reads_before = static_cast<int>(queue_.size()) - writes_;
  if (act) {
    activate(row_entry);
  } else if (has_row) {
    banks_[row_entry.bank].open = false;
    at_least(banks_[row_entry.bank].act, now_ + p_.t_rp);
  }
  if (close_all) {
    for (Bank& b : banks_) {
      if (!b.open) continue;
      b.open = false;
      at_least(b.act, now_ + p_.t_rp);
    }
  }
  if (has_column) {
    column(column_entry);
    writes_ -= column_entry.write ? 1 : 0;
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(column_at));
  }
  if (in[kReqValid] != 0 && ready) {
    queue_.push_back({in[kReqWrite] != 0, in[kReqBank], in[kReqRow], in[kReqColumn], in[kReqId]});
    writes_ += in[kReqWrite] != 0 ? 1 : 0;
  }
  if (!draining_) {
    draining_ = writes_before >= p_.drain_high || (reads_before == 0 && writes_before != 0);
  } else {
    draining_ = !(writes_before == 0 || (writes_before <= p_.drain_low && reads_before != 0));
  }
  refresh_edge(close_all, refresh);
  ++now_;
}

}  // namespace athena::timing
