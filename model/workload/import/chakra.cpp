#include "workload/import/chakra.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "workload/import/chakra_cost.h"
#include "workload/import/chakra_wire.h"

namespace athena::workload {

namespace {

// NodeType and CollectiveCommType of the schema.
enum NodeType {
  kMemLoad = 2,
  kMemStore = 3,
  kComp = 4,
  kCommSend = 5,
  kCommRecv = 6,
  kCommColl = 7
};

std::optional<CollectiveKind> collective_from(std::int64_t type) {
  switch (type) {
    case 0:
      return CollectiveKind::kAllReduce;
    case 2:
      return CollectiveKind::kAllGather;
    case 5:
      return CollectiveKind::kBroadcast;
    case 6:
      return CollectiveKind::kAllToAll;
    case 7:
    case 8:
      return CollectiveKind::kReduceScatter;
    default:
      return std::nullopt;  // reduce, gather, scatter, barrier
  }
}

class Importer {
 public:
  Importer(std::istream& stream, std::string file) : wire_(stream, file), file_(std::move(file)) {}

  Trace run() {
    trace_.name = std::filesystem::path(file_).stem().string();
    const auto metadata = wire_.metadata();
    if (const auto it = metadata.find("schema"); it != metadata.end()) {
      if (const auto* s = std::get_if<std::string>(&it->second.scalar)) trace_.schema = *s;
    }
    WireNode wire;
    while (wire_.next(wire)) add(wire);
    if (nodes_.empty()) throw InputError(file_ + ": the trace holds no node");
    link();
    return std::move(trace_);
  }

 private:
  void gap(const std::string& what, const std::string& consequence, const std::string& example) {
    for (TraceGap& g : trace_.gaps) {
      if (g.what != what) continue;
      ++g.nodes;
      return;
    }
    constexpr std::size_t kLongestName = 60;  // mangled kernel names run to hundreds of letters
    const bool cut = example.size() > kLongestName;
    trace_.gaps.push_back(
        {what, consequence, 1, example.substr(0, kLongestName) + (cut ? "..." : "")});
  }

  void add(const WireNode& wire) {
    if (wire.type < kMemLoad) return;  // metadata nodes describe, they do not run
    if (wire.type > kCommColl) {
      throw InputError(fmt::format("{}: node {} ('{}') has type {}, which the schema does not know",
                                   file_, wire.id, wire.name, wire.type));
    }
    if (!index_.emplace(wire.id, nodes_.size()).second) {
      throw InputError(fmt::format("{}: node id {} occurs twice", file_, wire.id));
    }
    TraceNode node;
    node.id = wire.id;
    node.name = wire.name;
    node.measured_us = static_cast<double>(wire.duration_us);
    const bool host = number_of(wire, "is_cpu_op").value_or(0) != 0;
    if (host) {
      node.kind = TraceKind::kHost;
    } else if (wire.type >= kCommSend) {
      communication(wire, node);
    } else {
      computation(wire, node);
    }
    nodes_.push_back(std::move(node));
    data_.push_back(wire.data_deps);
    control_.push_back(wire.ctrl_deps);
  }

  void communication(const WireNode& wire, TraceNode& node) {
    node.kind = wire.type == kCommColl   ? TraceKind::kCollective
                : wire.type == kCommSend ? TraceKind::kSend
                                         : TraceKind::kReceive;
    node.group = text_of(wire, "pg_name");
    node.bytes = static_cast<std::int64_t>(number_of(wire, "comm_size").value_or(0));
    const char* peer_key = wire.type == kCommSend ? "comm_dst" : "comm_src";
    node.peer = static_cast<int>(number_of(wire, peer_key).value_or(-1));
    if (node.kind == TraceKind::kCollective) {
      const auto kind =
          collective_from(static_cast<std::int64_t>(number_of(wire, "comm_type").value_or(-1)));
      if (!kind) {
        gap("a collective the fabric models", "its measured duration is replayed", wire.name);
        fall_back(node);
        return;
      }
      node.collective = *kind;
      if (node.group.empty()) gap("a process group", "all ranks take part", wire.name);
    }
    if (node.bytes == 0) {
      gap("a message size", "its measured duration is replayed", wire.name);
      fall_back(node);
      return;
    }
    node.basis = TraceBasis::kMessage;
  }

  void computation(const WireNode& wire, TraceNode& node) {
    node.kind = wire.type == kComp ? TraceKind::kCompute : TraceKind::kMemory;
    node.operations = number_of(wire, "num_ops").value_or(0);
    const auto output = static_cast<std::int64_t>(number_of(wire, "tensor_size").value_or(0));
    node.bytes = output;
    if (const std::vector<double> in = listed_sizes(wire, "inputs"); !in.empty()) {
      for (const double size : in) node.bytes += static_cast<std::int64_t>(size);
    } else if (output == 0) {
      node.bytes = device_bytes(wire.input_values + wire.output_values);
    }
    if (wire.type != kComp) {
      if (node.bytes == 0) {
        gap("a tensor size", "its measured duration is replayed", wire.name);
        fall_back(node);
        return;
      }
      node.basis = TraceBasis::kWork;
      return;
    }
    node.gemm = gemm_of(wire);
    if (node.gemm) {
      node.basis = TraceBasis::kShape;
    } else if (node.operations > 0) {
      node.basis = TraceBasis::kWork;
      if (node.bytes == 0) gap("a tensor size", "only its operations are timed", wire.name);
    } else if (is_streaming(wire.name) && node.bytes > 0) {
      node.basis = TraceBasis::kWork;
      gap("a count of operations, being copies or element-wise", "timed by the bytes they move",
          wire.name);
    } else {
      gap("a count of operations", "its measured duration is replayed", wire.name);
      fall_back(node);
    }
  }

  void fall_back(TraceNode& node) {
    node.basis = node.measured_us > 0 ? TraceBasis::kMeasured : TraceBasis::kNothing;
    if (node.basis == TraceBasis::kMeasured) return;
    gap("any figure of its cost, a duration included", "it takes no time", node.name);
  }

  /// Puts the nodes in an order and turns ids into indices.
  void link() {
    std::vector<std::vector<std::size_t>> after = resolve(data_, "data");
    std::vector<std::size_t> order;
    // Generators use control dependencies as order; PyTorch traces write the parent in the call
    // tree there, which runs around its children: taken as order that would be circular.
    std::vector<std::vector<std::size_t>> both = after;
    bool complete = true;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      for (const std::uint64_t id : control_[i]) {
        const auto it = index_.find(id);
        complete = complete && it != index_.end();
        if (it != index_.end()) both[i].push_back(it->second);
      }
    }
    if (complete && sort(both, order)) {
      after = std::move(both);
    } else {
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (!control_[i].empty()) {
          gap("an order in their control dependencies",
              "they name the parent in a call tree; data dependencies alone order the nodes",
              nodes_[i].name);
        }
      }
      if (!sort(after, order)) throw InputError(file_ + ": the data dependencies form a cycle");
    }
    std::vector<std::int32_t> place(nodes_.size());
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::int32_t>(i);
    for (const std::size_t i : order) {
      TraceNode& node = nodes_[i];
      for (const std::size_t j : after[i]) node.after.push_back(place[j]);
      std::sort(node.after.begin(), node.after.end());
      node.after.erase(std::unique(node.after.begin(), node.after.end()), node.after.end());
      trace_.nodes.push_back(std::move(node));
    }
  }

  std::vector<std::vector<std::size_t>> resolve(const std::vector<std::vector<std::uint64_t>>& deps,
                                                const char* kind) {
    std::vector<std::vector<std::size_t>> out(deps.size());
    for (std::size_t i = 0; i < deps.size(); ++i) {
      for (const std::uint64_t id : deps[i]) {
        const auto it = index_.find(id);
        if (it == index_.end()) {
          gap(fmt::format("a node that one of its {} dependencies names", kind),
              "that dependency is taken as met", nodes_[i].name);
        } else if (it->second != i) {
          out[i].push_back(it->second);
        }
      }
    }
    return out;
  }

  /// Kahn's algorithm, taking ready nodes in file order; false when there is a cycle.
  [[nodiscard]] bool sort(const std::vector<std::vector<std::size_t>>& after,
                          std::vector<std::size_t>& order) const {
    std::vector<std::vector<std::size_t>> next(after.size());
    std::vector<std::size_t> waiting(after.size(), 0);
    for (std::size_t i = 0; i < after.size(); ++i) {
      waiting[i] = after[i].size();
      for (const std::size_t j : after[i]) next[j].push_back(i);
    }
    order.clear();
    std::vector<std::size_t> ready;  // a heap, smallest index first
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (waiting[i] == 0) ready.push_back(i);
    }
    const auto later = std::greater<>();
    std::make_heap(ready.begin(), ready.end(), later);
    while (!ready.empty()) {
      std::pop_heap(ready.begin(), ready.end(), later);
      const std::size_t i = ready.back();
      ready.pop_back();
      order.push_back(i);
      for (const std::size_t j : next[i]) {
        if (--waiting[j] > 0) continue;
        ready.push_back(j);
        std::push_heap(ready.begin(), ready.end(), later);
      }
    }
    return order.size() == after.size();
  }

  WireReader wire_;
  std::string file_;
  Trace trace_;
  std::vector<TraceNode> nodes_;
  std::vector<std::vector<std::uint64_t>> data_;
  std::vector<std::vector<std::uint64_t>> control_;
  std::unordered_map<std::uint64_t, std::size_t> index_;
};

}  // namespace

std::string_view name(TraceKind kind) {
  switch (kind) {
    case TraceKind::kCompute:
      return "compute";
    case TraceKind::kMemory:
      return "memory";
    case TraceKind::kCollective:
      return "collective";
    case TraceKind::kSend:
      return "send";
    case TraceKind::kReceive:
      return "receive";
    case TraceKind::kHost:
      return "host";
  }
  return "?";
}

std::string_view name(TraceBasis basis) {
  switch (basis) {
    case TraceBasis::kShape:
      return "shape";
    case TraceBasis::kWork:
      return "work";
    case TraceBasis::kMessage:
      return "message";
    case TraceBasis::kMeasured:
      return "measured";
    case TraceBasis::kNothing:
      return "nothing";
  }
  return "?";
}

std::int64_t Trace::count(TraceKind kind) const {
  return std::count_if(nodes.begin(), nodes.end(),
                       [&](const TraceNode& n) { return n.kind == kind; });
}

std::int64_t Trace::count(TraceBasis basis) const {
  return std::count_if(nodes.begin(), nodes.end(),
                       [&](const TraceNode& n) { return n.basis == basis; });
}

std::string Trace::report() const {
  std::vector<std::string> kinds;
  for (const TraceKind kind : {TraceKind::kCompute, TraceKind::kMemory, TraceKind::kCollective,
                               TraceKind::kSend, TraceKind::kReceive, TraceKind::kHost}) {
    if (count(kind) > 0) kinds.push_back(fmt::format("{} {}", count(kind), workload::name(kind)));
  }
  std::vector<std::string> bases;
  for (const TraceBasis basis : {TraceBasis::kShape, TraceBasis::kWork, TraceBasis::kMessage,
                                 TraceBasis::kMeasured, TraceBasis::kNothing}) {
    if (count(basis) > 0)
      bases.push_back(fmt::format("{} {}", count(basis), workload::name(basis)));
  }
  std::string text = fmt::format("{}: {} nodes: {}; timed by: {}", name, nodes.size(),
                                 join(kinds, ", "), join(bases, ", "));
  for (const TraceGap& g : gaps) {
    text += fmt::format("\n  {} nodes lack {} (first: '{}'): {}", g.nodes, g.what, g.example,
                        g.consequence);
  }
  return text;
}

Trace import_chakra_stream(std::istream& stream, const std::string& file) {
  return Importer(stream, file).run();
}

Trace import_chakra(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw InputError("cannot read '" + path.string() + "': no such file, or no access");
  return import_chakra_stream(stream, path.string());
}

}  // namespace athena::workload
