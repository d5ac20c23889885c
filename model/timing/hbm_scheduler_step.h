#pragma once
/// Cycle-stepped model of `rtl/hbm_scheduler`: FR-FCFS over the 32 banks of one HBM channel, write
/// drain, all-bank refresh. Same port, same command in every cycle.
#include <array>
#include <cstdint>
#include <vector>

#include "timing/block.h"

namespace athena::timing {

/// Parameters of `hbm_scheduler.sv`, in tCK (derived HBM2E 3.2 Gb/s set, tCK 0.625 ns).
struct HbmSchedulerParams {
  int entries = 32;
  int drain_high = 24;
  int drain_low = 6;
  int t_rcd_rd = 23, t_rcd_wr = 20, t_rp = 23, t_ras = 55, t_rc = 78, t_wr = 26, t_rtp = 8;
  int t_ccd_s = 2, t_ccd_l = 4, t_rrd_s = 7, t_rrd_l = 7, t_faw = 24, t_wtr_s = 10, t_wtr_l = 13;
  int cl = 23, cwl = 8, bl = 2, t_rfc = 560, t_refi = 6240;
  friend bool operator==(const HbmSchedulerParams&, const HbmSchedulerParams&) = default;
};

enum class HbmRowOp { kActivate, kPrecharge, kPrechargeAll, kRefresh };

[[nodiscard]] Ports hbm_scheduler_ports();

class HbmSchedulerStep final : public Block {
 public:
  explicit HbmSchedulerStep(const HbmSchedulerParams& params);
  void reset() override;
  void cycle(const std::uint32_t* in, std::uint32_t* out) override;

 private:
  static constexpr int kBanks = 32;
  struct Entry {
    bool write;
    std::uint32_t bank, row, column, id;
  };
  /// Absolute times (cycles since reset) from which a command is allowed.
  struct Bank {
    bool open = false;
    std::uint32_t row = 0;
    std::int64_t act = 0, pre = 0, read = 0, write = 0;
  };
  struct Group {
    std::int64_t column = 0, read = 0, act = 0;
  };
  struct PseudoChannel {
    std::int64_t column = 0, read = 0, write = 0, act = 0;
    std::array<std::int64_t, 4> window{};
    int window_at = 0;
  };
  enum class State { kRun, kClose, kSettle, kRefresh };

  [[nodiscard]] bool column_allowed(const Entry& e) const;
  [[nodiscard]] bool row_allowed(const Entry& e, std::uint32_t banks_with_hits) const;
  void activate(const Entry& e);
  void column(const Entry& e);
  [[nodiscard]] bool may_close_all() const;
  void refresh_edge(bool close_all, bool refresh);

  HbmSchedulerParams p_;
  std::int64_t now_ = 0;
  std::vector<Entry> queue_;
  int writes_ = 0;
  bool draining_ = false;
  std::array<Bank, kBanks> banks_;
  std::array<Group, 8> groups_;
  std::array<PseudoChannel, 2> channels_;
  std::int64_t row_bus_ = 0;
  State state_ = State::kRun;
  int until_refresh_ = 0;
  int wait_ = 0;
  bool due_ = false;
};

}  // namespace athena::timing
