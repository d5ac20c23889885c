#include "noc/detailed_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace athena::noc {
namespace {

/// Clocks without any movement, while packets are in flight, after which the network is dead.
constexpr std::int64_t kWatchdogCycles = 20000;

}  // namespace

DetailedNetwork::DetailedNetwork(const sc_core::sc_module_name& name, const timing::NocSpec& spec,
                                 sim::Dispatcher& dispatcher, int packet_flits)
    : sc_core::sc_module(name),
      topology_(spec),
      state_(topology_),
      dispatcher_(dispatcher),
      packet_flits_(packet_flits),
      period_(periods(1.0, spec.clock)),
      use_(static_cast<std::size_t>(topology_.link_count())) {}

void DetailedNetwork::send(int source, std::span<const int> destinations, Bytes bytes,
                           int message_class, Receiver& receiver, void* item) {
  // The first clock edge from now on; an idle network's clock catches up.
  const std::int64_t cycle = ceil_div(dispatcher_.now().value(), period_.value());
  if (state_.idle() && state_.cycle() < cycle) state_.skip_to(cycle);
  const double width = topology_.spec().flit_bytes;
  for (const int destination : destinations) {
    if (destination == source && destinations.size() > 1) {
      receiver.arrived(item, destination);
      continue;
    }
    std::uint32_t id;
    if (free_.empty()) {
      id = static_cast<std::uint32_t>(messages_.size());
      messages_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    auto flits = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(std::ceil(static_cast<double>(bytes.value()) / width)));
    messages_[id] = {&receiver, item, 0};
    for (; flits > 0; flits -= packet_flits_) {
      const auto size = static_cast<int>(std::min<std::int64_t>(flits, packet_flits_));
      state_.offer(source, destination, size, id, state_.cycle(), -1, message_class);
      ++messages_[id].packets;
      for (const timing::LinkId link : topology_.path(source, destination)) {
        timing::NocLinkUse& u = use_[static_cast<std::size_t>(link)];
        u.bytes += Bytes(std::llround(size * width));
        u.busy += period_ * size;
        ++u.packets;
      }
    }
    ++open_;
  }
  arm();
}

void DetailedNetwork::arm() {
  if (armed_ || state_.idle()) return;
  armed_ = true;
  dispatcher_.post(std::max(dispatcher_.now(), period_ * state_.cycle()), *this, 0);
}

void DetailedNetwork::wake(std::uint32_t, void*) {
  armed_ = false;
  state_.step();
  // Deliveries of this clock; receivers may send at once.
  const auto delivered = std::exchange(state_.deliveries(), {});
  for (const timing::NocDelivery& d : delivered) {
    const auto id = static_cast<std::uint32_t>(d.tag);
    if (--messages_[id].packets > 0) continue;
    const Message done = messages_[id];
    free_.push_back(id);
    --open_;
    done.receiver->arrived(done.item, d.destination);
  }
  if (state_.packets_in_network() > 0 && state_.cycle() - state_.last_movement() > kWatchdogCycles)
    check_progress();
  arm();
}

void DetailedNetwork::reset() {
  state_.reset();
  armed_ = false;
  open_ = 0;
  messages_.clear();
  free_.clear();
  std::fill(use_.begin(), use_.end(), timing::NocLinkUse{});
}

void DetailedNetwork::check_progress() const {
  if (open_ > 0)
    throw Contradiction(fmt::format("network '{}': no flit moved since {}; {}", name(),
                                    show(to_seconds(period_ * state_.last_movement())),
                                    join(state_.blocked(8), "; ")));
}

}  // namespace athena::noc
