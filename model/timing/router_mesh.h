#pragma once
/// A mesh of clocked routers (rtl/noc_router or its stepped model), wired as a chip's network: who
/// sends, who receives, and the credits between them.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "timing/router_step.h"

namespace athena::timing {

/// Direction of a port, in the order of rtl/noc_router/noc_router_pkg.sv.
enum class MeshSide { kLocal, kNorth, kEast, kSouth, kWest };

/// Where flits enter and leave: the local port of a router, or the port of an edge router that
/// looks out of the mesh. XY order reaches what lies north of the top row and south of the bottom
/// row.
struct MeshTerminal {
  int router = 0;  ///< row-major from the southernmost row
  MeshSide side = MeshSide::kLocal;
};

/// A packet that came out, flit by flit.
struct MeshEjection {
  MeshTerminal at;
  Flit flit;
};

/// Every wire has a register: a hop takes five cycles, four of them in the router.
class RouterMesh {
 public:
  using MakeRouter = std::function<std::unique_ptr<Block>(int router)>;
  /// The southernmost row has y = `first_y`: 1 leaves a row of coordinates for terminals south of
  /// it.
  RouterMesh(int width, int height, int vc_depth, int first_y, const MakeRouter& make);

  /// Queues a packet at its source; it takes the virtual channel after that of the packet before.
  void offer(MeshTerminal from, MeshTerminal to, int flits, std::uint32_t payload);
  /// One clock. What leaves the mesh in it is in ejections() until the next.
  void step();
  [[nodiscard]] const std::vector<MeshEjection>& ejections() const { return ejections_; }
  /// No flit is queued or under way.
  [[nodiscard]] bool idle() const { return inside_ == 0; }
  /// Whether some flit moved over a wire in the last step.
  [[nodiscard]] bool moved() const { return moved_; }
  [[nodiscard]] int nodes() const { return width_ * height_; }

 private:
  struct Source {  ///< what enters at one port of one router
    std::deque<Flit> queue;
    std::vector<int> credits;
    int vc = 0;
    bool used = false;
  };
  struct Node {
    std::unique_ptr<Block> router;
    std::vector<std::uint32_t> in, out, before;
    std::vector<Source> sources;  ///< by port
  };
  [[nodiscard]] int neighbour(int node, int side) const;  ///< -1: out of the mesh
  void enter(Node& node, int port);
  void leave(Node& node, int index, int port);
  void link(Node& node, int from, int port);

  int width_, height_, first_y_;
  Ports ports_;
  std::size_t x_, y_, in_valid_, in_flit_, credit_, out_valid_, out_flit_, credit_back_;  ///< words
  std::vector<Node> nodes_;
  std::vector<MeshEjection> ejections_;
  std::int64_t inside_ = 0;
  bool moved_ = false;
};

}  // namespace athena::timing
