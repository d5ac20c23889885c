/// What stops a channel of its own accord: refresh, and the turnarounds beside a per-bank one.
#include "timing/hbm_fast.h"

namespace athena::timing {

using hbm_fast::Bank;
using hbm_fast::Channel;
using hbm_fast::later;
using hbm_fast::Pseudo;
using hbm_fast::Slots;

namespace {

/// `count` slots from `from` on go to a refresh: to one of all banks everything up to there too, of
/// one of a single bank the slots before and after it stay usable.
void stop(Slots& slots, Tick from, Tick count, bool all) {
  if (all) {
    slots.block(from, count);
  } else {
    for (; count > 0; --count) (void)slots.take(from, slots.base);
  }
}

}  // namespace

/// One refresh at `next_refresh`, or the last of several that passed while the channel idled.
void HbmFast::refresh(std::size_t index, Tick now) {
  Channel& channel = channels_[index];
  const bool all = spec_.refresh == HbmRefresh::kAllBank;
  const Tick missed = (now - channel.next_refresh) / k_.refi;
  if (missed > (all ? 0 : static_cast<Tick>(banks_))) {
    counts_.refreshes += all ? static_cast<std::uint64_t>(missed) * 2 : 0;
    counts_.bank_refreshes += all ? 0 : static_cast<std::uint64_t>(missed);
    channel.next_refresh += missed * k_.refi;
  }
  const Tick at = channel.next_refresh;
  channel.next_refresh += k_.refi;
  channel.quiet = (channel.next_refresh >> slot_shift_) - hbm_fast::Slots::kSlots;
  const auto hold = [&](Tick& server) { server = later(server, at) + k_.refresh; };
  hold(channel.row_bus);
  for (Pseudo& p : pseudos(index)) {
    stop(p.data, at >> slot_shift_, (k_.refresh + (all ? k_.rcd[0] : 0)) >> slot_shift_, all);
    stop(p.acts, act_slot(at), act_slot(k_.refresh), all);
  }
  const std::size_t groups = banks_ >> group_shift_;
  for (std::size_t g = 0; g < groups; ++g) hold(group_[index * groups + g]);
  const std::size_t across = across_.size() / channels_.size();
  for (std::size_t g = 0; g < across; ++g) hold(across_[index * across + g]);
  Bank* banks = &bank_[index * banks_];
  const std::uint64_t count = static_cast<std::uint64_t>(at / k_.refi);
  const std::size_t first = all ? 0 : count % banks_;
  const std::size_t last = all ? banks_ : first + 1;
  const Tick blocked = k_.refresh + (all ? 0 : k_.bank_refresh);
  for (std::size_t b = first; b < last; ++b) {
    Bank& bank = banks[b];
    bank.batch.fill(hbm_fast::kNoRow);
    bank.act_ready = later(bank.act_ready, at) + blocked;
    bank.stamp = stamp_;
  }
  if (all) {
    counts_.refreshes += static_cast<std::uint64_t>(spec_.timing.pseudo_channels);
  } else {
    ++counts_.bank_refreshes;
  }
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kRefresh)] +=
      (k_.refresh + (all ? k_.rcd[0] : 0)) * spec_.timing.pseudo_channels;
}

/// Write drain in the order of arrival: when a batch of writes has gathered among reads the bus
/// turns round twice. For per-bank refresh, whose short stops a drain held together would not
/// absorb.
void HbmFast::turn(std::size_t index, Tick count) {
  Channel& channel = channels_[index];
  channel.writes += count;
  if (channel.writes < drain_) return;
  channel.writes -= drain_;
  if (!channel.reads) return;
  channel.reads = false;
  for (Pseudo& p : pseudos(index)) {
    const Tick slots = (k_.switch_both + (Tick{1} << slot_shift_) / 2) >> slot_shift_;
    for (Tick n = 0; n < slots; ++n) (void)p.data.take(p.data.end(), p.data.base);
  }
  counts_.ticks[static_cast<std::size_t>(HbmLoss::kTurnaround)] +=
      k_.switch_both * spec_.timing.pseudo_channels;
}

void HbmFast::refresh_until(std::size_t channel, Tick now) {
  while (now >= channels_[channel].next_refresh) refresh(channel, now);
}

}  // namespace athena::timing
