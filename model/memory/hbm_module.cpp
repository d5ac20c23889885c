#include "memory/hbm_module.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace athena::memory {
namespace {

sc_core::sc_time to_sc(Time t) {
  return sc_core::sc_time::from_value(static_cast<sc_dt::uint64>(
      std::llround(to_seconds(t).value() / sc_core::sc_get_time_resolution().to_seconds())));
}

}  // namespace

// NOLINTNEXTLINE(performance-unnecessary-value-param): by value, as SystemC keeps its name stack
HbmModule::HbmModule(sc_core::sc_module_name name, const timing::HbmSpec& spec)
    : sc_module(name), socket("socket"), model_(spec) {
  socket.register_nb_transport_fw(this, &HbmModule::nb_transport_fw);
  socket.register_b_transport(this, &HbmModule::b_transport);
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.set_sensitivity(&wake_);
  options.dont_initialize();
  sc_core::sc_spawn([this] { wake(); }, "wake", &options);
}

Time HbmModule::now() {
  return to_time(Seconds(sc_core::sc_time_stamp().to_seconds()));
}

timing::HbmCounters HbmModule::counters() const {
  return model_.counters(std::max(now(), advanced_));
}

timing::HbmEnergy HbmModule::energy() const {
  return model_.energy(std::max(now(), advanced_));
}

void HbmModule::reset() {
  model_.reset();
  responses_ = {};
  in_flight_.clear();
  free_tags_.clear();
  wake_.cancel();
  armed_ = timing::HbmQueued::kNever;
  advanced_ = Time(0);
}

tlm::tlm_sync_enum HbmModule::nb_transport_fw(tlm::tlm_generic_payload& payload,
                                              tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  if (phase == tlm::END_RESP) {
    payload.release();
    return tlm::TLM_COMPLETED;
  }
  const Time arrival = now() + to_time(Seconds(delay.to_seconds()));
  std::uint32_t tag = 0;
  if (free_tags_.empty()) {
    tag = static_cast<std::uint32_t>(in_flight_.size());
    in_flight_.push_back(nullptr);
  } else {
    tag = free_tags_.back();
    free_tags_.pop_back();
  }
  try {
    model_.submit({payload.get_address(),
                   Bytes(static_cast<std::int64_t>(payload.get_data_length())), payload.is_write(),
                   arrival, tag});
  } catch (const InputError&) {
    free_tags_.push_back(tag);
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return tlm::TLM_COMPLETED;
  }
  payload.acquire();
  in_flight_[tag] = &payload;
  arm(arrival);
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

/// Loosely timed access for functional use: an unloaded access, without queueing.
void HbmModule::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const timing::HbmTicks& k = model_.ticks();
  const Bytes bytes(static_cast<std::int64_t>(payload.get_data_length()));
  delay += to_sc(k.time(k.act_rd + k.read_latency) + transfer_time(bytes, model_.spec().peak()));
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

void HbmModule::arm(Time at) {
  if (at >= armed_) return;
  armed_ = at;
  const Time present = now();
  wake_.cancel();
  wake_.notify(to_sc(at > present ? at - present : Time(0)));
}

void HbmModule::collect() {
  for (const timing::HbmCompletion& done : model_.completions()) {
    const auto tag = static_cast<std::uint32_t>(done.tag);
    responses_.push({done.finish, order_++, in_flight_[tag]});
    in_flight_[tag] = nullptr;
    free_tags_.push_back(tag);
  }
  model_.completions().clear();
}

void HbmModule::respond(Time present) {
  while (!responses_.empty() && responses_.top().at <= present) {
    tlm::tlm_generic_payload* payload = responses_.top().payload;
    responses_.pop();
    payload->set_response_status(tlm::TLM_OK_RESPONSE);
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    const tlm::tlm_sync_enum answer = socket->nb_transport_bw(*payload, phase, delay);
    // TLM_ACCEPTED: the initiator sends END_RESP later, and the reference is dropped there.
    if (answer == tlm::TLM_COMPLETED || (answer == tlm::TLM_UPDATED && phase == tlm::END_RESP)) {
      payload->release();
    }
  }
}

void HbmModule::wake() {
  armed_ = timing::HbmQueued::kNever;
  // Events are kept to the kernel's resolution; what is due within half of it is due.
  const Time present = now();
  model_.advance(present);
  advanced_ = present;
  collect();
  respond(present);
  if (model_.outstanding() > 0) arm(std::max(present + model_.lookahead(), model_.next_event()));
  if (!responses_.empty()) arm(std::max(responses_.top().at, present + Time(1000)));
}

}  // namespace athena::memory
