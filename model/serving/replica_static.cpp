// Static batching: a batch is formed, computed until its longest answer is done, and only then the
// next one is formed.
#include <algorithm>

#include "serving/replica.h"

namespace athena::serving {

double Replica::begin_static(double now, double horizon) {
  if (running_.empty()) {
    if (waiting_.empty()) return kNever;
    const double due = waiting_.oldest_arrival() + engine_.static_wait.value();
    const bool full = static_cast<std::int64_t>(waiting_.size()) >= engine_.max_batch;
    if (!full && !closed_ && now < due) return due;
    form_static_batch();
  }
  compose_static();
  const bool prompts = std::any_of(batch_.begin(), batch_.end(),
                                   [](const Slot& s) { return s.sequence->generated == 0; });
  return prompts ? begin_step(now) : begin_run(now, horizon);
}

/// Pages for the whole answer are taken at once: nobody is pushed out of a static batch.
void Replica::form_static_batch() {
  while (!waiting_.empty() && slots_left()) {
    Sequence& s = waiting_.front();
    const std::int64_t whole = s.input + s.output;
    const PrefixMatch found = cache_.match(s.hashes);
    cache_.share(s.holding, s.hashes, found.blocks);
    if (!cache_.grow(s.holding, whole)) {
      cache_.release(s.holding);
      return;
    }
    s.computed = std::min(found.tokens, s.input - 1);
    if (engine_.prefix_cache) {
      s.reused = s.computed;
      cache_.count_lookup(static_cast<std::int64_t>(s.hashes.size()), found.blocks, s.computed);
    }
    running_.push_back(&s);
    waiting_.pop_front();
  }
}

/// All prompts first, as many whole ones per step as the token budget takes (at least one); then
/// every member decodes until the last is done, finished ones as padding.
void Replica::compose_static() {
  batch_.clear();
  std::int64_t budget = engine_.max_batched_tokens;
  for (Sequence* s : running_) {
    if (s->generated > 0) continue;
    if (!batch_.empty() && s->pending() > budget) break;
    batch_.push_back({s, s->pending()});
    budget -= s->pending();
  }
  if (!batch_.empty()) return;
  for (Sequence* s : running_) batch_.push_back({s, 1});
}

}  // namespace athena::serving
