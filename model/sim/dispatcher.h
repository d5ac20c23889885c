#pragma once
/// The chip's clockwork: one SystemC process that runs small callbacks in global time order.
///
/// The engines of a chip are state machines; what they do next is a callback at a time. They share
/// this one module, its heap and a single armed sc_event, because an sc_event per engine costs four
/// times as much. Callbacks of equal time run in the order in which they were posted, so a run is
/// repeatable to the bit.
#include <cstdint>
#include <exception>
#include <systemc>
#include <vector>

#include "base/units.h"
#include "sim/kernel.h"

namespace athena::sim {

/// Something that is called back. `tag` and `item` come back as they were posted.
class Client {
 public:
  Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  virtual void wake(std::uint32_t tag, void* item) = 0;

 protected:
  ~Client() = default;
};

class Dispatcher : public sc_core::sc_module {
 public:
  explicit Dispatcher(const sc_core::sc_module_name& name);

  /// Calls client.wake(tag, item) at `at`, which must not lie before now().
  void post(Time at, Client& client, std::uint32_t tag, void* item = nullptr);
  /// Time of the callback that runs (between runs: of the last one).
  [[nodiscard]] Time now() const { return now_; }
  /// Callbacks made since construction.
  [[nodiscard]] std::uint64_t events() const { return events_; }

  /// Runs until no callback is left; what a callback throws comes out here. Only the façade calls
  /// it, from outside the SystemC kernel.
  void run_to_idle();
  /// Forgets pending callbacks and starts the next run at time zero. SystemC's own clock goes on.
  void reset();

 private:
  struct Entry {
    std::int64_t at;
    std::uint64_t sequence;
    Client* client;
    void* item;
    std::uint32_t tag;
    [[nodiscard]] bool before(const Entry& other) const {
      return at != other.at ? at < other.at : sequence < other.sequence;
    }
  };
  void push(const Entry& entry);
  Entry pop();
  void dispatch();
  void run_callbacks();
  void arm();

  std::vector<Entry> heap_;  ///< four children a node: half the levels of a binary heap
  Time now_{0};
  Time origin_{0};  ///< SystemC time at which this run's time zero lies
  std::uint64_t sequence_ = 0;
  std::uint64_t events_ = 0;
  std::exception_ptr failure_;
  sc_core::sc_event wake_event_;
};

}  // namespace athena::sim
