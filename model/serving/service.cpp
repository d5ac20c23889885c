#include "serving/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <queue>

#include "base/error.h"

namespace athena::serving {
namespace {

constexpr std::size_t kListedRefusals = 20;

/// Sequences in use, recycled so that memory follows the number in the system, not the trace.
class SequencePool {
 public:
  Sequence& make(Request& request) {
    if (free_.empty()) {
      all_.emplace_back();
      free_.push_back(&all_.back());
    }
    Sequence& s = *free_.back();
    free_.pop_back();
    s = Sequence{};
    s.id = request.id;
    s.arrival = request.arrival.value();
    s.input = request.input_tokens;
    s.output = request.output_tokens;
    s.priority = request.priority;
    s.hashes = std::move(request.hashes);
    return s;
  }
  void give_back(Sequence& s) {
    s.hashes = {};
    s.holding = KvHolding{};
    free_.push_back(&s);
  }

 private:
  std::deque<Sequence> all_;
  std::vector<Sequence*> free_;
};

class Service {
 public:
  Service(TraceReader& trace, const ServiceConfig& config, const ReplicaMemory& memory,
          StepTime& step_time, const RunOptions& options)
      : trace_(trace),
        config_(config),
        memory_(memory),
        step_time_(step_time),
        options_(options),
        collector_(options.slo),
        longest_(longest_request(config, memory)) {
    if (longest_ == 1) {
      throw Finding("the KV memory of a replica has no room for a prompt and an answer.");
    }
    collector_.sink = options.on_finished;
    collector_.step_sink = options.on_step;
    const auto add = [&](Role role) {
      replicas_.push_back(
          std::make_unique<Replica>(static_cast<int>(replicas_.size()), role, config.engine, memory,
                                    trace.hash_block_tokens(), step_time, collector_));
    };
    for (int i = 0; i < config.prefill_replicas; ++i) add(Role::kPrefill);
    for (int i = 0; i < config.decode_replicas; ++i) add(Role::kDecode);
    for (int i = 0; !config.disaggregated() && i < config.replicas; ++i) add(Role::kBoth);
    entrances_ = config.disaggregated() ? static_cast<std::size_t>(config.prefill_replicas)
                                        : replicas_.size();
    due_.assign(replicas_.size(), kNever);
    link_free_.assign(replicas_.size(), 0.0);
  }

  ServiceResult run() {
    read_next();
    if (!has_next_) throw InputError("the trace holds no requests.");
    result_.first_arrival_s = next_.arrival.value();
    while (has_next_ || !events_.empty()) {
      const double arrival = has_next_ ? next_.arrival.value() : kNever;
      const double event = events_.empty() ? kNever : events_.top().time;
      if (std::min(arrival, event) > options_.stop_after.value()) break;
      if (arrival <= event) {
        arrive();
      } else {
        handle();
      }
    }
    while (has_next_) read_next();
    return finish();
  }

 private:
  /// Something that happens to a replica: it must be advanced, or a KV transfer ends.
  struct Event {
    double time;
    std::int64_t order;  ///< ties go to whoever was entered first
    std::size_t replica;
    Sequence* transfer;  ///< what arrives, null for a replica's own boundary
    bool operator>(const Event& other) const {
      if (time != other.time) return time > other.time;
      // KV that arrives at a boundary is there before the boundary.
      if ((transfer != nullptr) != (other.transfer != nullptr)) return transfer == nullptr;
      return order > other.order;
    }
  };

  void read_next() {
    has_next_ = trace_.next(next_);
    if (has_next_) {
      ++result_.requests;
      constexpr std::int64_t kProgressEvery = 4096;
      if (options_.on_progress && result_.requests % kProgressEvery == 0) {
        options_.on_progress(result_.requests);
      }
      return;
    }
    for (auto& replica : replicas_) replica->close();
    // An idle replica may hold a static batch that waits to fill.
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (!replicas_[i]->busy() && due_[i] != kNever) schedule(i, now_);
    }
  }

  void schedule(std::size_t replica, double time) {
    due_[replica] = time;
    if (time != kNever) events_.push({time, order_++, replica, nullptr});
  }

  /// A replica that does nothing looks at its queues again.
  void wake(std::size_t replica, double now) {
    if (!replicas_[replica]->busy() && due_[replica] != now) schedule(replica, now);
  }

  void arrive() {
    now_ = next_.arrival.value();
    Request request = std::move(next_);
    next_ = Request{};
    read_next();
    if (!fit(request)) return;
    Sequence& s = sequences_.make(request);
    collector_.on_arrival(s);
    const std::size_t target = route(s, 0, entrances_);
    replicas_[target]->submit(s);
    wake(target, now_);
  }

  /// Applies the rule for requests that can never be served whole.
  bool fit(Request& request) {
    if (longest_ == 0 || request.input_tokens + request.output_tokens <= longest_) return true;
    if (result_.refusals.size() < kListedRefusals) {
      result_.refusals.push_back({request.id, request.input_tokens, request.output_tokens});
    }
    if (options_.overlong == Overlong::kReject) {
      ++result_.rejected;
      return false;
    }
    // The prompt gives way first, as its beginning can be dropped; the answer only if it alone is
    // too long.
    request.input_tokens = std::max<std::int64_t>(1, longest_ - request.output_tokens);
    request.output_tokens = longest_ - request.input_tokens;
    request.hashes.clear();  // the prompt now begins elsewhere
    ++result_.truncated;
    return true;
  }

  std::size_t route(const Sequence& s, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return begin;
    if (config_.router == Router::kRoundRobin) return begin + (turn_[begin > 0]++ % (end - begin));
    std::size_t least = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (load_less(i, least)) least = i;
    }
    if (config_.router != Router::kPrefixAware || s.hashes.empty()) return least;
    // The longest known prefix wins, unless its replica is much busier than the idlest one.
    constexpr double kImbalance = 1.5;  // assumed: as SGLang's cache-aware router (relative part)
    constexpr std::int64_t kSlack = 8;  // assumed: requests; keeps small queues from deciding
    const auto limit = static_cast<std::int64_t>(
                           kImbalance * static_cast<double>(replicas_[least]->outstanding())) +
                       kSlack;
    std::size_t best = least;
    std::int64_t longest = replicas_[least]->cache().match(s.hashes).blocks;
    for (std::size_t i = begin; i < end; ++i) {
      if (replicas_[i]->outstanding() > limit) continue;
      const std::int64_t blocks = replicas_[i]->cache().match(s.hashes).blocks;
      if (blocks > longest) {
        longest = blocks;
        best = i;
      }
    }
    return best;
  }

  bool load_less(std::size_t a, std::size_t b) const {
    const Replica& x = *replicas_[a];
    const Replica& y = *replicas_[b];
    if (x.outstanding() != y.outstanding()) return x.outstanding() < y.outstanding();
    return x.cache().held() < y.cache().held();
  }

  void handle() {
    const Event event = events_.top();
    events_.pop();
    if (event.transfer == nullptr && due_[event.replica] != event.time) return;  // superseded
    now_ = event.time;
    if (event.transfer != nullptr) {
      end_transfer(*event.transfer, event.replica);
    } else {
      advance(event.replica);
    }
    if (options_.audit) audit();
  }

  void advance(std::size_t index) {
    Replica& replica = *replicas_[index];
    due_[index] = kNever;
    replica.settle(now_);
    replica.take_retired(scratch_);
    for (Sequence* s : scratch_) sequences_.give_back(*s);
    replica.take_outgoing(scratch_);
    for (Sequence* s : scratch_) {
      const std::size_t target = route(*s, entrances_, replicas_.size());
      away_.push_back({s, target});
      replicas_[target]->hand_over(*s);
      wake(target, now_);
    }
    replica.take_fetches(scratch_);
    for (Sequence* s : scratch_) begin_transfer(*s, index);
    schedule(index, replica.begin(now_, horizon_of(replica)));
  }

  /// The earliest moment at which anything outside can reach the replica.
  double horizon_of(const Replica& replica) const {
    double horizon = has_next_ ? next_.arrival.value() : kNever;
    if (replica.role() != Role::kDecode) return horizon;
    for (std::size_t i = 0; i < entrances_; ++i) horizon = std::min(horizon, due_[i]);
    for (const double end : transfer_ends_) horizon = std::min(horizon, end);
    return horizon;
  }

  /// The prefill replica's way out is used by one transfer at a time.
  void begin_transfer(Sequence& s, std::size_t target) {
    const auto source = static_cast<std::size_t>(s.replica);
    const double bytes =
        static_cast<double>(s.computed) * static_cast<double>(memory_.kv_bytes_per_token.value());
    const double begin = std::max(now_, link_free_[source]);
    const double sent = begin + bytes / config_.transfer.bandwidth.value();
    link_free_[source] = sent;
    result_.transfer_s += sent - begin;
    const double end = sent + config_.transfer.latency.value();
    transfer_ends_.push_back(end);
    events_.push({end, order_++, target, &s});
  }

  void end_transfer(Sequence& s, std::size_t target) {
    transfer_ends_.erase(std::find(transfer_ends_.begin(), transfer_ends_.end(), now_));
    std::erase_if(away_, [&](const Away& away) { return away.sequence == &s; });
    const auto source = static_cast<std::size_t>(s.replica);
    replicas_[source]->sent(s);
    replicas_[target]->landed(s);
    wake(source, now_);
    wake(target, now_);
  }

  void audit() const {
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      std::vector<const KvHolding*> elsewhere;
      for (const Away& away : away_) {
        const Sequence& s = *away.sequence;
        if (static_cast<std::size_t>(s.replica) == i) elsewhere.push_back(&s.holding);
        if (away.target == i) elsewhere.push_back(&s.landing);
      }
      const auto problems = replicas_[i]->audit(elsewhere);
      if (!problems.empty()) {
        throw InternalError(fmt::format("replica {} at {} s: {}", i, now_, problems.front()));
      }
    }
  }

  ServiceResult finish() {
    collector_.close(result_);
    result_.unfinished = result_.requests - result_.completed;
    result_.overlong_limit = longest_;
    result_.replicas = static_cast<int>(replicas_.size());
    result_.chips = memory_.chips * result_.replicas;
    result_.kv_pages = memory_.kv_pages;
    for (const auto& replica : replicas_) {
      const ReplicaStats& stats = replica->stats();
      const KvStats& kv = replica->cache().stats();
      result_.steps += stats.steps;
      result_.preemptions += stats.preemptions;
      result_.swaps += stats.swaps;
      result_.busy_s += stats.busy_s;
      result_.step_energy += stats.energy;
      result_.blocks_looked_up += kv.blocks_looked_up;
      result_.blocks_found += kv.blocks_found;
      result_.pages_evicted += kv.pages_evicted;
      if (memory_.kv_pages > 0) {
        result_.peak_kv_share =
            std::max(result_.peak_kv_share,
                     static_cast<double>(kv.peak_pages) / static_cast<double>(memory_.kv_pages));
      }
    }
    const double idle = std::max(0.0, result_.duration_s() * result_.replicas - result_.busy_s);
    result_.idle_energy = Joules(step_time_.idle_power().value() * idle);
    return std::move(result_);
  }

  TraceReader& trace_;
  const ServiceConfig& config_;
  const ReplicaMemory& memory_;
  StepTime& step_time_;
  const RunOptions& options_;
  Collector collector_;
  std::int64_t longest_;
  ServiceResult result_;
  SequencePool sequences_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::size_t entrances_ = 0;      ///< replicas that take requests come first
  std::vector<double> due_;        ///< when each replica is to be advanced
  std::vector<double> link_free_;  ///< when each prefill replica's way out is free
  std::vector<double> transfer_ends_;
  /// A prompt computed at one replica whose KV is not yet at the one that decodes.
  struct Away {
    Sequence* sequence;
    std::size_t target;
  };
  std::vector<Away> away_;
  std::vector<Sequence*> scratch_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::int64_t order_ = 0;
  std::size_t turn_[2] = {0, 0};
  Request next_;
  bool has_next_ = false;
  double now_ = 0.0;
};

}  // namespace

std::int64_t longest_request(const ServiceConfig& config, const ReplicaMemory& memory) {
  std::int64_t longest = memory.max_context;
  if (memory.kv_pages > 0) {
    const std::int64_t room = memory.kv_pages * config.engine.page_tokens;
    longest = longest == 0 ? room : std::min(longest, room);
  }
  return longest;
}

ServiceResult serve(TraceReader& trace, const ServiceConfig& config, const ReplicaMemory& memory,
                    StepTime& step_time, const RunOptions& options) {
  return Service(trace, config, memory, step_time, options).run();
}

struct RequestCsv::File {
  std::filesystem::path part;
  std::ofstream out;
};

RequestCsv::RequestCsv(std::filesystem::path path) : path_(std::move(path)) {
  file_ = std::make_unique<File>();
  if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path());
  file_->part = path_;
  file_->part += ".part";
  file_->out.open(file_->part);
  if (!file_->out) {
    throw MachineError(fmt::format("{}: cannot be written.", file_->part.string()));
  }
  file_->out << "id,arrival_s,ttft_s,tpot_s,e2e_s,input_tokens,output_tokens,reused_tokens,"
                "preemptions,priority,replica\n";
}

RequestCsv::~RequestCsv() = default;

void RequestCsv::write(const Sequence& s) {
  const double tpot =
      s.output > 1 ? (s.finished - s.first_token) / static_cast<double>(s.output - 1) : 0.0;
  file_->out << fmt::format("{},{:.9g},{:.9g},{:.9g},{:.9g},{},{},{},{},{},{}\n", s.id, s.arrival,
                            s.first_token - s.arrival, tpot, s.finished - s.arrival, s.input,
                            s.output, s.reused, s.preemptions, s.priority, s.replica);
}

void RequestCsv::close() {
  file_->out.close();
  if (!file_->out) {
    throw MachineError(fmt::format("{}: could not be written whole.", file_->part.string()));
  }
  std::filesystem::rename(file_->part, path_);
}

}  // namespace athena::serving
