#include "timing/link_fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <queue>

#include "base/error.h"
#include "base/text.h"

namespace athena::timing {
namespace {

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

/// Pieces that a message is cut into when links of a route work at the same time: the error of the
/// cut is one piece per further link.
constexpr int kPieces = 32;

class FabricRunner {
 public:
  FabricRunner(FabricGraph& graph, const std::vector<FabricJob>& jobs, Forwarding forwarding)
      : graph_(graph), jobs_(jobs), pieces_(forwarding == Forwarding::kPackets ? kPieces : 1) {
    free_.resize(graph.links().size());
    run_.carried.resize(graph.links().size());
    run_.busy.resize(graph.links().size());
    run_.finish.resize(jobs.size());
    carried_.resize(graph.links().size());
  }

  FabricRun run() {
    for (std::size_t j = 0; j < jobs_.size(); ++j) begin(j);
    while (!agenda_.empty()) {
      const Event e = agenda_.top();
      agenda_.pop();
      ++run_.events;
      handle(e);
    }
    check_done();
    for (std::size_t l = 0; l < carried_.size(); ++l)
      run_.carried[l] = Bytes(std::llround(carried_[l]));
    return std::move(run_);
  }

 private:
  /// A piece of message `message` reaches the node before link `hop` of its route.
  struct Event {
    std::int64_t when;
    std::uint64_t order;
    int message;
    int hop;
    int piece;
    bool operator<(const Event& o) const {
      return when != o.when ? when > o.when : order > o.order;
    }
  };
  struct Message {
    std::size_t job = 0;
    int index = 0;           ///< in its schedule
    int missing = 0;         ///< transfers that it still waits for
    std::int64_t ready = 0;  ///< latest arrival that it waited for
    const std::vector<int>* route = nullptr;
    int arrived = 0;
    bool done = false;
  };

  [[nodiscard]] const Transfer& transfer(const Message& m) const {
    return jobs_[m.job].schedule.transfers[at(m.index)];
  }
  void put(std::int64_t when, int message, int hop, int piece) {
    agenda_.push({when, order_++, message, hop, piece});
  }

  void begin(std::size_t j) {
    const FabricJob& job = jobs_[j];
    first_.push_back(static_cast<int>(messages_.size()));
    for (std::size_t i = 0; i < job.schedule.transfers.size(); ++i) {
      const Transfer& t = job.schedule.transfers[i];
      Message m;
      m.job = j;
      m.index = static_cast<int>(i);
      m.missing = t.waits_for;
      m.route = &graph_.route(t.source, t.destination);
      m.ready = job.start.value();
      for (std::size_t r = 0; r < job.skew.size(); ++r)
        if (job.schedule.ranks[r] == t.source) m.ready += job.skew[r].value();
      messages_.push_back(m);
    }
    for (int id = first_.back(); id < static_cast<int>(messages_.size()); ++id)
      if (messages_[at(id)].missing == 0) release(id);
  }

  void release(int id) {
    const Message& m = messages_[at(id)];
    put(m.ready + to_time(Seconds(transfer(m).delay)).value(), id, 0, 0);
  }

  void handle(const Event& e) {
    Message& m = messages_[at(e.message)];
    const Transfer& t = transfer(m);
    if (e.hop == static_cast<int>(m.route->size())) {
      if (++m.arrived == pieces_) complete(e.message, e.when);
      return;
    }
    const int link = (*m.route)[at(e.hop)];
    if (e.hop == 0 && e.piece == 0 && !enter_queue(e.message, m, link)) return;
    const FabricLink& l = graph_.links()[at(link)];
    const double bytes = t.bytes / pieces_;
    const std::int64_t service = to_time(Seconds(bytes / l.rate)).value();
    const std::int64_t start = std::max(e.when, free_[at(link)]);
    free_[at(link)] = start + service;
    carried_[at(link)] += bytes;
    run_.busy[at(link)] += Time(service);
    put(start + service + to_time(Seconds(l.latency)).value(), e.message, e.hop + 1, e.piece);
    // The next piece queues when this one has left: jobs that share a first link take turns there.
    if (e.hop != 0) return;
    if (e.piece + 1 < pieces_) {
      put(start + service, e.message, 0, e.piece + 1);
    } else {
      leave_queue(m, link, start + service);
    }
  }

  /// Messages of one job leave over a first link in the order in which they became ready: a rank
  /// has one queue per link. False: others are ahead, the message will be called again.
  bool enter_queue(int id, const Message& m, int link) {
    auto& queue = queues_[{m.job, link}];
    if (!queue.empty() && queue.front() == id) return true;
    queue.push_back(id);
    return queue.size() == 1;
  }
  void leave_queue(const Message& m, int link, std::int64_t when) {
    auto& queue = queues_[{m.job, link}];
    queue.pop_front();
    if (!queue.empty()) put(when, queue.front(), 0, 0);
  }

  void complete(int id, std::int64_t when) {
    Message& m = messages_[at(id)];
    m.done = true;
    const FabricJob& job = jobs_[m.job];
    const std::int64_t end = when + to_time(Seconds(job.schedule.finish_delay)).value();
    run_.finish[m.job] = std::max(run_.finish[m.job], Time(end));
    for (const int next : transfer(m).unlocks) {
      const int other = first_[m.job] + next;
      Message& waiting = messages_[at(other)];
      waiting.ready = std::max(waiting.ready, when);
      if (--waiting.missing == 0) release(other);
    }
  }

  void check_done() const {
    std::vector<std::string> stuck;
    for (const Message& m : messages_) {
      if (m.done || stuck.size() >= 8) continue;
      const Transfer& t = transfer(m);
      stuck.push_back(
          fmt::format("chip {} of '{}' waits for {} arrivals before it sends to chip {}", t.source,
                      jobs_[m.job].schedule.title, m.missing, t.destination));
    }
    if (!stuck.empty()) throw Contradiction("collectives that never end: " + join(stuck, "; "));
  }

  FabricGraph& graph_;
  const std::vector<FabricJob>& jobs_;
  int pieces_;
  std::priority_queue<Event> agenda_;
  std::uint64_t order_ = 0;
  std::vector<std::int64_t> free_;
  std::vector<double> carried_;
  std::vector<Message> messages_;
  std::vector<int> first_;
  std::map<std::pair<std::size_t, int>, std::deque<int>> queues_;
  FabricRun run_;
};

}  // namespace

void FabricGraph::connect(int a, int b, double rate, double latency) {
  links_.push_back({a, b, rate, latency});
  links_.push_back({b, a, rate, latency});
  routes_.clear();
}

void FabricGraph::remove_link(int a, int b) {
  const auto dead = [&](const FabricLink& l) {
    return (l.from == a && l.to == b) || (l.from == b && l.to == a);
  };
  const auto first = std::remove_if(links_.begin(), links_.end(), dead);
  if (first == links_.end())
    throw InputError(fmt::format("there is no link between {} and {} to take out", a, b));
  links_.erase(first, links_.end());
  routes_.clear();
}

void FabricGraph::find_routes(int from) {
  std::vector<int> came(at(nodes_), -1);
  std::vector<char> seen(at(nodes_), 0);
  std::deque<int> queue{from};
  seen[at(from)] = 1;
  std::vector<std::vector<int>> out(at(nodes_));
  for (std::size_t l = 0; l < links_.size(); ++l)
    out[at(links_[l].from)].push_back(static_cast<int>(l));
  while (!queue.empty()) {
    const int node = queue.front();
    queue.pop_front();
    for (const int l : out[at(node)]) {
      const int to = links_[at(l)].to;
      if (seen[at(to)]) continue;
      seen[at(to)] = 1;
      came[at(to)] = l;
      queue.push_back(to);
    }
  }
  for (int to = 0; to < chips_; ++to) {
    std::vector<int> path;
    for (int node = to; node != from && came[at(node)] >= 0; node = links_[at(came[at(node)])].from)
      path.push_back(came[at(node)]);
    std::reverse(path.begin(), path.end());
    routes_[at(from)][at(to)] = std::move(path);
  }
}

const std::vector<int>& FabricGraph::route(int from, int to) {
  if (routes_.empty()) routes_.resize(at(chips_));
  if (from < 0 || to < 0 || from >= chips_ || to >= chips_)
    throw InputError(
        fmt::format("chips {} and {} are not both among the {} of this fabric", from, to, chips_));
  if (routes_[at(from)].empty()) {
    routes_[at(from)].resize(at(chips_));
    find_routes(from);
  }
  const auto& path = routes_[at(from)][at(to)];
  if (path.empty() && from != to)
    throw InputError(fmt::format("no route joins chips {} and {}: a link is missing", from, to));
  return path;
}

FabricRun run_on_fabric(FabricGraph& graph, const std::vector<FabricJob>& jobs,
                        Forwarding forwarding) {
  return FabricRunner(graph, jobs, forwarding).run();
}

}  // namespace athena::timing
