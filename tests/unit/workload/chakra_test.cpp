/// Chakra traces: two real ones, small ones written here, and broken ones.
#include "workload/import/chakra.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/rng.h"

using namespace athena;
using namespace athena::workload;

namespace {

/// A writer of the protobuf wire format, independent of the reader under test.
std::string varint(std::uint64_t v) {
  std::string out;
  for (; v > 127; v >>= 7) out += static_cast<char>((v & 127) | 128);
  return out += static_cast<char>(v);
}
std::string number(int field, std::uint64_t v) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(v);
}
std::string bytes(int field, const std::string& v) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(v.size()) + v;
}
std::string attribute(const std::string& key, std::uint64_t v) {
  return bytes(10, bytes(1, key) + number(9, v));
}
std::string delimited(const std::string& message) {
  return varint(message.size()) + message;
}

struct Node {
  std::uint64_t id;
  int type;
  std::vector<std::uint64_t> data;
  std::string more;
  std::string text() const {
    std::string deps;
    for (const std::uint64_t d : data) deps += varint(d);
    return delimited(number(1, id) + bytes(2, "node" + std::to_string(id)) +
                     number(3, static_cast<std::uint64_t>(type)) +
                     (data.empty() ? "" : bytes(5, deps)) + more);
  }
};

std::string trace_of(const std::vector<Node>& nodes) {
  std::string out = delimited(bytes(1, "0.0.4"));
  for (const Node& n : nodes) out += n.text();
  return out;
}

Trace read(const std::string& text) {
  std::istringstream stream(text);
  return import_chakra_stream(stream, "t.et");
}

std::string refusal(const std::string& text) {
  try {
    (void)read(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

const std::string kWork = attribute("num_ops", 1000) + attribute("tensor_size", 64);

bool ordered(const Trace& t) {
  for (std::size_t i = 0; i < t.nodes.size(); ++i) {
    for (const std::int32_t j : t.nodes[i].after) {
      if (j < 0 || static_cast<std::size_t>(j) >= i) return false;
    }
  }
  return true;
}

std::filesystem::path shared(const char* file) {
  return std::filesystem::path(ATHENA_SOURCE_DIR) / "../shared/chakra" / file;
}

}  // namespace

TEST_CASE("nodes written out of order come in an order that respects their dependencies") {
  const Trace t = read(trace_of({{5, 4, {9, 7}, kWork}, {7, 4, {9}, kWork}, {9, 4, {}, kWork}}));
  REQUIRE(t.nodes.size() == 3);
  CHECK(t.nodes[0].id == 9);
  CHECK(t.nodes[2].id == 5);
  CHECK(t.nodes[2].after == std::vector<std::int32_t>{0, 1});
  CHECK(t.nodes[0].basis == TraceBasis::kWork);
  CHECK(t.nodes[0].operations == 1000);
  CHECK(t.gaps.empty());
}

TEST_CASE("random graphs keep every dependency") {
  Rng rng(11);
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<Node> nodes;
    std::size_t edges = 0;
    const std::uint64_t count = 1 + rng.below(60);
    for (std::uint64_t i = 0; i < count; ++i) {
      Node n{i, 4, {}, kWork};
      for (std::uint64_t j = 0; j < i; ++j) {
        if (rng.below(8) == 0) n.data.push_back(j);
      }
      edges += n.data.size();
      nodes.push_back(n);
    }
    for (std::size_t i = nodes.size(); i-- > 1;) std::swap(nodes[i], nodes[rng.below(i + 1)]);
    const Trace t = read(trace_of(nodes));
    std::size_t kept = 0;
    for (const TraceNode& n : t.nodes) kept += n.after.size();
    CHECK(kept == edges);
    CHECK(ordered(t));
  }
}

TEST_CASE("communication nodes carry kind, message and peer") {
  const Trace t = read(trace_of({
      {1, 7, {}, attribute("comm_type", 7) + attribute("comm_size", 4096)},
      {2, 5, {1}, attribute("comm_size", 10) + attribute("comm_dst", 3)},
      {3, 6, {2}, attribute("comm_size", 10) + attribute("comm_src", 4)},
  }));
  CHECK(t.nodes[0].collective == CollectiveKind::kReduceScatter);
  CHECK(t.nodes[0].bytes == 4096);
  CHECK(t.nodes[1].peer == 3);
  CHECK(t.nodes[2].peer == 4);
  CHECK(t.nodes[2].kind == TraceKind::kReceive);
  CHECK(t.count(TraceBasis::kMessage) == 3);
  // The collective named no process group.
  REQUIRE(t.gaps.size() == 1);
  CHECK(t.gaps[0].example == "node1");
}

TEST_CASE("what a node lacked is reported, and what was done instead") {
  const Trace t = read(trace_of({
      {1, 4, {}, number(7, 55)},                // no operations, but a duration
      {2, 4, {1}, ""},                          // nothing at all
      {3, 7, {77}, attribute("comm_type", 0)},  // no size; a dependency on an absent node
  }));
  CHECK(t.nodes[0].basis == TraceBasis::kMeasured);
  CHECK(t.nodes[0].measured_us == 55);
  CHECK(t.nodes[1].basis == TraceBasis::kNothing);
  const std::string report = t.report();
  for (const char* said : {"2 nodes lack a count of operations", "a message size",
                           "dependencies names", "takes no time", "node2"}) {
    INFO(report);
    CHECK(report.find(said) != std::string::npos);
  }
}

TEST_CASE("broken traces are refused with the message's number") {
  CHECK(refusal("").find("empty") != std::string::npos);
  CHECK(refusal(trace_of({})).find("no node") != std::string::npos);
  CHECK(refusal(trace_of({{1, 4, {2}, kWork}, {2, 4, {1}, kWork}})).find("cycle") !=
        std::string::npos);
  CHECK(refusal(trace_of({{1, 4, {}, kWork}, {1, 4, {}, kWork}})).find("twice") !=
        std::string::npos);
  CHECK(refusal(trace_of({{1, 12, {}, kWork}})).find("type 12") != std::string::npos);
  CHECK(refusal("{\"json\": true}").find("expected a Chakra execution trace") != std::string::npos);

  const std::string whole = trace_of({{1, 4, {}, kWork}, {2, 4, {1}, kWork}});
  int refused = 0;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    refused += refusal(whole.substr(0, cut)) != "accepted" ? 1 : 0;
  }
  // Only the cut between the two nodes leaves a complete trace.
  CHECK(refused == static_cast<int>(whole.size()) - 1);
}

TEST_CASE("flipped bytes are an error or another trace, never a crash") {
  const std::string whole = trace_of({{1, 4, {}, kWork}, {2, 7, {1}, attribute("comm_size", 9)}});
  Rng rng(5);
  for (int trial = 0; trial < 3000; ++trial) {
    std::string text = whole;
    for (std::uint64_t flips = 1 + rng.below(3); flips > 0; --flips) {
      text[rng.below(text.size())] = static_cast<char>(rng.next());
    }
    bool fine = false;
    try {
      fine = ordered(read(text));
    } catch (const InputError&) {
      fine = true;
    }
    CHECK(fine);
  }
}

TEST_CASE("the feeder test trace: every node, its order, and an account of what it lacks") {
  const auto path = shared("chakra_feeder_test.0.et");
  if (!std::filesystem::exists(path)) {
    WARN("SKIPPED: " << path << " is absent");
    return;
  }
  const Trace t = import_chakra(path);
  INFO(t.report());
  CHECK(t.nodes.size() == 3664);
  CHECK(ordered(t));
  // Of 21 communication nodes 14 are host calls around the 7 that ran on the device.
  CHECK(t.count(TraceKind::kCollective) == 7);
  CHECK(t.count(TraceKind::kHost) == 2434 + 14);
  CHECK(t.count(TraceKind::kCompute) == 3643 - 2434);
  CHECK(t.count(TraceBasis::kMessage) == 7);
  // The classifier's three products: forward (32 x 2048 x 1000), input and weight gradient.
  std::vector<std::array<std::int64_t, 3>> products;
  for (const TraceNode& n : t.nodes) {
    if (n.gemm) products.push_back({n.gemm->m, n.gemm->n, n.gemm->k});
  }
  CHECK(std::count(products.begin(), products.end(), std::array<std::int64_t, 3>{32, 1000, 2048}) ==
        1);
  CHECK(std::count(products.begin(), products.end(), std::array<std::int64_t, 3>{32, 2048, 1000}) ==
        1);
  CHECK(std::count(products.begin(), products.end(), std::array<std::int64_t, 3>{1000, 2048, 32}) ==
        1);
  CHECK(t.count(TraceBasis::kNothing) == t.count(TraceKind::kHost));
  CHECK(!t.gaps.empty());
}

TEST_CASE("a generated Llama training trace: shapes of its products, bytes of its collectives") {
  const auto path = shared("chakra_stg_llama2L_tp2_rank0.et");
  if (!std::filesystem::exists(path)) {
    WARN("SKIPPED: " << path << " is absent");
    return;
  }
  const Trace t = import_chakra(path);
  INFO(t.report());
  CHECK(t.nodes.size() == 96);
  CHECK(t.count(TraceKind::kCollective) == 22);
  CHECK(t.count(TraceKind::kCompute) == 74);
  CHECK(t.count(TraceBasis::kMeasured) == 0);
  bool found = false;
  for (const TraceNode& n : t.nodes) {
    if (n.name != "mb0.transformer.0.mha.qkv@0_COMP") continue;
    found = true;
    REQUIRE(n.gemm.has_value());
    CHECK(n.gemm->m == 2048);
    CHECK(n.gemm->n == 6144);
    CHECK(n.gemm->k == 4096);
  }
  CHECK(found);
}
