#include "chip/packet_mesh.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace athena::chip {
namespace {

using timing::MeshSide;
using timing::MeshTerminal;

/// Clocks without any movement after which the network is dead.
constexpr std::int64_t kPatience = 20'000;
/// Coordinates of the southernmost row: one is left for the terminals south of it.
constexpr int kFirstRow = 1;

}  // namespace

PacketMesh::PacketMesh(const timing::Topology& topology, const timing::NocTerminals& terminals,
                       Hertz clock, sim::Dispatcher& dispatcher, timing::ClockedBodies& bodies)
    : topology_(topology),
      terminals_(terminals),
      clock_(clock),
      dispatcher_(dispatcher),
      use_(bodies.router_use),
      mesh_(topology.spec().cols, topology.spec().rows, bodies.router_params.depth, kFirstRow,
            [&](int router) {
              return bodies.router(fmt::format("router ({}, {})", router % topology.spec().cols,
                                               router / topology.spec().cols));
            }) {}

Time PacketMesh::time_of(std::int64_t cycle) const {
  return periods(static_cast<double>(cycle), clock_);
}

MeshTerminal PacketMesh::place(int terminal) const {
  const int router = topology_.router_of(terminal);
  if (terminal < terminals_.first_memory) return {router, MeshSide::kLocal};
  const bool last = router / topology_.spec().cols == topology_.spec().rows - 1;
  return {router, last ? MeshSide::kNorth : MeshSide::kSouth};
}

void PacketMesh::send(int from, int to, std::int64_t bytes, MeshClient& client, void* item) {
  if (!armed_) {  // the first edge from now on; an idle network's clock catches up
    const double now = to_seconds(dispatcher_.now()).value() * clock_.value();
    cycle_ = std::max(cycle_, static_cast<std::int64_t>(std::ceil(now - 1e-6)));
    while (time_of(cycle_) < dispatcher_.now()) ++cycle_;  // rounding of the clock
    armed_ = true;
    dispatcher_.post(time_of(cycle_), *this, 0);
  }
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(messages_.size()));
    messages_.emplace_back();
  }
  const std::uint32_t id = free_.back();
  free_.pop_back();
  const MeshTerminal target = place(to);
  Message& message = messages_[id];
  message = {&client, item, target, 0, cycle_};
  const double width = topology_.spec().flit_bytes;
  auto flits = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil(static_cast<double>(bytes) / width)));
  for (; flits > 0; flits -= kPacketFlits) {
    mesh_.offer(place(from), target, static_cast<int>(std::min<std::int64_t>(flits, kPacketFlits)),
                id);
    ++message.packets;
  }
}

void PacketMesh::wake(std::uint32_t, void*) {
  mesh_.step();
  use_.cycles += mesh_.nodes();
  done_.clear();
  for (const timing::MeshEjection& out : mesh_.ejections()) {
    const bool known = out.flit.payload < messages_.size();
    const MeshTerminal to = known ? messages_[out.flit.payload].to : MeshTerminal{-1, {}};
    if (to.router != out.at.router || to.side != out.at.side) {
      throw Contradiction(fmt::format("noc_router: a flit of message {} came out at router {}",
                                      out.flit.payload, out.at.router));
    }
    ++use_.pieces;
    if (!out.flit.tail) continue;
    ++use_.transactions;
    use_.latency += cycle_ - messages_[out.flit.payload].entered;
    if (--messages_[out.flit.payload].packets == 0) done_.push_back(out.flit.payload);
  }
  quiet_ = mesh_.moved() ? 0 : quiet_ + 1;
  if (quiet_ > kPatience)
    throw Contradiction("noc_router: packets wait in the mesh and no flit moves (deadlock)");
  ++cycle_;
  armed_ = !mesh_.idle();
  if (armed_) dispatcher_.post(time_of(cycle_), *this, 0);
  // Receivers may send at once.
  for (const std::uint32_t id : std::vector<std::uint32_t>(done_)) {
    const Message message = messages_[id];
    free_.push_back(id);
    message.client->mesh_done(message.item);
  }
}

}  // namespace athena::chip
