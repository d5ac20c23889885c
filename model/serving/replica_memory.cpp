// Who may keep pages, and who must give way.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "serving/replica.h"

namespace athena::serving {
namespace {

/// Less urgent, then younger, is less important.
bool less_important(const Sequence* a, const Sequence* b) {
  return std::tie(a->priority, a->arrival, a->id) > std::tie(b->priority, b->arrival, b->id);
}

}  // namespace

bool Replica::slots_left() const {
  return static_cast<std::int64_t>(running_.size()) + landing_ < engine_.max_batch;
}

Sequence* Replica::least_important() const {
  const auto found =
      std::min_element(running_.begin(), running_.end(),
                       [](const auto* a, const auto* b) { return less_important(a, b); });
  return found == running_.end() ? nullptr : *found;
}

/// Room for the token that each running sequence computes next; who does not find any takes the
/// pages of the least important one, which may be itself.
void Replica::grow_running() {
  for (std::size_t i = 0; i < running_.size();) {
    Sequence& s = *running_[i];
    if (cache_.grow(s.holding, s.length())) {
      ++i;
      continue;
    }
    Sequence* victim = least_important();
    const auto place = static_cast<std::size_t>(
        std::find(running_.begin(), running_.end(), victim) - running_.begin());
    preempt(*victim);
    if (place < i) --i;
  }
}

void Replica::preempt(Sequence& victim) {
  std::erase(running_, &victim);
  ++victim.preemptions;
  ++stats_.preemptions;
  const std::int64_t pages = victim.holding.page_count();
  const double page_bytes = static_cast<double>(engine_.page_tokens) *
                            static_cast<double>(memory_.kv_bytes_per_token.value());
  const double space = static_cast<double>(engine_.swap_space.value()) * memory_.chips;
  cache_.release(victim.holding);
  if (engine_.preemption == Preemption::kSwap &&
      static_cast<double>(swapped_pages_ + pages) * page_bytes <= space) {
    // Shared pages are copied too: whether they are still known on return cannot be relied on.
    stall_ +=
        static_cast<double>(pages) * page_bytes / (engine_.swap_bandwidth.value() * memory_.chips);
    swapped_pages_ += pages;
    victim.swapped = true;
    swapped_.push_back(&victim);
    ++stats_.swaps;
    return;
  }
  victim.computed = 0;
  waiting_.push_front(victim);
}

void Replica::swap_in() {
  while (!swapped_.empty() && slots_left()) {
    const auto next =
        std::max_element(swapped_.begin(), swapped_.end(),
                         [](const auto* a, const auto* b) { return less_important(a, b); });
    Sequence& s = **next;
    const std::int64_t pages = cache_.pages_for(s.computed);
    if (pages_needed(s) > cache_.available() || !cache_.grow(s.holding, s.length())) return;
    swapped_pages_ -= pages;
    stall_ += static_cast<double>(pages * engine_.page_tokens) *
              static_cast<double>(memory_.kv_bytes_per_token.value()) /
              (engine_.swap_bandwidth.value() * memory_.chips);
    s.swapped = false;
    swapped_.erase(next);
    running_.push_back(&s);
  }
}

std::int64_t Replica::pages_needed(const Sequence& s) const {
  const std::int64_t spare =
      running_.empty() ? 0
                       : static_cast<std::int64_t>(
                             std::ceil(engine_.watermark * static_cast<double>(memory_.kv_pages)));
  return cache_.pages_for(s.length()) + spare;
}

bool Replica::admit(Sequence& s) {
  if (&s == blocked_ && cache_.available() <= blocked_available_) return false;
  const std::int64_t before = cache_.available();
  const PrefixMatch found = cache_.match(s.hashes);
  cache_.share(s.holding, s.hashes, found.blocks);
  const std::int64_t need = pages_needed(s) - s.holding.shared_pages;
  if (need > cache_.available() || !cache_.grow(s.holding, s.length())) {
    cache_.release(s.holding);
    blocked_ = &s;
    blocked_available_ = before;
    return false;
  }
  // The last token of the prompt is always computed: its result is what is sampled from.
  s.computed = std::min(found.tokens, s.length() - 1);
  if (!s.looked_up && engine_.prefix_cache) {
    s.looked_up = true;
    s.reused = s.computed;
    cache_.count_lookup(static_cast<std::int64_t>(s.hashes.size()), found.blocks, s.computed);
  }
  blocked_ = nullptr;
  running_.push_back(&s);
  return true;
}

/// Pushes out less urgent sequences while that lets the most urgent waiting one in.
void Replica::make_way() {
  if (!engine_.priority_preempts || waiting_.empty()) return;
  const Sequence& head = waiting_.front();
  const auto enough = [&] { return slots_left() && pages_needed(head) <= cache_.available(); };
  if (enough()) return;
  std::int64_t pages = cache_.available();
  bool any = false;
  for (const Sequence* s : running_) {
    if (s->priority <= head.priority) continue;
    any = true;
    pages += static_cast<std::int64_t>(s->holding.pages.size());
  }
  if (!any || pages_needed(head) > pages) return;
  while (!enough()) {
    Sequence* victim = least_important();
    if (victim == nullptr || victim->priority <= head.priority) return;
    preempt(*victim);
  }
}

/// Decode role: room for the KV that is to be fetched.
void Replica::accept_handed_over() {
  std::size_t taken = 0;
  for (Sequence* s : handed_over_) {
    const bool room = slots_left() && pages_needed(*s) <= cache_.available() &&
                      cache_.grow(s->landing, s->length());
    if (!room) break;
    ++landing_;
    ++taken;
    fetches_.push_back(s);
  }
  handed_over_.erase(handed_over_.begin(),
                     handed_over_.begin() + static_cast<std::ptrdiff_t>(taken));
}

}  // namespace athena::serving
