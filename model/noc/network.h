#pragma once
/// The on-chip network as a module: who sends what to whom, and a call when it has arrived. Two
/// modules stand behind this port, one per tier; a chip takes either.
#include <cstdint>
#include <memory>
#include <span>

#include "base/units.h"
#include "sim/dispatcher.h"
#include "timing/noc_transaction.h"

namespace athena::noc {

/// Told when the last byte of a message has reached a terminal (at the dispatcher's present time).
class Receiver {
 public:
  Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  virtual void arrived(void* item, int terminal) = 0;

 protected:
  ~Receiver() = default;
};

class Network {
 public:
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  virtual ~Network() = default;

  /// Sends `bytes` from one terminal to one or several others, now; `receiver` is called once per
  /// destination with `item`. A destination that is the source itself is reached at once on a
  /// multicast, through its router otherwise.
  virtual void send(int source, std::span<const int> destinations, Bytes bytes, int message_class,
                    Receiver& receiver, void* item) = 0;
  /// Idle network, zero counters.
  virtual void reset() = 0;
  /// Throws Contradiction, naming the waiting packets, when messages are under way and nothing
  /// moves.
  virtual void check_progress() const = 0;
  /// Messages (per destination) under way.
  [[nodiscard]] virtual std::int64_t open() const = 0;
  [[nodiscard]] virtual timing::NocLinkUse use(timing::LinkId link) const = 0;
  [[nodiscard]] virtual const timing::Topology& topology() const = 0;
};

/// Which tier a network is built in.
enum class Tier { kTransaction, kDetailed };

/// Proves the topology free of deadlock (InputError otherwise) and builds its module. `name` is the
/// SystemC module's.
[[nodiscard]] std::unique_ptr<Network> make_network(const char* name, const timing::NocSpec& spec,
                                                    Tier tier, sim::Dispatcher& dispatcher);

}  // namespace athena::noc
