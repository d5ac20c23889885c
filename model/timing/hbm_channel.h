#pragma once
/// One HBM channel and its controller, command by command: two pseudo-channels behind one row and
/// one column command bus, FR-FCFS with write drain, refresh. Woken when the next command can be
/// legal, never ticking. No SystemC, no allocation per request in steady state.
///
/// How it is fast: what waits is a bit mask in the order of age, so that the oldest piece that is
/// allowed is the lowest bit of a few masks. A piece (column accesses of one row) that wins the
/// column bus books the slots of all its accesses at once, in a bit mask of coming clocks; others
/// fill the slots between. As long as reads are alone, column commands are decided a few clocks
/// ahead. What a queue holds, and the order of age, are those of single accesses.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "timing/hbm_buffer.h"
#include "timing/hbm_counters.h"
#include "timing/hbm_map.h"
#include "timing/hbm_queue.h"
#include "timing/hbm_releases.h"
#include "timing/hbm_series.h"
#include "timing/hbm_slots.h"
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
  std::uint16_t column = 0;                            ///< the first of them
  static constexpr std::uint16_t kScattered = 0xffff;  ///< columns that do not follow each other
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
  static constexpr int kMaxBanks = HbmQueue::kMaxBanks;

  explicit HbmChannel(const HbmSpec& spec);

  /// Adds a piece to the source queue; arrivals never decrease.
  void submit(const HbmPiece& piece) {
    if (source_count_ > source_mask_) grow_source();
    source_[(source_head_ + source_count_++) & source_mask_] = piece;
    ++waiting_;
    if (source_count_ == 1) first_in_source();
  }
  /// Issues every command up to and including tick `until`.
  void advance(Tick until);
  /// The next tick at which a command may issue; kNever when nothing waits (refresh does not count:
  /// an idle memory need not wake anybody).
  [[nodiscard]] Tick next_event() const { return pending_work() ? next_ : kNever; }
  /// Pieces that got their last column command since the last clear; `finish` may lie ahead.
  [[nodiscard]] HbmBuffer<HbmDone>& done() { return done_; }
  [[nodiscard]] bool pending_work() const { return waiting_ > 0; }
  [[nodiscard]] std::uint64_t waiting() const { return waiting_; }
  /// Counts up to tick `now` (not before the last advance).
  [[nodiscard]] HbmCounters counters(Tick now) const;
  /// Counts over time, in a bounded number of intervals.
  [[nodiscard]] const HbmSeries& series() const { return series_; }
  /// Every command is put here, in the order of time, from now on; nullptr stops recording.
  /// Accesses booked ahead appear before the commands issued until then.
  void record(std::vector<HbmIssued>* log) { log_ = log; }
  void reset();

 private:
  using Entry = HbmQueue::Entry;
  static constexpr int kNone = HbmQueue::kPlaces;
  /// Accesses that one decision books: no longer than others should wait.
  static constexpr int kBooked = 8;
  /// Clocks that such bookings reach at most.
  static constexpr int kReach = 44;
  /// Clocks that column commands are decided ahead where nothing can come between.
  static constexpr int kAhead = 8;
  static_assert(kReach + kAhead < HbmReleases::kReach);

  struct Bank {
    std::array<Tick, 2> cas_ready{};  // tRCD
    Tick last_act = -kNever, last_pre = -kNever;
    // Of the piece whose ACT was issued and whose first access was not:
    Entry alone;            // the piece itself, where that was its only access
    bool in_queue = false;  // its further accesses wait in the queue, as the bank's oldest piece
    std::uint8_t mode = 0;
    HbmLoss act_cause = HbmLoss::kBank;
  };
  struct Pseudo {
    std::array<Tick, 2> cas{};  // turnaround floor of a read, of a write
    Tick act = 0;               // tRRDS, tFAW, tRREFD
    Tick act_limit = 0;         // the tRRD and tFAW part of `act`
    Tick pre = 0;               // tPPD
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
  /// Banks in the order in which their tRCD ends.
  struct Opening {
    std::array<Tick, kMaxBanks> tick{};  // a ring
    std::array<std::uint8_t, kMaxBanks> bank{};
    unsigned head = 0, count = 0;
  };

  /// Whether an age is before another; ages wrap round.
  [[nodiscard]] static bool older(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
  }

  void step(Tick t);
  void timers(Tick t);
  void accept_source(Tick t);
  [[nodiscard]] bool source_can_wait() const;
  /// Queue places that must be free for a piece to enter. A long one stands for requests of 64 B
  /// that would trickle in one by one: it enters when half of it has room, and any piece enters an
  /// empty queue.
  [[nodiscard]] static int room(const HbmPiece& piece) {
    return piece.bursts <= 2 ? piece.bursts : piece.bursts / 2;
  }
  [[nodiscard]] bool forwarded(const HbmPiece& piece) const;
  void grow_source();
  void first_in_source();
  void insert(const HbmPiece& piece, Tick t);
  void take_over(Entry& entry, const HbmPiece& piece, Tick t);
  void entered(int place, unsigned mode, bool first, Tick t);
  void let_in(unsigned mode, Tick t);
  void settle(int bank, unsigned mode, Tick t);
  /// Whether no piece waits for the row that is open.
  [[nodiscard]] bool row_unwanted(int bank) const {
    return ((queue_[0].hits() & queue_[0].of_bank(bank)) |
            (queue_[1].hits() & queue_[1].of_bank(bank))) == 0;
  }
  [[nodiscard]] bool turn_due() const {
    return mode_ == 0 ? used_[1] > high_ || (used_[0] == 0 && used_[1] != 0)
                      : used_[1] <= low_ && used_[0] != 0;
  }
  /// Whether the direction depends on how full the queues are. Otherwise places are counted only
  /// when somebody waits for them.
  [[nodiscard]] bool mixed() const { return (mode_ | static_cast<unsigned>(used_[1])) != 0; }
  void choose_mode(Tick t) {
    if (mixed() && turn_due()) turn(t);
  }
  void turn(Tick t);
  void look_at_source() {
    const HbmPiece& piece = source_[source_head_ & source_mask_];
    source_arrival_ = piece.arrival;
    source_mode_ = piece.write ? 1 : 0;
    source_room_ = room(piece);
  }
  /// When the head of the source queue can next be looked at: it has come, and its places are free.
  [[nodiscard]] Tick source_due(Tick t) const {
    HbmReleases::Cursor places(releases_, source_mode_);
    return source_due(t, places);
  }
  [[nodiscard]] Tick source_due(Tick t, HbmReleases::Cursor& places) const {
    const Tick came = std::max(source_arrival_, t) + 1;
    const int used = used_[source_mode_];
    const int missing = std::min(used, used + source_room_ - size_[source_mode_]);
    if (missing <= 0) return came;
    return std::max(came, (places.of(missing) << clock_shift_) + 1);
  }
  /// When the next place is given up.
  [[nodiscard]] Tick next_release() const { return releases_.next() << clock_shift_; }
  /// Gives up the queue places of booked accesses whose time has come.
  void release(Tick t) {
    const std::array<int, 2> given = releases_.count(t >> clock_shift_);
    used_[0] -= given[0];
    used_[1] -= given[1];
  }
  [[nodiscard]] Tick column_slot(Tick t);
  [[nodiscard]] bool column_at(Tick t, bool ahead, Tick& next);
  [[nodiscard]] int pick_opened(Tick t, Tick& next);
  [[nodiscard]] int pick_hit(Tick t) const;
  [[nodiscard]] std::uint32_t ready_groups(std::uint32_t groups, unsigned mode, Tick t) const;
  [[nodiscard]] Tick turned(int group, unsigned mode) const;
  [[nodiscard]] Tick next_slot(std::uint32_t groups, unsigned mode, Tick from) const;
  [[nodiscard]] Tick next_hit(Tick from) const;
  [[nodiscard]] Tick next_opening(Tick from) const {
    Tick next = kNever;
    for (const Opening& opening : opening_) {
      if (opening.count > 0) next = std::min(next, opening.tick[opening.head]);
    }
    return next == kNever ? kNever : std::max(next, from);
  }
  /// Places of a queue whose pieces go to a pseudo-channel.
  [[nodiscard]] std::uint64_t of_pseudo(const HbmQueue& queue, int pseudo) const {
    const int first = pseudo << sid_bits_;
    std::uint64_t places = queue.of_rank(first);
    for (int sid = 1; sid <= sid_mask_; ++sid) places |= queue.of_rank(first + sid);
    return places;
  }
  [[nodiscard]] Tick row_slot(Tick t);
  [[nodiscard]] int pick_activate(int pseudo, Tick t);
  [[nodiscard]] int pick_precharge(Tick t);
  [[nodiscard]] Tick refresh_slot(Tick t);
  void precharge_all(Pseudo& pc, Tick t);
  void issue_refresh(int target, Tick t);
  void issue_opened(int bank, Tick t);
  void issue_hit(int place, Tick t);
  Tick issue(Entry& e, unsigned mode, bool opened, std::uint64_t earlier, Tick t);
  [[nodiscard]] int bookable(const Entry& e, unsigned mode, bool opened, std::uint64_t earlier,
                             Tick t) const;
  Tick book(int bank, unsigned mode, int count, bool held, Tick t, int& booked);
  void complete(const Entry& e, unsigned mode, Tick last);
  void issue_activate(int place, Tick t);
  void issue_precharge(int bank, Tick t);
  void close_bank(int bank, Tick t);
  void auto_precharge(int bank, unsigned mode, Tick t);
  void account_gap(int bank, unsigned mode, bool active, Tick t);
  void log(Tick t, HbmCommand command, int bank, std::uint32_t row) {
    if (log_ != nullptr) write_log(t, command, bank, row);
  }
  void log_column(Tick t, unsigned mode, int bank) {
    write_log(t, mode == 0 ? HbmCommand::kRead : HbmCommand::kWrite, bank,
              open_row_[static_cast<std::size_t>(bank)]);
  }
  void write_log(Tick t, HbmCommand command, int bank, std::uint32_t row);
  [[nodiscard]] Tick clock_edge(Tick t) const { return (t + edge_) & ~edge_; }
  [[nodiscard]] std::size_t pseudo_of(int bank) const {
    return static_cast<std::size_t>(bank >> pseudo_shift_);
  }
  [[nodiscard]] std::size_t group_of(int bank) const {
    return static_cast<std::size_t>(bank >> group_shift_);
  }
  [[nodiscard]] int rank_of(int bank) const { return bank >> sid_shift_; }
  [[nodiscard]] std::size_t sid_of(int bank) const {
    return static_cast<std::size_t>((bank >> sid_shift_) & sid_mask_);
  }

  HbmTicks k_;
  HbmSpec spec_;
  Tick edge_ = 0;        // ticks per clock - 1
  int clock_shift_ = 0;  // log2 of the ticks of one clock
  int banks_ = 0, pseudos_ = 0;
  int group_shift_ = 0, sid_shift_ = 0, sid_mask_ = 0, pseudo_shift_ = 0;  // of a bank's number
  std::uint64_t group_banks_ = 0;  // mask of the first group's banks
  int group_low_ = 0;              // bits of a bank's number inside its group
  int ranks_ = 0;                  // SIDs of all pseudo-channels
  int sid_bits_ = 0;
  int high_ = 0, low_ = 0;  // write drain, in accesses
  bool row_hit_first_ = true, closed_page_ = false;

  std::array<Bank, kMaxBanks> bank_{};
  std::array<Tick, kMaxBanks> act_ready_{}, pre_ready_{};
  std::array<std::uint32_t, kMaxBanks> active_seq_{}, open_row_{};
  std::array<Tick, HbmSlots::kMaxGroups> group_read_{};  // tWTRL
  std::array<Tick, HbmSlots::kMaxGroups> group_act_{};   // tRRDL
  // From here on nothing in the channel holds up a read, a write: no turnaround ...
  std::array<Tick, 2> turned_{};
  // ... nor tRCD of a row that was opened for the other direction, or by a decision ahead of time.
  std::array<Tick, 2> opened_late_{};
  std::array<Pseudo, 2> pseudo_{};
  std::uint64_t open_ = 0, active_ = 0;
  std::array<std::uint64_t, 2> opened_{};  // active banks behind their tRCD, by direction
  std::array<HbmQueue, 2> queue_{};        // reads, writes
  std::array<int, 2> used_{};              // accesses queued
  std::array<int, 2> size_{};              // queue sizes
  unsigned mode_ = 0;

  HbmSlots slots_;
  HbmReleases releases_;
  std::array<Opening, 2> opening_{};

  /// Behind the places of a queue: rings, powers of two, empty unless a queue is longer than those.
  struct Behind {
    std::vector<Entry> ring;
    std::uint32_t head = 0, count = 0;
  };
  std::array<Behind, 2> behind_;
  std::vector<HbmPiece> source_;  // ring, a power of two
  std::uint32_t source_head_ = 0, source_count_ = 0, source_mask_ = 0;
  // Of its head, which is asked for often.
  Tick source_arrival_ = 0;
  std::size_t source_mode_ = 0;
  int source_room_ = 0;

  std::uint64_t waiting_ = 0;
  std::uint32_t seq_ = 0;
  Tick now_ = 0, next_ = 0;
  Tick row_free_ = 0;  // row command bus
  Tick column_wake_ = 0, row_wake_ = 0, source_wake_ = 0;
  // Parts of row_wake_: activations by pseudo-channel.
  std::array<Tick, 2> activate_wake_{};
  Tick precharge_wake_ = 0;
  bool places_changed_ = false;  // in the queues: when the source may go on
  Tick timer_ = 0;               // next refresh or sample
  Tick next_refresh_ = 0;
  int refresh_bank_ = 0;  // next bank of per-bank refresh
  std::array<std::uint8_t, 64> refresh_queue_{};
  unsigned refresh_head_ = 0, refresh_count_ = 0;

  HbmBuffer<HbmDone> done_;
  std::vector<HbmIssued>* log_ = nullptr;
  HbmCounters counts_;
  HbmSeries series_;
};

}  // namespace athena::timing
