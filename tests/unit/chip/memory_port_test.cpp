#include "chip/memory_port.h"

#include <catch2/catch.hpp>
#include <vector>

#include "timing/hbm_load.h"

namespace {
using namespace athena;

/// A DMA engine: keeps some windows under way until told to stop, and counts what came back.
class Engine final : public chip::MemoryClient, private sim::Client {
 public:
  Engine(sim::Dispatcher& dispatcher, chip::MemoryPort& port, std::uint64_t base, Time stop)
      : dispatcher_(dispatcher), port_(port), base_(base), stop_(stop) {}
  void start(int windows) {
    for (int i = 0; i < windows; ++i) dispatcher_.post(Time(0), *this, 0);
  }
  void memory_done(void*, Time done, std::int64_t bytes, bool) override {
    if (done <= stop_) moved += bytes;
    last = done;
    if (done < stop_) dispatcher_.post(done, *this, 0);
  }
  std::int64_t moved = 0;
  Time last{0};

 private:
  void wake(std::uint32_t, void*) override {
    const std::uint64_t address = base_ + 32 * kPitch * next_++;
    port_.access(dispatcher_.now(),
                 {address, Bytes(256), 32, Bytes(static_cast<std::int64_t>(kPitch)), false}, *this,
                 nullptr);
  }
  static constexpr std::uint64_t kPitch = 24576;
  sim::Dispatcher& dispatcher_;
  chip::MemoryPort& port_;
  std::uint64_t base_ = 0, next_ = 0;
  Time stop_{0};
};

timing::HbmSpec five_stacks() {
  timing::HbmSpec spec =
      timing::make_spec({.timing = "HBM2E-3.2Gbps-derived", .stacks = 5, .interleave = Bytes(512)});
  spec.map = timing::read_map(
      {"offset 5", "column 2", "pseudo_channel 1", "bank_group 2", "column 3", "bank 2", "row"});
  spec.read_queue = 128;
  return spec;
}

}  // namespace

TEST_CASE("engines that ask alike get alike, in both tiers") {
  sim::prepare_kernel();
  sim::Dispatcher dispatcher("dispatcher");
  const timing::HbmSpec spec = five_stacks();
  chip::MemoryPort port(spec, dispatcher);
  std::vector<double> rates;
  for (const bool detailed : {false, true}) {
    dispatcher.reset();
    port.reset(detailed);
    const Time stop(to_time(Seconds(20e-6)));
    std::vector<std::unique_ptr<Engine>> engines;
    for (std::uint64_t i = 0; i < 96; ++i) {
      engines.push_back(std::make_unique<Engine>(dispatcher, port, i * 256, stop));
      engines.back()->start(6);
    }
    dispatcher.run_to_idle();
    double all = 0;
    for (const auto& engine : engines) all += static_cast<double>(engine->moved);
    const double mean = all / static_cast<double>(engines.size());
    for (const auto& engine : engines) {
      CHECK(static_cast<double>(engine->moved) == Approx(mean).epsilon(0.15));
    }
    rates.push_back(all / to_seconds(stop).value() / spec.peak().value());
  }
  // Tiles side by side reach what refresh leaves, and the tiers agree about it.
  CHECK(rates[0] > 0.85);
  CHECK(rates[0] < 0.92);
  CHECK(rates[1] == Approx(rates[0]).epsilon(0.03));
}
