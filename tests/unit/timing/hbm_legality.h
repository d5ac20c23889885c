#pragma once
/// Checks an HBM command sequence against the standard's rules, written down here a second time: a
/// table of (earlier command, later command, scope, time between their last cycles), and the states
/// of the banks. Knows nothing of the scheduler's own tables.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "timing/hbm_channel.h"
#include "timing/hbm_spec.h"

namespace hbm_test {

using athena::timing::HbmCommand;
using athena::timing::HbmIssued;
using athena::timing::HbmTimingSet;

/// All times in half clocks, so that HBM3's half-clock row commands are whole numbers.
class LegalityChecker {
 public:
  explicit LegalityChecker(const HbmTimingSet& t) : t_(t) {
    const bool half = t.half_clock_rows != 0;
    unit_ = half ? 1 : 2;
    length_[index(HbmCommand::kActivate)] = half ? 3 : 4;
    for (const HbmCommand c : {HbmCommand::kPrecharge, HbmCommand::kPrechargeAll,
                               HbmCommand::kRefresh, HbmCommand::kRefreshBank}) {
      length_[index(c)] = half ? 1 : 2;
    }
    length_[index(HbmCommand::kRead)] = length_[index(HbmCommand::kWrite)] = 2;
    const double period = 2.0 / t.gbps * (t.bits_per_clock / 2.0) * 1e-9;
    const auto ns = [&](athena::Seconds s) {
      std::int64_t n = 0;  // smallest whole number of clocks that covers s
      while (static_cast<double>(n) * period < s.value() - 1e-13) ++n;
      return 2 * n;
    };
    const auto rule = [&](HbmCommand a, HbmCommand b, Scope scope, std::int64_t clocks) {
      rules_.push_back({a, b, scope, 2 * clocks});
    };
    using C = HbmCommand;
    rule(C::kActivate, C::kActivate, Scope::kBank, t.tRC);
    rule(C::kActivate, C::kActivate, Scope::kGroup, t.tRRDL);
    rule(C::kActivate, C::kActivate, Scope::kPseudo, t.tRRDS);
    rule(C::kActivate, C::kRead, Scope::kBank, t.tRCDRD);
    rule(C::kActivate, C::kWrite, Scope::kBank, t.tRCDWR);
    rule(C::kActivate, C::kPrecharge, Scope::kBank, t.tRAS);
    rule(C::kActivate, C::kPrechargeAll, Scope::kPseudo, t.tRAS);
    rule(C::kPrecharge, C::kActivate, Scope::kBank, t.tRP);
    rule(C::kPrechargeAll, C::kActivate, Scope::kPseudo, t.tRP);
    rule(C::kPrecharge, C::kPrecharge, Scope::kPseudo, t.tPPD);
    rule(C::kRead, C::kPrecharge, Scope::kBank, t.tRTP);
    rule(C::kRead, C::kPrechargeAll, Scope::kPseudo, t.tRTP);
    rule(C::kWrite, C::kPrecharge, Scope::kBank, t.tCWL + t.tBL + t.tWR);
    rule(C::kWrite, C::kPrechargeAll, Scope::kPseudo, t.tCWL + t.tBL + t.tWR);
    rule(C::kRead, C::kRead, Scope::kPseudo, t.tCCDS);
    rule(C::kRead, C::kRead, Scope::kGroup, t.tCCDL);
    rule(C::kRead, C::kRead, Scope::kOtherSid, t.tCCDR);
    rule(C::kWrite, C::kWrite, Scope::kPseudo, t.tCCDS);
    rule(C::kWrite, C::kWrite, Scope::kGroup, t.tCCDL);
    rule(C::kRead, C::kWrite, Scope::kPseudo, t.tRTW);
    rule(C::kWrite, C::kRead, Scope::kPseudo, t.tCWL + t.tBL + t.tWTRS);
    rule(C::kWrite, C::kRead, Scope::kGroup, t.tCWL + t.tBL + t.tWTRL);
    rule(C::kPrecharge, C::kRefresh, Scope::kPseudo, t.tRP);
    rule(C::kPrechargeAll, C::kRefresh, Scope::kPseudo, t.tRP);
    rule(C::kActivate, C::kRefresh, Scope::kPseudo, t.tRC);
    rule(C::kPrecharge, C::kRefreshBank, Scope::kBank, t.tRP);
    rule(C::kActivate, C::kRefreshBank, Scope::kBank, t.tRC);
    rule(C::kActivate, C::kRefreshBank, Scope::kPseudo, t.tRRDS);
    rules_.push_back({C::kRefresh, C::kActivate, Scope::kPseudo, ns(t.tRFC)});
    rules_.push_back({C::kRefresh, C::kRefresh, Scope::kPseudo, ns(t.tRFC)});
    rules_.push_back({C::kRefreshBank, C::kActivate, Scope::kBank, ns(t.tRFCpb)});
    rules_.push_back({C::kRefreshBank, C::kActivate, Scope::kPseudo, ns(t.tRREFD)});
    auto_end_.assign(64, kLongAgo);
    last_.assign(7, std::vector<std::int64_t>(64, kLongAgo));
    open_.assign(64, -1);
    acts_.resize(2);
  }

  /// The first rule that `next` breaks, or "".
  std::string check(const HbmIssued& next) {
    const std::int64_t at = next.tick * unit_;
    const std::int64_t end = at + length_[index(next.command)];
    if (at < previous_) return "commands out of order";
    previous_ = at;
    if (const std::string bad = check_bus(next, at); !bad.empty()) return bad;
    if (const std::string bad = check_state(next); !bad.empty()) return bad;
    for (const Rule& rule : rules_) {
      if (rule.later != next.command) continue;
      for (int bank = 0; bank < t_.banks(); ++bank) {
        if (!in_scope(rule.scope, bank, next.bank)) continue;
        const std::int64_t before = last_[index(rule.earlier)][static_cast<std::size_t>(bank)];
        if (before != kLongAgo && end - before < rule.time) {
          return "rule " + std::to_string(&rule - rules_.data()) + " at tick " +
                 std::to_string(next.tick) + ": " + std::to_string(end - before) + " of " +
                 std::to_string(rule.time) + " half clocks";
        }
      }
    }
    // An auto-precharge is no command: it needs tRP, but neither the bus nor tPPD.
    for (int bank = 0; bank < t_.banks(); ++bank) {
      const bool waits =
          next.command == HbmCommand::kRefresh ? pseudo(bank) == pseudo(next.bank)
          : next.command == HbmCommand::kActivate || next.command == HbmCommand::kRefreshBank
              ? bank == next.bank
              : false;
      const std::int64_t began = auto_end_[static_cast<std::size_t>(bank)];
      if (waits && began != kLongAgo && end - began < 2 * static_cast<std::int64_t>(t_.tRP)) {
        return "tRP after an auto-precharge";
      }
    }
    if (next.command == HbmCommand::kActivate) {
      auto& window = acts_[static_cast<std::size_t>(pseudo(next.bank))];
      if (window.size() == 4 && end - window.front() < 2 * t_.tFAW) return "tFAW";
      window.push_back(end);
      if (window.size() > 4) window.pop_front();
    }
    apply(next, end);
    return "";
  }

 private:
  enum class Scope { kBank, kGroup, kPseudo, kOtherSid };
  struct Rule {
    HbmCommand earlier, later;
    Scope scope;
    std::int64_t time;
  };
  static constexpr std::int64_t kLongAgo = INT64_MIN / 2;

  static std::size_t index(HbmCommand c) { return static_cast<std::size_t>(c); }
  int pseudo(int bank) const { return bank / t_.banks_per_pseudo_channel(); }
  int sid(int bank) const { return bank / (t_.bank_groups * t_.banks_per_group); }
  int group(int bank) const { return bank / t_.banks_per_group; }
  bool in_scope(Scope scope, int a, int b) const {
    switch (scope) {
      case Scope::kBank:
        return a == b;
      case Scope::kGroup:
        return group(a) == group(b);
      case Scope::kPseudo:
        return pseudo(a) == pseudo(b);
      case Scope::kOtherSid:
        return pseudo(a) == pseudo(b) && sid(a) != sid(b);
    }
    return false;
  }
  static bool is_column(HbmCommand c) { return c == HbmCommand::kRead || c == HbmCommand::kWrite; }

  std::string check_bus(const HbmIssued& next, std::int64_t at) {
    const bool column = is_column(next.command);
    std::int64_t& free = column ? column_free_ : row_free_;
    if (at < free) return "command bus taken";
    free = at + length_[index(next.command)];
    const bool falling = t_.half_clock_rows != 0 && at % 2 != 0;
    const bool precharge =
        next.command == HbmCommand::kPrecharge || next.command == HbmCommand::kPrechargeAll;
    return falling && !precharge ? "only a precharge may start on a falling edge" : "";
  }
  std::string check_state(const HbmIssued& next) const {
    const std::int64_t row = open_[next.bank];
    if (is_column(next.command) && row != next.row) return "column command to a row not open";
    if (next.command == HbmCommand::kActivate && row >= 0) return "activate of an open bank";
    if (next.command == HbmCommand::kRefreshBank && row >= 0) return "refresh of an open bank";
    if (next.command == HbmCommand::kRefresh) {
      for (int b = 0; b < t_.banks(); ++b) {
        if (pseudo(b) == pseudo(next.bank) && open_[static_cast<std::size_t>(b)] >= 0) {
          return "refresh with an open bank";
        }
      }
    }
    return "";
  }
  void apply(const HbmIssued& next, std::int64_t end) {
    const bool whole =
        next.command == HbmCommand::kPrechargeAll || next.command == HbmCommand::kRefresh;
    for (int b = 0; b < t_.banks(); ++b) {
      const bool hit = whole ? pseudo(b) == pseudo(next.bank) : b == next.bank;
      if (!hit) continue;
      last_[index(next.command)][static_cast<std::size_t>(b)] = end;
      if (next.command == HbmCommand::kPrecharge || next.command == HbmCommand::kPrechargeAll) {
        open_[static_cast<std::size_t>(b)] = -1;
      }
    }
    if (next.command == HbmCommand::kActivate) open_[next.bank] = next.row;
    if (next.auto_precharge) {
      open_[next.bank] = -1;
      // The device starts the precharge itself once tRTP (or write recovery) and tRAS are over.
      const std::int64_t recovery =
          next.command == HbmCommand::kRead ? t_.tRTP : t_.tCWL + t_.tBL + t_.tWR;
      const std::int64_t act = last_[index(HbmCommand::kActivate)][next.bank];
      auto_end_[next.bank] =
          std::max(end + 2 * recovery, act + 2 * static_cast<std::int64_t>(t_.tRAS));
    }
  }

  HbmTimingSet t_;
  std::int64_t unit_ = 2;  // half clocks of one tick
  std::array<std::int64_t, 7> length_{};
  std::vector<Rule> rules_;
  std::vector<std::vector<std::int64_t>> last_;  // by command and bank: end of the last one
  std::vector<std::int64_t> open_;
  std::vector<std::int64_t> auto_end_;  // by bank: when its last auto-precharge began
  std::vector<std::deque<std::int64_t>> acts_;
  std::int64_t previous_ = 0, column_free_ = 0, row_free_ = 0;
};

}  // namespace hbm_test
