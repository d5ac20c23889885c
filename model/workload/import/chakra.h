#pragma once
/// Chakra execution traces (MLCommons): a program as it ran, or as a generator wrote it, as nodes
/// with dependencies. Read from the varint-delimited protobuf stream `GlobalMetadata, Node*` of
/// schema 1.0; files of several gigabytes are read in one pass.
#include <cstdint>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "workload/graph.h"

namespace athena::workload {

enum class TraceKind { kCompute, kMemory, kCollective, kSend, kReceive, kHost };
[[nodiscard]] std::string_view name(TraceKind kind);

/// What is known of a node's cost, best first.
enum class TraceBasis {
  kShape,     ///< a matrix product with known m, n, k (TraceNode::gemm)
  kWork,      ///< operations and bytes
  kMessage,   ///< bytes and kind of a communication
  kMeasured,  ///< only the time that it took where the trace was recorded
  kNothing,   ///< host work, or a node without any figure: takes no time on the chip
};
[[nodiscard]] std::string_view name(TraceBasis basis);

struct TraceNode {
  std::uint64_t id = 0;
  std::string name;
  TraceKind kind = TraceKind::kCompute;
  TraceBasis basis = TraceBasis::kNothing;
  std::vector<std::int32_t> after;  ///< indices of nodes that must end first; always smaller
  double operations = 0;            ///< `num_ops`, as the trace counts them
  std::int64_t bytes = 0;           ///< read and written; communication: the message
  std::optional<GemmShape> gemm;
  CollectiveKind collective = CollectiveKind::kAllReduce;
  std::string group;       ///< name of the process group, "" where not given
  int peer = -1;           ///< send, receive: the other rank
  double measured_us = 0;  ///< duration in the trace, microseconds
};

/// Something that nodes of a trace lacked, and what was done about it.
struct TraceGap {
  std::string what;
  std::string consequence;
  std::int64_t nodes = 0;
  std::string example;  ///< name of the first such node
};

struct Trace {
  std::string name;
  std::string schema;            ///< as the metadata says, "" where it does not
  std::vector<TraceNode> nodes;  ///< in an order that respects `after`
  std::vector<TraceGap> gaps;

  [[nodiscard]] std::int64_t count(TraceKind kind) const;
  [[nodiscard]] std::int64_t count(TraceBasis basis) const;
  /// "3664 nodes: 1216 compute, 7 collective, 2441 host; ..." and one line per gap.
  [[nodiscard]] std::string report() const;
};

/// Throws InputError: no such file, a message that ends too early (with its number and byte), a
/// file that is no Chakra trace, two nodes with one id, dependencies that form a cycle.
[[nodiscard]] Trace import_chakra(const std::filesystem::path& path);
[[nodiscard]] Trace import_chakra_stream(std::istream& stream, const std::string& file);

}  // namespace athena::workload
