#include "timing/link_fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <utility>

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

}  // namespace

FabricEngine::FabricEngine(FabricGraph& graph, Forwarding forwarding)
    : graph_(graph), pieces_(forwarding == Forwarding::kPackets ? kPieces : 1) {
  free_.resize(graph.links().size());
  carried_.resize(graph.links().size());
  busy_.resize(graph.links().size());
}

const Transfer& FabricEngine::transfer(const Message& m) const {
  return schedules_[at(m.job)].transfers[at(m.index)];
}

void FabricEngine::put(std::int64_t when, int message, int hop, int piece) {
  agenda_.push({when, order_++, message, hop, piece});
}

int FabricEngine::add(CollectiveSchedule schedule) {
  const int job = static_cast<int>(schedules_.size());
  schedules_.push_back(std::move(schedule));
  const CollectiveSchedule& s = schedules_.back();
  std::map<int, int> index;
  for (std::size_t r = 0; r < s.ranks.size(); ++r) index[s.ranks[r]] = static_cast<int>(r);
  first_.push_back(static_cast<int>(messages_.size()));
  open_.push_back(static_cast<int>(s.transfers.size()));
  ranks_.emplace_back(s.ranks.size());
  for (std::size_t i = 0; i < s.transfers.size(); ++i) {
    const Transfer& t = s.transfers[i];
    Message m;
    m.job = job;
    m.index = static_cast<int>(i);
    m.missing = t.waits_for + 1;
    m.route = &graph_.route(t.source, t.destination);
    m.sender = index.at(t.source);
    m.receiver = index.at(t.destination);
    ++ranks_.back()[at(m.sender)].open;
    ++ranks_.back()[at(m.receiver)].open;
    messages_.push_back(m);
  }
  return job;
}

void FabricEngine::join(int job, int rank, Time when) {
  Rank& r = ranks_[at(job)][at(rank)];
  if (r.joined)
    throw InternalError(fmt::format("rank {} enters '{}' twice", rank, schedules_[at(job)].title));
  r.joined = true;
  r.last = when.value();
  const int end =
      at(job) + 1 < first_.size() ? first_[at(job) + 1] : static_cast<int>(messages_.size());
  for (int id = first_[at(job)]; id < end; ++id)
    if (messages_[at(id)].sender == rank) satisfy(id, when.value());
  if (r.open == 0) finished_.push_back({job, rank, when});
}

void FabricEngine::satisfy(int id, std::int64_t when) {
  Message& m = messages_[at(id)];
  m.ready = std::max(m.ready, when);
  if (--m.missing == 0) put(m.ready + to_time(Seconds(transfer(m).delay)).value(), id, 0, 0);
}

void FabricEngine::run_until(Time when) {
  while (!agenda_.empty() && agenda_.top().when <= when.value()) {
    const Event e = agenda_.top();
    agenda_.pop();
    ++events_;
    handle(e);
  }
}

void FabricEngine::handle(const Event& e) {
  Message& m = messages_[at(e.message)];
  if (e.hop == static_cast<int>(m.route->size())) {
    if (++m.arrived == pieces_) complete(e.message, e.when);
    return;
  }
  const int link = (*m.route)[at(e.hop)];
  if (e.hop == 0 && e.piece == 0 && !enter_queue(e.message, m, link)) return;
  const FabricLink& l = graph_.links()[at(link)];
  const double bytes = transfer(m).bytes / pieces_;
  const std::int64_t service = to_time(Seconds(bytes / l.rate)).value();
  const std::int64_t start = std::max(e.when, free_[at(link)]);
  free_[at(link)] = start + service;
  carried_[at(link)] += bytes;
  busy_[at(link)] += Time(service);
  put(start + service + to_time(Seconds(l.latency)).value(), e.message, e.hop + 1, e.piece);
  // The next piece queues when this one has left: jobs that share a first link take turns there.
  if (e.hop != 0) return;
  if (e.piece + 1 < pieces_) {
    put(start + service, e.message, 0, e.piece + 1);
  } else {
    leave_queue(m, link, start + service);
  }
}

/// Messages of one job leave over a first link in the order in which they became ready: a rank has
/// one queue per link. False: others are ahead, the message will be called again.
bool FabricEngine::enter_queue(int id, const Message& m, int link) {
  auto& queue = queues_[{m.job, link}];
  if (!queue.empty() && queue.front() == id) return true;
  queue.push_back(id);
  return queue.size() == 1;
}

void FabricEngine::leave_queue(const Message& m, int link, std::int64_t when) {
  const auto place = queues_.find({m.job, link});
  place->second.pop_front();
  if (place->second.empty()) {
    queues_.erase(place);
  } else {
    put(when, place->second.front(), 0, 0);
  }
}

void FabricEngine::complete(int id, std::int64_t when) {
  const Message m = messages_[at(id)];
  messages_[at(id)].done = true;
  --open_[at(m.job)];
  for (const int next : transfer(m).unlocks) satisfy(first_[at(m.job)] + next, when);
  close(m, m.sender, when);
  close(m, m.receiver, when);
}

void FabricEngine::close(const Message& m, int rank, std::int64_t when) {
  Rank& r = ranks_[at(m.job)][at(rank)];
  r.last = std::max(r.last, when);
  if (--r.open > 0) return;
  const Time delay = to_time(Seconds(schedules_[at(m.job)].finish_delay));
  finished_.push_back({m.job, rank, Time(r.last) + delay});
}

std::vector<RankFinish> FabricEngine::take_finished() {
  return std::exchange(finished_, {});
}

std::vector<Bytes> FabricEngine::carried() const {
  std::vector<Bytes> bytes;
  for (const double c : carried_) bytes.emplace_back(std::llround(c));
  return bytes;
}

std::vector<std::string> FabricEngine::waiting(std::size_t limit) const {
  std::vector<std::string> lines;
  for (std::size_t j = 0; j < schedules_.size(); ++j)
    for (std::size_t r = 0; r < ranks_[j].size() && lines.size() < limit; ++r)
      if (open_[j] > 0 && !ranks_[j][r].joined)
        lines.push_back(fmt::format("'{}' waits for chip {}, which never entered it",
                                    schedules_[j].title, schedules_[j].ranks[r]));
  for (const Message& m : messages_) {
    if (m.done || lines.size() >= limit || !ranks_[at(m.job)][at(m.sender)].joined) continue;
    const Transfer& t = transfer(m);
    lines.push_back(fmt::format("chip {} of '{}' waits for {} arrivals before it sends to chip {}",
                                t.source, schedules_[at(m.job)].title, m.missing, t.destination));
  }
  return lines;
}

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

bool FabricGraph::joined(int from, int to) {
  if (from == to) return true;
  if (routes_.empty()) routes_.resize(at(chips_));
  if (routes_[at(from)].empty()) {
    routes_[at(from)].resize(at(chips_));
    find_routes(from);
  }
  return !routes_[at(from)][at(to)].empty();
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
  FabricEngine engine(graph, forwarding);
  for (const FabricJob& job : jobs) {
    const int id = engine.add(job.schedule);
    for (std::size_t r = 0; r < job.schedule.ranks.size(); ++r)
      engine.join(id, static_cast<int>(r), job.start + (job.skew.empty() ? Time(0) : job.skew[r]));
  }
  while (!engine.idle()) engine.run_until(engine.next());
  const auto stuck = engine.waiting(8);
  if (!stuck.empty()) throw Contradiction("collectives that never end: " + join(stuck, "; "));
  FabricRun run;
  run.finish.resize(jobs.size());
  for (const RankFinish& f : engine.take_finished())
    run.finish[at(f.job)] = std::max(run.finish[at(f.job)], f.when);
  run.carried = engine.carried();
  run.busy = engine.busy();
  run.events = engine.events();
  return run;
}

}  // namespace athena::timing
