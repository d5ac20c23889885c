#include <catch2/catch.hpp>

#include "base/error.h"
#include "sim/dispatcher.h"

namespace {
using namespace athena;

/// Counts its calls; the second one fails.
class Failing final : public sim::Client {
 public:
  explicit Failing(sim::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  void wake(std::uint32_t tag, void*) override {
    ++calls;
    if (tag == 1) throw Contradiction("model and RTL differ");
    dispatcher_.post(dispatcher_.now() + Time(5), *this, tag + 1);
  }
  int calls = 0;

 private:
  sim::Dispatcher& dispatcher_;
};
}  // namespace

TEST_CASE("what a callback throws comes out of the run with its type, and the next run is sound") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  Failing client(dispatcher);
  for (int run = 1; run <= 3; ++run) {
    dispatcher.reset();
    dispatcher.post(Time(10), client, 0);
    dispatcher.post(Time(1000), client, 0);  // never reached
    CHECK_THROWS_AS(dispatcher.run_to_idle(), Contradiction);
    CHECK(client.calls == 2 * run);
    CHECK(dispatcher.now() == Time(15));
  }
}
