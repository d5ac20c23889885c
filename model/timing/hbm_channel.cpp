#include "timing/hbm_channel.h"

#include <algorithm>
#include <bit>

#include "timing/hbm_bits.h"
#include "timing/hbm_columns.h"
#include "timing/hbm_rows.h"

namespace athena::timing {
HbmChannel::HbmChannel(const HbmSpec& spec) : k_(spec.timing), spec_(spec), slots_(spec.timing) {
  const HbmTimingSet& t = spec.timing;
  edge_ = k_.per_clock - 1;
  clock_shift_ = log2_of(k_.per_clock);
  banks_ = t.banks();
  pseudos_ = t.pseudo_channels;
  group_shift_ = log2_of(t.banks_per_group);
  group_banks_ = bit(t.banks_per_group) - 1;
  group_low_ = t.banks_per_group - 1;
  sid_shift_ = group_shift_ + log2_of(t.bank_groups);
  sid_mask_ = t.stack_ids - 1;
  sid_bits_ = log2_of(t.stack_ids);
  pseudo_shift_ = sid_shift_ + sid_bits_;
  ranks_ = pseudos_ << sid_bits_;
  high_ = static_cast<int>(spec.drain_high * spec.write_queue);
  low_ = static_cast<int>(spec.drain_low * spec.write_queue);
  size_ = {spec.read_queue, spec.write_queue};
  row_hit_first_ = spec.scheduler == HbmScheduler::kRowHitFirst;
  closed_page_ = spec.page == HbmPagePolicy::kClosed;
  reset();
}

void HbmChannel::reset() {
  bank_ = {};
  act_ready_ = pre_ready_ = {};
  group_read_ = group_act_ = {};
  turned_ = opened_late_ = {};
  pseudo_ = {};
  const int per_pseudo = spec_.timing.banks_per_pseudo_channel();
  for (int p = 0; p < pseudos_; ++p) {
    Pseudo& pc = pseudo_[at(p)];
    pc.first_bank = p * per_pseudo;
    for (int b = 0; b < per_pseudo; ++b) pc.banks |= bit(pc.first_bank + b);
    pc.acts.fill(-kNever);
  }
  open_ = active_ = 0;
  opened_ = {};
  for (HbmQueue& queue : queue_) queue.reset(banks_, group_shift_, sid_shift_);
  for (std::size_t m = 0; m < 2; ++m) {
    behind_[m].head = behind_[m].count = 0;
    if (size_[m] > HbmQueue::kPlaces) {
      behind_[m].ring.resize(std::bit_ceil(static_cast<std::size_t>(size_[m])));
    }
  }
  used_ = {};
  mode_ = 0;
  slots_.reset();
  releases_.reset();
  opening_ = {};
  if (source_.empty()) source_.resize(64);
  source_mask_ = static_cast<std::uint32_t>(source_.size() - 1);
  source_head_ = source_count_ = 0;
  seq_ = 0;
  waiting_ = 0;
  now_ = next_ = row_free_ = 0;
  column_wake_ = row_wake_ = source_wake_ = kNever;
  activate_wake_ = {kNever, kNever};
  precharge_wake_ = kNever;
  places_changed_ = false;
  next_refresh_ = spec_.refresh == HbmRefresh::kAllBank   ? k_.refi
                  : spec_.refresh == HbmRefresh::kPerBank ? k_.refi_pb
                                                          : kNever;
  series_.reset(k_.refi);
  timer_ = next_ = std::min(next_refresh_, series_.next());
  refresh_bank_ = 0;
  refresh_head_ = refresh_count_ = 0;
  done_.clear();
  counts_ = {};
}

// ---- the source queue and the controller's two queues -------------------------------------------

void HbmChannel::grow_source() {
  const std::uint32_t mask = source_mask_ * 2 + 1;
  std::vector<HbmPiece> larger(std::size_t{mask} + 1);
  for (std::uint32_t i = source_head_; i != source_head_ + source_count_; ++i) {
    larger[i & mask] = source_[i & source_mask_];
  }
  source_.swap(larger);
  source_mask_ = mask;
}

void HbmChannel::first_in_source() {
  HbmPiece& piece = source_[source_head_ & source_mask_];
  raise(piece.arrival, now_);
  look_at_source();
  source_wake_ = source_due(piece.arrival);
  lower(next_, source_wake_);
}

/// Takes in what has come and found a place before tick `t`: each at its own time, also where that
/// lies a few clocks back.
[[gnu::always_inline]] inline void HbmChannel::accept_source(Tick t) {
  if (source_wake_ > t) return;
  HbmReleases::Cursor places(releases_, source_mode_);
  while (source_wake_ <= t) {
    const Tick accept = source_wake_ - 1;
    const HbmPiece& piece = source_[source_head_ & source_mask_];
    const bool passes = source_mode_ == 0 && used_[1] != 0 && forwarded(piece);
    if (passes) {
      // The data leave the write queue in the next clock and never touch the bus.
      done_.add() = {accept + k_.per_clock, accept, piece.arrival, piece.tag, false};
      counts_.forwarded += piece.bursts;
      --waiting_;
    } else {
      insert(piece, accept);
    }
    ++source_head_;
    if (--source_count_ == 0) {
      source_wake_ = kNever;
      return;
    }
    const std::size_t mode = source_mode_;
    look_at_source();
    // Who took no place asks for none of the next one's.
    if (source_mode_ != mode || passes) places = HbmReleases::Cursor(releases_, source_mode_);
    source_wake_ = source_due(accept, places);
  }
}

/// Whether the head of the source queue can wait for the next column command: all it will want is
/// to come after others.
[[gnu::always_inline]] inline bool HbmChannel::source_can_wait() const {
  if (mixed() || refresh_count_ > 0 || column_wake_ == kNever || source_count_ == 0) return false;
  const HbmPiece& piece = source_[source_head_ & source_mask_];
  return (open_ & bit(piece.bank)) != 0 && open_row_[piece.bank] == piece.row && !piece.write;
}

/// Whether one waiting write covers everything that this read wants.
bool HbmChannel::forwarded(const HbmPiece& piece) const {
  const auto covers = [&](const Entry& e) {
    return e.bank == piece.bank && e.row == piece.row && e.column != HbmPiece::kScattered &&
           e.column <= piece.column && piece.column + piece.bursts <= e.column + e.left;
  };
  const Bank& bank = bank_[piece.bank];
  if ((active_ & bit(piece.bank)) != 0 && !bank.in_queue && bank.mode == 1 && covers(bank.alone)) {
    return true;
  }
  for (std::uint64_t mask = queue_[1].of_bank(piece.bank); mask != 0; mask &= mask - 1) {
    if (covers(queue_[1][lowest(mask)])) return true;
  }
  const Behind& behind = behind_[1];
  for (std::uint32_t i = 0; i < behind.count; ++i) {
    if (covers(behind.ring[(behind.head + i) & (behind.ring.size() - 1)])) return true;
  }
  return false;
}

[[gnu::always_inline]] inline void HbmChannel::insert(const HbmPiece& piece, Tick t) {
  const unsigned mode = piece.write ? 1U : 0U;
  used_[mode] += piece.bursts;
  Pseudo& pc = pseudo_[pseudo_of(piece.bank)];
  if (pc.pending++ == 0) pc.busy_since = t;
  Behind& behind = behind_[mode];
  if (behind.count > 0 || queue_[mode].full()) {
    take_over(behind.ring[(behind.head + behind.count++) & (behind.ring.size() - 1)], piece, t);
    return;
  }
  const bool first = queue_[mode].of_bank(piece.bank) == 0;
  const int place = queue_[mode].append(piece.bank);
  take_over(queue_[mode][place], piece, t);
  entered(place, mode, first, t);
}

inline void HbmChannel::take_over(Entry& entry, const HbmPiece& piece, Tick t) {
  entry.arrival = piece.arrival;
  entry.accept = t;
  entry.seq = seq_++;
  entry.row = piece.row;
  entry.tag = piece.tag;
  entry.left = piece.bursts;
  entry.column = piece.column;
  entry.bank = piece.bank;
}

/// Of a queue with more pieces than places: the oldest that has none.
void HbmChannel::let_in(unsigned mode, Tick t) {
  Behind& behind = behind_[mode];
  const Entry& entry = behind.ring[behind.head & (behind.ring.size() - 1)];
  ++behind.head;
  --behind.count;
  const bool first = queue_[mode].of_bank(entry.bank) == 0;
  const int place = queue_[mode].append(entry.bank);
  queue_[mode][place] = entry;
  entered(place, mode, first, t);
}

/// `first`: no other piece waits for its bank.
[[gnu::always_inline]] inline void HbmChannel::entered(int place, unsigned mode, bool first,
                                                       Tick t) {
  HbmQueue& queue = queue_[mode];
  const Entry& entry = queue[place];
  const int b = entry.bank;
  const bool open = (open_ & bit(b)) != 0;
  if (open && open_row_[at(b)] == entry.row) {
    ++counts_.row_hits;
    if ((active_ & bit(b)) == 0) {
      queue.add_hits(b, bit(place));
      lower(column_wake_, t);
    }
    if (row_hit_first_) return;
  } else {
    ++(open ? counts_.row_conflicts : counts_.row_misses);
  }
  if (first || !row_hit_first_) settle(b, mode, t);
}

void HbmChannel::turn(Tick t) {
  mode_ ^= 1U;
  lower(column_wake_, t);
  activate_wake_ = {t, t};
  precharge_wake_ = t;
  lower(row_wake_, std::max(row_free_, t));
}

// ---- time ---------------------------------------------------------------------------------------

[[gnu::always_inline]] inline void HbmChannel::step(Tick t) {
  now_ = t;
  if (timer_ <= t) timers(t);
  if (mixed() && next_release() < t) release(t - 1);
  accept_source(t);
  choose_mode(t);
  if (column_wake_ <= t) {
    column_wake_ = column_slot(t);
    if (mixed() && next_release() <= t) release(t);
    choose_mode(t);
  }
  if (row_wake_ <= t) row_wake_ = refresh_count_ > 0 ? refresh_slot(t) : row_slot(t);
  Tick next = std::min(column_wake_, row_wake_);
  if (places_changed_) {
    places_changed_ = false;
    if (source_count_ > 0 && source_wake_ > t + 1) {
      release(t - 1);
      source_wake_ = source_due(t);
    }
    if (mixed() && turn_due()) lower(next, t + 1);
  }
  if (source_wake_ < next && !source_can_wait()) next = source_wake_;
  // How full the write queue is decides the direction.
  if (used_[1] > 0) lower(next, next_release() + 1);
  next_ = std::min(std::max(t + 1, next), timer_);
}

void HbmChannel::advance(Tick until) {
  while (next_ <= until) step(next_);
  if (until > now_) now_ = until;
}

}  // namespace athena::timing
