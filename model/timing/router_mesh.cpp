#include "timing/router_mesh.h"

#include "base/error.h"

namespace athena::timing {
namespace {

constexpr int kLocal = static_cast<int>(MeshSide::kLocal);
constexpr int kNorth = static_cast<int>(MeshSide::kNorth);
constexpr int kEast = static_cast<int>(MeshSide::kEast);
constexpr int kSouth = static_cast<int>(MeshSide::kSouth);
constexpr int kWest = static_cast<int>(MeshSide::kWest);

constexpr int opposite(int side) {
  switch (side) {
    case kNorth:
      return kSouth;
    case kEast:
      return kWest;
    case kSouth:
      return kNorth;
    default:
      return kEast;
  }
}

std::size_t word_of(const Signal& signal) {
  return static_cast<std::size_t>(signal.word);
}

}  // namespace

RouterMesh::RouterMesh(int width, int height, int vc_depth, int first_y, const MakeRouter& make)
    : width_(width),
      height_(height),
      first_y_(first_y),
      ports_(router_ports()),
      x_(word_of(ports_.input("x"))),
      y_(word_of(ports_.input("y"))),
      in_valid_(word_of(ports_.input("in_valid"))),
      in_flit_(word_of(ports_.input("in_flit"))),
      credit_(word_of(ports_.input("credit"))),
      out_valid_(word_of(ports_.output("out_valid"))),
      out_flit_(word_of(ports_.output("out_flit"))),
      credit_back_(word_of(ports_.output("credit_back"))),
      nodes_(static_cast<std::size_t>(width * height)) {
  for (int n = 0; n < nodes(); ++n) {
    Node& node = nodes_[static_cast<std::size_t>(n)];
    node.router = make(n);
    node.router->reset();
    node.in.resize(static_cast<std::size_t>(ports_.input_words()));
    node.out.resize(static_cast<std::size_t>(ports_.output_words()));
    node.sources.resize(static_cast<std::size_t>(kRouterPorts));
    for (Source& source : node.sources) {
      source.credits.assign(static_cast<std::size_t>(kRouterVcs), vc_depth);
      source.vc = n % kRouterVcs;
    }
  }
}

int RouterMesh::neighbour(int node, int side) const {
  const int x = node % width_ + (side == kEast) - (side == kWest);
  const int y = node / width_ + (side == kNorth) - (side == kSouth);
  return x < 0 || y < 0 || x >= width_ || y >= height_ ? -1 : y * width_ + x;
}

void RouterMesh::offer(MeshTerminal from, MeshTerminal to, int flits, std::uint32_t payload) {
  const auto outside = [&](MeshTerminal t) {
    const int side = static_cast<int>(t.side);
    return side == kLocal || ((side == kNorth || side == kSouth) && neighbour(t.router, side) < 0);
  };
  if (!outside(from) || !outside(to)) throw InternalError("a mesh terminal lies inside the mesh");
  Source& source =
      nodes_[static_cast<std::size_t>(from.router)].sources[static_cast<std::size_t>(from.side)];
  source.used = true;
  source.vc = (source.vc + 1) % kRouterVcs;
  const int beyond = (to.side == MeshSide::kNorth ? 1 : 0) - (to.side == MeshSide::kSouth ? 1 : 0);
  for (int i = 0; i < flits; ++i) {
    Flit f;
    f.payload = payload;
    f.x = static_cast<std::uint8_t>(to.router % width_);
    f.y = static_cast<std::uint8_t>(to.router / width_ + first_y_ + beyond);
    f.vc = static_cast<std::uint8_t>(source.vc);
    f.head = i == 0;
    f.tail = i == flits - 1;
    source.queue.push_back(f);
  }
  inside_ += flits;
}

/// Inputs of this cycle come from the outputs of the last one: links are the output registers.
void RouterMesh::step() {
  ejections_.clear();
  moved_ = false;
  for (Node& node : nodes_) node.before = node.out;
  for (int n = 0; n < nodes(); ++n) {
    Node& node = nodes_[static_cast<std::size_t>(n)];
    std::fill(node.in.begin(), node.in.end(), 0U);
    node.in[x_] = static_cast<std::uint32_t>(n % width_);
    node.in[y_] = static_cast<std::uint32_t>(n / width_ + first_y_);
    for (int port = kLocal; port <= kWest; ++port) {
      const int from = port == kLocal ? -1 : neighbour(n, port);
      if (from >= 0) {
        link(node, from, port);
      } else {
        enter(node, port);
        leave(node, n, port);
      }
    }
  }
  for (Node& node : nodes_) {
    node.router->cycle(node.in.data(), node.out.data());
    const std::uint32_t back = node.out[credit_back_];
    for (int port = 0; back != 0 && port < kRouterPorts; ++port) {
      Source& source = node.sources[static_cast<std::size_t>(port)];
      if (!source.used) continue;
      for (int v = 0; v < kRouterVcs; ++v) {
        if ((back >> (port * kRouterVcs + v) & 1U) != 0)
          ++source.credits[static_cast<std::size_t>(v)];
      }
    }
  }
}

void RouterMesh::enter(Node& node, int port) {
  Source& source = node.sources[static_cast<std::size_t>(port)];
  if (source.queue.empty()) return;
  const Flit& flit = source.queue.front();
  int& credit = source.credits[flit.vc];
  if (credit == 0) return;
  --credit;
  node.in[in_valid_] |= 1U << port;
  put_flit(&node.in[in_flit_], port, flit);
  source.queue.pop_front();
  moved_ = true;
}

/// A terminal takes everything and returns the credit a cycle later.
void RouterMesh::leave(Node& node, int index, int port) {
  if ((node.before[out_valid_] >> port & 1U) == 0) return;
  const Flit flit = get_flit(&node.before[out_flit_], port);
  node.in[credit_] |= 1U << (port * kRouterVcs + flit.vc);
  ejections_.push_back({{index, static_cast<MeshSide>(port)}, flit});
  --inside_;
  moved_ = true;
}

void RouterMesh::link(Node& node, int from, int port) {
  const std::vector<std::uint32_t>& far = nodes_[static_cast<std::size_t>(from)].before;
  const int there = opposite(port);
  if ((far[out_valid_] >> there & 1U) != 0) {
    node.in[in_valid_] |= 1U << port;
    put_flit(&node.in[in_flit_], port, get_flit(&far[out_flit_], there));
    moved_ = true;
  }
  constexpr std::uint32_t kAll = (1U << kRouterVcs) - 1;
  node.in[credit_] |= (far[credit_back_] >> (there * kRouterVcs) & kAll) << (port * kRouterVcs);
}

}  // namespace athena::timing
