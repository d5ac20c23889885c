#pragma once
/// HBM behind a TLM-2.0 socket. Another SystemC memory can be bound in its place: the initiator
/// sees nothing but the base protocol.
///
/// Base protocol, as far as timing is concerned: BEGIN_REQ is answered with END_REQ at once (queues
/// in front of the controllers are unbounded; the initiator's window bounds them), BEGIN_RESP comes
/// when the last byte has passed the bus, and TLM_COMPLETED or END_RESP ends the transaction.
/// Payloads may have any length and alignment. One process: woken every lookahead() of the model
/// while requests are outstanding, and at the completion times.
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <queue>
#include <systemc>
#include <tlm>
#include <vector>

#include "memory/payload.h"
#include "timing/hbm_queued.h"

namespace athena::memory {

class HbmModule : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<HbmModule> socket;

  /// Throws InputError when the spec contradicts itself.
  HbmModule(sc_core::sc_module_name name, const timing::HbmSpec& spec);

  [[nodiscard]] const timing::HbmQueued& model() const { return model_; }
  [[nodiscard]] timing::HbmCounters counters() const;
  [[nodiscard]] timing::HbmEnergy energy() const;
  void reset();

 private:
  struct Response {
    Time at{0};
    std::uint64_t order = 0;
    tlm::tlm_generic_payload* payload = nullptr;
    bool operator>(const Response& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void wake();
  void respond(Time now);
  void collect();
  void arm(Time now);
  [[nodiscard]] static Time now();

  timing::HbmQueued model_;
  std::priority_queue<Response, std::vector<Response>, std::greater<>> responses_;
  std::vector<tlm::tlm_generic_payload*> in_flight_;  // by tag
  std::vector<std::uint32_t> free_tags_;
  std::uint64_t order_ = 0;
  sc_core::sc_event wake_;
  Time armed_ = timing::HbmQueued::kNever;
  Time advanced_{0};
};

}  // namespace athena::memory
