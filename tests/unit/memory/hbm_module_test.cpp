#include "memory/hbm_module.h"

#include <tlm_utils/simple_initiator_socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "base/rng.h"
#include "timing/hbm_load.h"

using namespace athena;
using namespace athena::memory;

namespace {

/// Keeps a window of requests in flight and remembers when each came back.
struct Initiator : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Initiator> socket;
  PayloadPool pool;
  std::vector<Time> finish;
  std::vector<std::uint32_t> flows;
  std::uint64_t sent = 0, count, window, outstanding = 0, limit;
  unsigned largest;
  bool end_later;
  Rng rng{11};
  sc_core::sc_event go;

  Initiator(sc_core::sc_module_name name, std::uint64_t n, std::uint64_t w, unsigned bytes,
            std::uint64_t capacity, bool explicit_end)
      : sc_module(name),
        socket("socket"),
        finish(n),
        flows(n),
        count(n),
        window(w),
        limit(capacity),
        largest(bytes),
        end_later(explicit_end) {
    socket.register_nb_transport_bw(this, &Initiator::nb_transport_bw);
    sc_core::sc_spawn_options options;
    options.spawn_method();
    options.set_sensitivity(&go);
    sc_core::sc_spawn([this] { issue(); }, "issue", &options);
  }
  void issue() {
    while (sent < count && outstanding < window) {
      const auto bytes = static_cast<unsigned>(1 + rng.below(largest));
      const std::uint64_t address = rng.below(limit - bytes);
      const bool write = rng.chance(0.2);
      auto* payload = pool.take(address, bytes, write);
      auto* extension = payload->get_extension<MemoryExtension>();
      extension->tag = sent;
      extension->flow = static_cast<std::uint32_t>(sent % 7);
      ++sent;
      ++outstanding;
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      socket->nb_transport_fw(*payload, phase, delay);
    }
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time&) {
    if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
    const auto* extension = payload.get_extension<MemoryExtension>();
    finish[extension->tag] = to_time(Seconds(sc_core::sc_time_stamp().to_seconds()));
    flows[extension->tag] = extension->flow;
    --outstanding;
    go.notify(sc_core::SC_ZERO_TIME);
    if (end_later) {
      phase = tlm::END_RESP;
      payload.release();
      return tlm::TLM_UPDATED;
    }
    payload.release();
    return tlm::TLM_COMPLETED;
  }
};

}  // namespace

TEST_CASE("every payload comes back, at the time the model says, with its extension", "[hbm]") {
  sc_core::sc_set_time_resolution(1.0, sc_core::SC_FS);
  const timing::HbmSpec spec = timing::spec_from_name("HBM2E-3.2Gbps-derived", 4, "hash");
  HbmModule memory("memory", spec);
  const std::uint64_t n = 3000;
  const auto capacity = static_cast<std::uint64_t>(spec.capacity().value());
  Initiator initiator("initiator", n, n, 5000, capacity, true);
  initiator.socket.bind(memory.socket);
  sc_core::sc_start();

  // The same requests straight into the pure model.
  timing::HbmQueued model(spec);
  Rng rng(11);
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto bytes = static_cast<std::int64_t>(1 + rng.below(5000));
    const std::uint64_t address = rng.below(capacity - static_cast<std::uint64_t>(bytes));
    const bool write = rng.chance(0.2);
    model.submit({address, Bytes(bytes), write, Time(0), i});
  }
  std::vector<Time> expected(n);
  for (Time now(0); model.outstanding() > 0;) {
    now += model.lookahead();
    model.advance(now);
    for (const auto& done : model.completions()) expected[done.tag] = done.finish;
    model.completions().clear();
  }
  std::uint64_t different = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    if (initiator.finish[i] != expected[i]) ++different;
    if (initiator.flows[i] != i % 7) ++different;
  }
  CHECK(different == 0);
  CHECK(initiator.outstanding == 0);
}

TEST_CASE("a window of requests needs no more payloads than the window", "[hbm]") {
  sc_core::sc_set_time_resolution(1.0, sc_core::SC_FS);
  const timing::HbmSpec spec = timing::spec_from_name("HBM3-6.4Gbps-16Gb8hi", 2, "hash");
  HbmModule memory("memory", spec);
  Initiator initiator("initiator", 5000, 64, 256,
                      static_cast<std::uint64_t>(spec.capacity().value()), false);
  initiator.socket.bind(memory.socket);
  sc_core::sc_start();
  CHECK(initiator.outstanding == 0);
  CHECK(initiator.pool.allocated() <= 64 + 1);
  CHECK(memory.counters().requests == 5000);
}

TEST_CASE("an address beyond the capacity is an address error", "[hbm]") {
  const timing::HbmSpec spec = timing::spec_from_name("HBM2-2.0Gbps-8Gb", 1, "plain");
  HbmModule memory("memory", spec);
  Initiator initiator("initiator", 0, 1, 64, 1 << 20, false);
  initiator.socket.bind(memory.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  auto* payload =
      initiator.pool.take(static_cast<std::uint64_t>(spec.capacity().value()), 64, false);
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  CHECK(initiator.socket->nb_transport_fw(*payload, phase, delay) == tlm::TLM_COMPLETED);
  CHECK(payload->get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  payload->release();
}
