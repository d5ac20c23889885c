// Which sequences take part in the next step, and with how many tokens.
#include <algorithm>

#include "serving/replica.h"

namespace athena::serving {

void Replica::compose() {
  batch_.clear();
  std::int64_t budget = engine_.max_batched_tokens;
  // Who joins below is at the end of the list and has its tokens already: a sequence that was
  // pushed out and finds all but its last token in the prefix cache looks like a running one.
  const std::size_t before = running_.size();
  const bool prefill_first = engine_.order == StepOrder::kPrefillFirst;
  if (engine_.batching == Batching::kChunked) {
    if (!prefill_first) add_decodes(budget, before);
    add_chunks(budget);
    add_new_prompts(budget, false);
    if (prefill_first) add_decodes(budget, before);
    return;
  }
  std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  if (!prefill_first) {
    add_decodes(no_limit, before);
    budget -= static_cast<std::int64_t>(batch_.size());
  }
  add_new_prompts(budget, true);
  if (prefill_first && batch_.empty()) add_decodes(no_limit, before);
}

void Replica::add_decodes(std::int64_t& budget, std::size_t among) {
  for (std::size_t i = 0; i < among; ++i) {
    if (budget <= 0) return;
    if (!running_[i]->decoding()) continue;
    batch_.push_back({running_[i], 1});
    --budget;
  }
}

void Replica::add_chunks(std::int64_t& budget) {
  for (Sequence* s : running_) {
    if (budget <= 0) return;
    if (s->decoding()) continue;
    const std::int64_t tokens = std::min(budget, s->pending());
    batch_.push_back({s, tokens});
    budget -= tokens;
  }
}

void Replica::add_new_prompts(std::int64_t& budget, bool whole) {
  bool first = true;
  while (!waiting_.empty() && slots_left()) {
    Sequence& s = waiting_.front();
    // Who was swapped out comes back before anybody new of the same urgency comes in.
    if (!swapped_.empty() &&
        std::any_of(swapped_.begin(), swapped_.end(),
                    [&](const Sequence* other) { return other->priority <= s.priority; })) {
      return;
    }
    if (!whole && budget <= 0) return;
    // A prompt above the budget would never get in if it did not go alone.
    if (whole && !first && s.length() - cache_.match(s.hashes).tokens > budget) return;
    if (!admit(s)) return;
    waiting_.pop_front();
    const std::int64_t tokens = whole ? s.pending() : std::min(budget, s.pending());
    batch_.push_back({&s, tokens});
    budget -= tokens;
    first = false;
  }
}

}  // namespace athena::serving
