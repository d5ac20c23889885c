#pragma once
/// Chips, switches and links as a graph, and an event-driven run of collectives on it: whoever uses
/// a link at the same time shares it. For several collectives at once, stragglers and rank skew;
/// one collective on an idle fabric agrees with the closed form (a test).
#include <cstdint>
#include <deque>
#include <map>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "config/system.h"
#include "timing/collective_schedule.h"

namespace athena::timing {

/// One direction of one (bonded) link.
struct FabricLink {
  int from = 0;
  int to = 0;
  double rate = 0;     ///< payload bytes per second
  double latency = 0;  ///< seconds, from the last bit sent to the last bit received
};

/// How a message moves along several links.
enum class Forwarding {
  kPackets,          ///< pieces follow each other: links of a route work at the same time
  kStoreAndForward,  ///< a link passes on a message when all of it has arrived
};

/// Nodes 0 .. chips-1 are chips, then switches. Routes are shortest paths, ties to the first link.
class FabricGraph {
 public:
  explicit FabricGraph(int chips) : chips_(chips), nodes_(chips) {}
  /// Both directions.
  void connect(int a, int b, double rate, double latency);
  int add_switch() { return nodes_++; }
  [[nodiscard]] int chips() const { return chips_; }
  [[nodiscard]] int nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<FabricLink>& links() const { return links_; }
  /// Link indices from chip to chip. Throws InputError when no route exists (a missing link).
  [[nodiscard]] const std::vector<int>& route(int from, int to);
  /// Whether any route leads from chip to chip.
  [[nodiscard]] bool joined(int from, int to);
  /// Takes the link between two nodes out, both directions; routes are found anew.
  void remove_link(int a, int b);

 private:
  void find_routes(int from);
  int chips_;
  int nodes_;
  std::vector<FabricLink> links_;
  std::vector<std::vector<std::vector<int>>> routes_;  ///< [from][to], from filled on demand
};

/// Sentences' material: pairs of chips that no route joins, at most `limit` of them.
[[nodiscard]] std::vector<std::pair<int, int>> unreachable_pairs(FabricGraph& graph,
                                                                 std::size_t limit);

/// The system's chips, switches, NICs and network, without its dead links. Throws InputError for a
/// dead link that does not exist, and when chips are cut off, naming pairs.
[[nodiscard]] FabricGraph fabric_graph(const config::SystemConfig& system);

/// One collective to run: its messages, when its ranks begin.
struct FabricJob {
  CollectiveSchedule schedule;
  Time start{0};
  /// Extra delay per rank, in the order of schedule.ranks; empty = none.
  std::vector<Time> skew{};
};

/// A rank that has sent and received all its messages of a job.
struct RankFinish {
  int job = 0;
  int rank = 0;  ///< index into the job's schedule.ranks
  Time when{0};
};

/// The links as servers, fed with jobs while time goes on. Events are handled in time order; the
/// owner decides how far (a SystemC module up to the present, run_on_fabric to the end).
class FabricEngine {
 public:
  /// `graph` must outlive this object.
  explicit FabricEngine(FabricGraph& graph, Forwarding forwarding = Forwarding::kPackets);

  /// Adds a collective whose ranks have not arrived yet; returns its number.
  int add(CollectiveSchedule schedule);
  /// Rank `rank` (index) of the job begins at `when`, not before the latest event handled. Throws
  /// InternalError when it has joined already.
  void join(int job, int rank, Time when);

  /// Time of the next event, or nothing.
  [[nodiscard]] bool idle() const { return agenda_.empty(); }
  [[nodiscard]] Time next() const { return Time(agenda_.top().when); }
  /// Handles all events up to and including `when`.
  void run_until(Time when);
  /// Ranks that finished since the last call, in order of time.
  [[nodiscard]] std::vector<RankFinish> take_finished();

  [[nodiscard]] bool done(int job) const { return open_[static_cast<std::size_t>(job)] == 0; }
  /// Who waits for whom, one line per unfinished message (at most `limit`) or absent rank; empty
  /// when all is done.
  [[nodiscard]] std::vector<std::string> waiting(std::size_t limit) const;
  [[nodiscard]] std::vector<Bytes> carried() const;
  [[nodiscard]] const std::vector<Time>& busy() const { return busy_; }
  [[nodiscard]] std::int64_t events() const { return events_; }

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
    int job = 0;
    int index = 0;           ///< in its schedule
    int missing = 0;         ///< arrivals, and the sender's joining, that it still waits for
    std::int64_t ready = 0;  ///< latest of those so far
    const std::vector<int>* route = nullptr;
    int sender = 0;    ///< rank index
    int receiver = 0;  ///< rank index
    int arrived = 0;   ///< pieces
    bool done = false;
  };
  struct Rank {
    bool joined = false;
    int open = 0;  ///< messages that it still has to send or receive
    std::int64_t last = 0;
  };
  [[nodiscard]] const Transfer& transfer(const Message& m) const;
  void put(std::int64_t when, int message, int hop, int piece);
  void satisfy(int id, std::int64_t when);
  void handle(const Event& event);
  bool enter_queue(int id, const Message& message, int link);
  void leave_queue(const Message& message, int link, std::int64_t when);
  void complete(int id, std::int64_t when);
  void close(const Message& message, int rank, std::int64_t when);

  FabricGraph& graph_;
  int pieces_;
  std::priority_queue<Event> agenda_;
  std::uint64_t order_ = 0;
  std::int64_t events_ = 0;
  std::vector<std::int64_t> free_;
  std::vector<double> carried_;
  std::vector<Time> busy_;
  std::vector<CollectiveSchedule> schedules_;
  std::vector<int> first_;                ///< per job: its first message
  std::vector<int> open_;                 ///< per job: messages under way or waiting
  std::vector<std::vector<Rank>> ranks_;  ///< per job
  std::vector<Message> messages_;
  std::map<std::pair<int, int>, std::deque<int>> queues_;  ///< per (job, first link)
  std::vector<RankFinish> finished_;
};

struct FabricRun {
  std::vector<Time> finish;    ///< of each job: its last rank is done
  std::vector<Bytes> carried;  ///< by each link
  std::vector<Time> busy;      ///< of each link
  std::int64_t events = 0;
};

/// Runs the jobs together. Throws Contradiction, saying who waits for whom, when messages remain
/// that nothing will unlock (ranks that entered their collectives in different orders).
[[nodiscard]] FabricRun run_on_fabric(FabricGraph& graph, const std::vector<FabricJob>& jobs,
                                      Forwarding forwarding = Forwarding::kPackets);

}  // namespace athena::timing
