#include "serving/replica.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace athena::serving {

Replica::Replica(int index, Role role, const EngineConfig& engine, const ReplicaMemory& memory,
                 std::int64_t block_tokens, StepTime& step_time, ReplicaListener& listener)
    : index_(index),
      role_(role),
      engine_(engine),
      memory_(memory),
      step_time_(step_time),
      listener_(listener),
      cache_(memory.kv_pages, engine.page_tokens, block_tokens, engine.prefix_cache) {}

void Replica::submit(Sequence& sequence) {
  sequence.replica = index_;
  waiting_.push_back(sequence);
  ++outstanding_;
}

void Replica::hand_over(Sequence& sequence) {
  handed_over_.push_back(&sequence);
  ++outstanding_;
}

void Replica::landed(Sequence& sequence) {
  --landing_;
  sequence.replica = index_;
  sequence.holding = std::move(sequence.landing);
  sequence.landing = KvHolding{};
  running_.push_back(&sequence);
}

void Replica::sent(Sequence& sequence) {
  cache_.release(sequence.holding);
}

namespace {
void move_all(std::vector<Sequence*>& from, std::vector<Sequence*>& to) {
  to.assign(from.begin(), from.end());
  from.clear();
}
}  // namespace

void Replica::take_outgoing(std::vector<Sequence*>& into) {
  move_all(outgoing_, into);
}

void Replica::take_fetches(std::vector<Sequence*>& into) {
  move_all(fetches_, into);
}

void Replica::take_retired(std::vector<Sequence*>& into) {
  move_all(retired_, into);
}

void Replica::settle(double now) {
  if (in_flight_) complete(now);
  if (engine_.batching == Batching::kStatic) return;
  grow_running();
  swap_in();
  accept_handed_over();
}

// ------------------------------------------------------------------------------------ the end

void Replica::complete(double now) {
  in_flight_ = false;
  flight_.end = now;
  if (flight_.steps == 1) {
    for (const Slot& slot : batch_) complete_slot(slot);
  } else {
    complete_run();
  }
  stats_.steps += flight_.steps;
  stats_.busy_s += flight_.end - flight_.begin;
  stats_.energy += flight_.energy;
  // The record goes out first, so that whoever integrates over time sees the step before the
  // sequences that end with it leave.
  flight_.shape = &shape_;
  listener_.on_step(flight_);
  for (const Slot& slot : batch_) {
    if (slot.sequence->finished == now) finish(*slot.sequence);
  }
  drop_departed();
}

void Replica::complete_slot(const Slot& slot) {
  Sequence& s = *slot.sequence;
  const bool prompt = !s.decoding();
  s.computed += slot.tokens;
  if (s.finished >= 0.0 || s.computed < s.length()) return;  // padding, or an unfinished prompt
  ++s.generated;
  ++flight_.output_tokens;
  if (s.first_token < 0.0) s.first_token = flight_.end;
  if (prompt) cache_.publish(s.holding, s.hashes, s.input);
  if (s.remaining() == 0) s.finished = flight_.end;
}

void Replica::complete_run() {
  const std::int64_t n = flight_.steps;
  for (const Slot& slot : batch_) {
    Sequence& s = *slot.sequence;
    s.computed += n;
    if (s.finished >= 0.0) continue;  // padding of a static batch
    s.generated += n;
    flight_.output_tokens += n;
    if (s.remaining() == 0) s.finished = flight_.end;
  }
}

void Replica::finish(Sequence& s) {
  --outstanding_;
  listener_.on_finished(s);
}

void Replica::retire(Sequence& s) {
  cache_.release(s.holding);
  retired_.push_back(&s);
}

void Replica::drop_departed() {
  if (engine_.batching == Batching::kStatic) {
    const bool all = std::all_of(running_.begin(), running_.end(),
                                 [](const Sequence* s) { return s->finished >= 0.0; });
    // A finished member keeps its place and its pages until the whole batch is done.
    if (!all) return;
    for (Sequence* s : running_) retire(*s);
    running_.clear();
    return;
  }
  std::erase_if(running_, [this](Sequence* s) {
    if (s->finished >= 0.0) {
      retire(*s);
      return true;
    }
    if (role_ != Role::kPrefill || s->generated == 0) return false;
    outgoing_.push_back(s);
    --outstanding_;
    return true;
  });
}

// -------------------------------------------------------------------------------- the beginning

double Replica::begin(double now, double horizon) {
  if (engine_.batching == Batching::kStatic) return begin_static(now, horizon);
  make_way();
  compose();
  if (batch_.empty()) return kNever;
  const bool only_decodes = batch_.size() == running_.size() &&
                            std::all_of(batch_.begin(), batch_.end(),
                                        [](const Slot& s) { return s.sequence->decoding(); });
  return only_decodes ? begin_run(now, horizon) : begin_step(now);
}

double Replica::begin_step(double now) {
  shape_.groups.clear();
  shape_.sampled = 0;
  std::int64_t prompt = 0;
  for (const Slot& slot : batch_) {
    const Sequence& s = *slot.sequence;
    shape_.groups.push_back({slot.tokens, s.computed + slot.tokens, 1});
    shape_.sampled += slot.tokens == s.pending() ? 1 : 0;
    prompt += s.decoding() ? 0 : slot.tokens;
  }
  const StepCost cost = step_time_.cost(shape_);
  flight_ = StepRecord{};
  flight_.prompt_tokens = prompt;
  flight_.energy = cost.energy;
  take_off(now);
  return now + std::exchange(stall_, 0.0) + engine_.step_overhead.value() + cost.time.value();
}

void Replica::take_off(double now) {
  flight_.replica = index_;
  flight_.begin = now;
  flight_.sequences = static_cast<std::int64_t>(batch_.size());
  if (memory_.kv_pages > 0) {
    flight_.kv_share = static_cast<double>(cache_.held()) / static_cast<double>(memory_.kv_pages);
  }
  in_flight_ = true;
}

double Replica::begin_run(double now, double horizon) {
  std::int64_t wanted = std::numeric_limits<std::int64_t>::max();
  shape_.groups.clear();
  for (const Slot& slot : batch_) {
    const Sequence& s = *slot.sequence;
    shape_.groups.push_back({1, s.computed + 1, 1});
    if (s.finished < 0.0) wanted = std::min(wanted, s.remaining());
  }
  shape_.sampled = static_cast<std::int64_t>(batch_.size());
  // Members of a static batch were given pages for their whole answer.
  if (engine_.batching != Batching::kStatic) wanted = steps_that_fit(wanted);

  flight_ = StepRecord{};
  flight_.steps = 0;
  double end = now + std::exchange(stall_, 0.0);
  StepShape shape = shape_;
  while (flight_.steps < wanted && (flight_.steps == 0 || end < horizon)) {
    StepSegment segment = step_time_.segment(shape, wanted - flight_.steps);
    segment.first.time += engine_.step_overhead;
    segment.steps = std::min(segment.steps, wanted - flight_.steps);
    const std::int64_t n = segment.steps_beginning_before(Seconds(horizon - end));
    end += segment.time_of(n).value();
    flight_.energy += segment.energy_of(n);
    flight_.steps += n;
    for (auto& group : shape.groups) group.kv_len += n;
  }
  if (engine_.batching != Batching::kStatic) {
    for (const Slot& slot : batch_) {
      Sequence& s = *slot.sequence;
      if (!cache_.grow(s.holding, s.computed + flight_.steps)) {
        throw InternalError("a decode run was begun without the pages it needs.");
      }
    }
  }
  take_off(now);
  return end;
}

std::int64_t Replica::steps_that_fit(std::int64_t wanted) const {
  const std::int64_t available = cache_.available();
  const auto fits = [&](std::int64_t steps) {
    std::int64_t pages = 0;
    for (const Slot& slot : batch_) {
      const Sequence& s = *slot.sequence;
      pages +=
          std::max<std::int64_t>(0, cache_.pages_for(s.computed + steps) - s.holding.page_count());
    }
    return pages <= available;
  };
  if (fits(wanted)) return wanted;
  std::int64_t low = 1;  // grow_running made room for one step
  std::int64_t high = wanted;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

std::vector<std::string> Replica::audit(const std::vector<const KvHolding*>& in_transit) const {
  std::vector<const KvHolding*> holdings = in_transit;
  for (const Sequence* s : running_) holdings.push_back(&s->holding);
  for (const Sequence* s : swapped_) holdings.push_back(&s->holding);
  waiting_.each([&](const Sequence& s) { holdings.push_back(&s.holding); });
  return cache_.audit(holdings);
}

}  // namespace athena::serving
