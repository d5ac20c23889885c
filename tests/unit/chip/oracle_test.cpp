// What coarse transactions cost: the default chunk against 512-byte bursts, each its own chain of
// events, on one round of tiles. A failure here means that the default answers are an artefact of
// how the simulator cuts transfers, not of the chip.
#include <catch2/catch.hpp>
#include <cmath>

#include "chip/simulator.h"
#include "support/points.h"

using namespace athena;

namespace {

struct Answer {
  double coarse = 0, fine = 0;  ///< seconds
  double error() const { return coarse / fine - 1.0; }
};

/// A product whose tiles fill the 64 cores of `chip` once, at both granularities.
Answer measure(const std::vector<std::string>& sets, std::int64_t m, std::int64_t n,
               std::int64_t k) {
  const config::ChipConfig chip = testing::chip("athena", sets);
  const workload::Graph graph = workload::gemm_graph(m, n, k, {});
  compiler::Options exact;
  exact.exact = true;
  const compiler::Compiled compiled = compiler::compile(graph, chip, testing::stack(), exact);
  chip::Simulator simulator(chip);
  chip::RunOptions options;
  Answer answer;
  answer.coarse = simulator.run(compiled.program, testing::stack(), options).time.value();
  options.chunk = Bytes(512);
  answer.fine = simulator.run(compiled.program, testing::stack(), options).time.value();
  return answer;
}

}  // namespace

// One elaboration per process: every regime is a case of its own.

TEST_CASE("coarse transactions answer as 512 B bursts do where the matrix units bind") {
  const Answer answer = measure({}, 2048, 2048, 12288);
  CHECK(std::abs(answer.error()) <= 0.02);
}

TEST_CASE("coarse transactions answer as 512 B bursts do where memory binds") {
  const Answer answer = measure({"memory.stacks=1", "memory.peak=450 GB/s"}, 512, 2048, 12288);
  CHECK(std::abs(answer.error()) <= 0.02);
}

// Where the network binds, the order in which broadcasts meet at the routers decides, and waits
// outlast the buffers: finer grains keep more virtual channels. With channels and buffers for long
// waits the grains differ by their order alone.
TEST_CASE("coarse transactions answer as 512 B bursts do where the network binds") {
  const Answer answer =
      measure({"noc.link_bytes_per_cycle=64", "noc.virtual_channels=16", "noc.buffer_flits=256"},
              2048, 2048, 12288);
  CHECK(std::abs(answer.error()) <= 0.08);
}

TEST_CASE("coarse transactions answer as 512 B bursts do where several resources nearly tie") {
  const Answer answer =
      measure({"memory.stacks=2", "memory.peak=900 GB/s", "noc.link_bytes_per_cycle=128",
               "noc.virtual_channels=16", "noc.buffer_flits=256"},
              1024, 2048, 12288);
  CHECK(std::abs(answer.error()) <= 0.04);
}

TEST_CASE("coarse transactions answer as 512 B bursts do for decode") {
  const Answer answer = measure({}, 8, 12288, 12288);
  CHECK(std::abs(answer.error()) <= 0.02);
}

TEST_CASE(
    "coarse transactions answer as 512 B bursts do with a small window of outstanding bytes") {
  const Answer answer = measure({"core.dma.outstanding=64 KiB"}, 8, 12288, 12288);
  CHECK(std::abs(answer.error()) <= 0.05);
}

TEST_CASE("coarse transactions answer as 512 B bursts do with edges of all sizes") {
  // The grain alone: 512 B are an eighth of a packet and share its channel only on average.
  const Answer answer =
      measure({"noc.virtual_channels=16", "noc.buffer_flits=256"}, 2000, 2100, 12288);
  CHECK(std::abs(answer.error()) <= 0.02);
}

// The network of the two tiers: chunks that keep virtual channels, and packets with credits.
namespace {
Answer chunks_and_packets(const std::vector<std::string>& sets, std::int64_t m, std::int64_t n,
                          std::int64_t k) {
  const config::ChipConfig chip = testing::chip("athena", sets);
  const workload::Graph graph = workload::gemm_graph(m, n, k, {});
  const compiler::Compiled compiled = compiler::compile(graph, chip, testing::stack(), {});
  chip::Simulator simulator(chip);
  chip::RunOptions options;
  Answer answer;
  answer.coarse = simulator.run(compiled.program, testing::stack(), options).time.value();
  options.packet_network = true;
  const chip::RunResult packets = simulator.run(compiled.program, testing::stack(), options);
  answer.fine = packets.time.value();
  options.packet_network = false;
  const chip::RunResult again = simulator.run(compiled.program, testing::stack(), options);
  CHECK(again.time.value() == answer.coarse);  // the tiers leave nothing behind
  CHECK(again.counts.noc_byte_hops == Approx(packets.counts.noc_byte_hops).epsilon(0.05));
  return answer;
}
}  // namespace

TEST_CASE("chunks answer as packets with credits do for decode") {
  CHECK(std::abs(chunks_and_packets({}, 8, 12288, 12288).error()) <= 0.03);
}

TEST_CASE("chunks answer as packets with credits do for a prompt") {
  CHECK(std::abs(chunks_and_packets({}, 1024, 2048, 12288).error()) <= 0.03);
}

TEST_CASE("chunks answer as packets with credits do for edges of all sizes") {
  CHECK(std::abs(chunks_and_packets({}, 2000, 2100, 12288).error()) <= 0.02);
}

TEST_CASE("chunks answer as packets with credits do on one virtual channel") {
  CHECK(std::abs(chunks_and_packets({"noc.virtual_channels=1"}, 8, 12288, 12288).error()) <= 0.06);
}

TEST_CASE("chunks answer as packets with credits do where buffers hold two flits") {
  CHECK(std::abs(chunks_and_packets({"noc.buffer_flits=2"}, 8, 12288, 12288).error()) <= 0.12);
}

// A saturated network loses throughput to packets that block each other, of which chunks see only
// a part: here the transaction tier is optimistic, and never the other way.
TEST_CASE("chunks are too fast where the network binds, by less than half") {
  const Answer answer = chunks_and_packets({"noc.link_bytes_per_cycle=64"}, 2048, 2048, 12288);
  CHECK(answer.error() <= 0.03);
  CHECK(answer.error() >= -0.5);
}

TEST_CASE("chunks answer as packets with credits do with a class for requests of its own") {
  CHECK(std::abs(chunks_and_packets({"noc.message_classes=2"}, 1024, 2048, 12288).error()) <= 0.03);
}
