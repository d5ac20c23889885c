#include "memory/socket_speed.h"

#include <tlm_utils/simple_initiator_socket.h>

#include <ctime>

#include "base/rng.h"
#include "memory/hbm_module.h"

namespace athena::memory {
namespace {

constexpr unsigned kBytes = 64;

/// Keeps a window of reads in flight until all have been sent.
class Load : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Load> socket;

  Load(const sc_core::sc_module_name& name, const timing::HbmSpec& spec)
      : sc_module(name),
        socket("socket"),
        lines_(static_cast<std::uint64_t>(spec.capacity().value()) / kBytes),
        window_(256 * static_cast<std::uint64_t>(spec.channels())) {
    socket.register_nb_transport_bw(this, &Load::nb_transport_bw);
    sc_core::sc_spawn_options options;
    options.spawn_method();
    options.set_sensitivity(&go_);
    options.dont_initialize();
    sc_core::sc_spawn([this] { issue(); }, "issue", &options);
  }
  void start(std::uint64_t requests, bool random) {
    left_ = requests;
    next_ = 0;
    random_ = random;
    go_.notify(sc_core::SC_ZERO_TIME);
  }

 private:
  void issue() {
    while (left_ > 0 && outstanding_ < window_) {
      const std::uint64_t line = random_ ? rng_.below(lines_) : next_++ % lines_;
      auto* payload = pool_.take(line * kBytes, kBytes, false);
      --left_;
      ++outstanding_;
      tlm::tlm_phase phase = tlm::BEGIN_REQ;
      sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
      socket->nb_transport_fw(*payload, phase, delay);
    }
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                                     sc_core::sc_time&) {
    if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
    --outstanding_;
    payload.release();
    if (left_ > 0) go_.notify(sc_core::SC_ZERO_TIME);
    return tlm::TLM_COMPLETED;
  }

  PayloadPool pool_;
  Rng rng_{7};
  std::uint64_t lines_ = 1, window_ = 1, left_ = 0, next_ = 0, outstanding_ = 0;
  bool random_ = false;
  sc_core::sc_event go_;
};

}  // namespace

SocketSpeed measure_socket(const timing::HbmSpec& spec, std::uint64_t requests) {
  HbmModule memory("memory", spec);
  Load load("load", spec);
  load.socket.bind(memory.socket);
  const auto rate = [&](bool random) {
    const std::clock_t begin = std::clock();
    load.start(requests, random);
    sc_core::sc_start();
    return static_cast<double>(requests) * CLOCKS_PER_SEC /
           static_cast<double>(std::clock() - begin);
  };
  SocketSpeed speed;
  speed.sequential = rate(false);
  speed.random = rate(true);
  return speed;
}

}  // namespace athena::memory
