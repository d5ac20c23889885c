#pragma once
/// One HBM channel and its controller, command by command: two pseudo-channels behind one row and
/// one column command bus, FR-FCFS with write drain, refresh. Woken when the next command can be
/// legal, never ticking. No SystemC, no allocation per request in steady state.
#include <array>
#include <cstdint>
#include <vector>

#include "timing/hbm_counters.h"
#include "timing/hbm_map.h"
#include "timing/hbm_spec.h"
#include "timing/hbm_ticks.h"

namespace athena::timing {

enum class HbmCommand : std::uint8_t {
  kActivate,
  kPrecharge,
  kPrechargeAll,  ///< of one pseudo-channel
  kRead,
  kWrite,
  kRefresh,  ///< all banks of one pseudo-channel
  kRefreshBank,
};

/// One command as it appears on a command bus.
struct HbmIssued {
  Tick tick = 0;
  HbmCommand command = HbmCommand::kActivate;
  std::uint8_t bank = 0;  ///< flat in the channel; for whole-pseudo-channel commands its first bank
  bool auto_precharge = false;
  std::uint32_t row = 0;
};

/// Column accesses of one row, served together: what a request becomes inside a channel.
struct HbmPiece {
  Tick arrival = 0;       ///< at the channel's source queue
  std::uint32_t tag = 0;  ///< given back when done
  std::uint32_t row = 0;
  std::uint16_t bursts = 1;  ///< column accesses
  std::uint8_t bank = 0;
  bool write = false;
};

struct HbmDone {
  Tick finish = 0;  ///< last byte on the bus
  Tick accept = 0;  ///< when the controller took the piece from the source queue
  Tick arrival = 0;
  std::uint32_t tag = 0;
  bool write = false;
};

class HbmChannel {
 public:
  static constexpr Tick kNever = INT64_MAX / 4;
  static constexpr int kMaxBanks = 64;

  explicit HbmChannel(const HbmSpec& spec);

  /// Adds a piece to the source queue; arrivals never decrease.
  void submit(const HbmPiece& piece);
  /// Issues every command up to and including tick `until`.
  void advance(Tick until) {
    while (next_ <= until) step(next_);
    if (until > now_) now_ = until;
  }
  /// The next tick at which a command may issue; kNever when nothing waits (refresh does not count:
  /// an idle memory need not wake anybody).
  [[nodiscard]] Tick next_event() const { return pending_work() ? next_ : kNever; }
  /// Pieces that got their last column command since the last clear; `finish` may lie ahead.
  [[nodiscard]] std::vector<HbmDone>& done() { return done_; }
  [[nodiscard]] bool pending_work() const { return waiting_ > 0; }
  [[nodiscard]] std::uint64_t waiting() const { return waiting_; }
  /// Counts up to tick `now` (not before the last advance).
  [[nodiscard]] HbmCounters counters(Tick now) const;
  /// Every command is appended here from now on; nullptr stops recording.
  void record(std::vector<HbmIssued>* log) { log_ = log; }
  void reset();

 private:
  static constexpr std::uint16_t kNil = 0xffff;

  struct Entry {
    std::uint64_t seq = 0;
    Tick arrival = 0, accept = 0;
    std::uint32_t row = 0, tag = 0;
    std::uint16_t prev = kNil, next = kNil;
    std::uint16_t left = 0;  // column accesses not yet issued and not promoted
    std::uint8_t bank = 0;
    bool write = false;
  };
  struct Bank {
    Tick act_ready = 0, pre_ready = 0;
    std::array<Tick, 2> cas_ready{};  // read, write: tRCD
    Tick last_act = -kNever, last_pre = -kNever;
    std::array<std::uint64_t, 2> hit_seq{}, head_seq{};  // ages of the entries `hit` and `head`
    std::uint32_t open_row = 0;
    std::array<std::uint16_t, 2> head{kNil, kNil}, tail{kNil, kNil}, hit{kNil, kNil};
    std::uint16_t active = kNil;  // entry whose ACT was issued and whose first access was not
    HbmLoss act_cause = HbmLoss::kBank;
  };
  struct Group {
    std::array<Tick, 2> cas{};  // tCCDL, tWTRL
    Tick act = 0;               // tRRDL
  };
  struct Pseudo {
    std::array<Tick, 2> cas{};                 // tCCDS, turnarounds
    std::array<Tick, 2> turn{};                // turnaround part of `cas`
    std::array<std::array<Tick, 4>, 2> sid{};  // tCCDR: floor of each SID
    Tick act = 0;                              // tRRDS, tFAW, tRREFD
    Tick act_limit = 0;                        // the tRRD and tFAW part of `act`
    Tick pre = 0;                              // tPPD
    Tick last_act = -kNever, last_pre = -kNever;
    Tick refresh_done = 0;
    std::array<Tick, 4> acts{};  // ring of the last four ACT
    unsigned acts_at = 0;
    std::uint64_t banks = 0;  // mask
    int first_bank = 0;
    // accounting
    Tick data_end = 0;
    Tick busy_since = 0;
    Tick refresh_from = 0, refresh_to = 0;
    int pending = 0;  // entries of this pseudo-channel
  };

  void step(Tick t);
  void accept_source(Tick t);
  void insert(const HbmPiece& piece, Tick t);
  void unlink(Bank& bank, std::uint16_t id);
  void find_hit(int bank, unsigned mode, std::uint16_t from);
  void choose_mode(Tick t);
  [[nodiscard]] Tick column_slot(Tick t);
  [[nodiscard]] Tick row_slot(Tick t);
  [[nodiscard]] Tick refresh_slot(Tick t);
  [[nodiscard]] int pick_active(Tick t, Tick& next) const;
  [[nodiscard]] int pick_hit(Tick t, Tick& next) const;
  [[nodiscard]] Tick column_ready(int bank, unsigned mode) const;
  [[nodiscard]] std::uint16_t row_target(int bank) const;
  void issue_column(int bank, std::uint16_t id, bool active, Tick t);
  void issue_activate(int bank, Tick t);
  void issue_precharge(int bank, Tick t);
  void close_bank(int bank);
  void auto_precharge(int bank, unsigned mode, Tick t);
  void update_head(int bank, unsigned mode);
  void row_changed(int bank, Tick t);
  void account_column(int bank, unsigned mode, bool active, Tick t);
  void log(Tick t, HbmCommand command, int bank, std::uint32_t row, bool auto_pre = false) {
    if (log_ != nullptr) {
      log_->push_back({t, command, static_cast<std::uint8_t>(bank), auto_pre, row});
    }
  }
  [[nodiscard]] Tick clock_edge(Tick t) const { return (t + edge_) & ~edge_; }
  [[nodiscard]] std::size_t pseudo_of(int bank) const {
    return static_cast<std::size_t>(bank >> pseudo_shift_);
  }
  [[nodiscard]] std::size_t group_of(int bank) const {
    return static_cast<std::size_t>(bank >> group_shift_);
  }
  [[nodiscard]] std::size_t sid_of(int bank) const {
    return static_cast<std::size_t>((bank >> sid_shift_) & sid_mask_);
  }

  HbmTicks k_;
  HbmSpec spec_;
  Tick edge_ = 0;  // ticks per clock - 1
  int banks_ = 0, groups_ = 0, pseudos_ = 0, sids_ = 0;
  int group_shift_ = 0, sid_shift_ = 0, sid_mask_ = 0, pseudo_shift_ = 0;
  int high_ = 0, low_ = 0;  // write drain, in accesses
  bool row_hit_first_ = true, closed_page_ = false;

  std::array<Bank, kMaxBanks> bank_{};
  std::array<Group, kMaxBanks> group_{};
  std::array<Pseudo, 2> pseudo_{};
  std::uint64_t open_ = 0, active_ = 0;
  std::array<std::uint64_t, 2> busy_{};      // banks with entries, by mode (0 read, 1 write)
  std::array<std::uint64_t, 2> hits_{};      // banks with an entry for the open row
  std::array<std::uint64_t, 2> head_hit_{};  // banks whose oldest entry wants the open row
  std::array<int, 2> used_{};                // accesses queued
  std::array<int, 2> size_{};                // queue sizes
  unsigned mode_ = 0;

  std::vector<Entry> entries_;
  std::vector<std::uint16_t> free_;
  std::vector<HbmPiece> source_;  // ring, a power of two
  std::size_t source_head_ = 0, source_count_ = 0;

  std::uint64_t seq_ = 0, waiting_ = 0;
  Tick now_ = 0, next_ = 0;
  Tick column_free_ = 0, row_free_ = 0;  // command buses
  Tick column_wake_ = 0, row_wake_ = 0;
  Tick next_refresh_ = 0;
  int refresh_bank_ = 0;  // next bank of per-bank refresh
  std::array<std::uint8_t, 64> refresh_queue_{};
  unsigned refresh_head_ = 0, refresh_count_ = 0;

  std::vector<HbmDone> done_;
  std::vector<HbmIssued>* log_ = nullptr;
  HbmCounters counts_;
};

}  // namespace athena::timing
