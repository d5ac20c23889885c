#include "config/chip.h"

#include <catch2/catch.hpp>

#include "config/config.h"

using namespace athena;
using namespace athena::config;
using Catch::Matchers::Contains;

namespace {

ChipConfig chip(const std::string& name, const std::vector<std::string>& sets = {}) {
  return load<ChipConfig>(name, "chips", sets);
}

/// Keys of a resolved document whose value has neither `source` nor `assumed` (own or of the
/// group).
void collect_unfounded(const Node& node, const std::string& path, std::vector<std::string>& out) {
  if (node.find("source") != nullptr || node.find("assumed") != nullptr) return;
  for (const Entry& entry : node.map) {
    const std::string below = path.empty() ? entry.key : path + "." + entry.key;
    if (entry.value.is_map()) {
      collect_unfounded(entry.value, below, out);
    } else if (entry.value.source.empty() && entry.value.assumed.empty()) {
      out.push_back(below);
    }
  }
}

}  // namespace

TEST_CASE("every shipped chip loads, and its dump loads to the same chip") {
  for (const std::string& name : list_documents("chips")) {
    CAPTURE(name);
    const ChipConfig loaded = chip(name);
    CHECK(loaded.name == name);
    const std::string text = to_yaml(dump(loaded));
    CHECK(to_yaml(dump(bind<ChipConfig>(parse_text(text, "dump")))) == text);
  }
}

TEST_CASE("every figure of a shipped chip has a source or a reasoning") {
  const std::vector<std::string> free{"name", "description", "aliases", "default_stack",
                                      "default_system"};
  for (const std::string& name : list_documents("chips")) {
    std::vector<std::string> unfounded;
    collect_unfounded(resolve(name, "chips"), "", unfounded);
    for (const std::string& key : unfounded) {
      CAPTURE(name, key);
      CHECK(std::find(free.begin(), free.end(), key) != free.end());
    }
  }
}

TEST_CASE("peaks are the published ones") {
  const ChipConfig athena = chip("athena");
  CHECK(athena.cores() == 64);
  CHECK(athena.macs_per_cycle(Dtype::kBf16) * athena.cores() == 262144.0);
  CHECK(athena.peak_flops(Dtype::kBf16) == Approx(0.8e15).epsilon(0.01));
  const ChipConfig a100 = chip("a100-sxm-80gb");
  CHECK(a100.peak_flops(Dtype::kBf16) == Approx(312e12).epsilon(0.005));
  CHECK(a100.peak_flops(Dtype::kInt8) == Approx(624e12).epsilon(0.005));
  CHECK(a100.peak_flops(Dtype::kTf32) == Approx(156e12).epsilon(0.005));
  CHECK(a100.peak_flops(Dtype::kFp32) == Approx(19.5e12).epsilon(0.005));
  CHECK(a100.peak_flops(Dtype::kFp8E4M3) == 0.0);
}

TEST_CASE("published memory peaks follow from pins and rates") {
  constexpr double kPinsPerChannel = 128;  // JESD235
  for (const std::string name : {"athena", "a100-sxm-80gb", "a100-sxm-40gb"}) {
    const ChipConfig c = chip(name);
    const double pins = kPinsPerChannel * c.memory.channels_per_stack * c.memory.stacks;
    CAPTURE(name);
    CHECK(pins * c.memory.gbps_per_pin * 1e9 / 8 == Approx(c.memory.peak.value()).epsilon(0.001));
  }
}

TEST_CASE("the two A100 differ in memory only") {
  Node big = dump(chip("a100-sxm-80gb"));
  Node small = dump(chip("a100-sxm-40gb"));
  for (Node* node : {&big, &small}) {
    for (const char* key : {"name", "description", "aliases", "memory"}) CHECK(node->erase(key));
  }
  CHECK(to_yaml(big) == to_yaml(small));
}

TEST_CASE("chips that cannot exist are refused with place and remedy") {
  CHECK_THROWS_WITH(chip("athena", {"cluster.count=0"}),
                    Contains("cluster.count: must be 1 to 4096, got '0'"));
  CHECK_THROWS_WITH(chip("athena", {"memory.interleave=48 B"}), Contains("power of two"));
  CHECK_THROWS_WITH(chip("athena", {"core.matrix.rate.bf61=1"}), Contains("Did you mean 'bf16'?"));
  CHECK_THROWS_WITH(chip("athena", {"core.scratch.size=0 B"}),
                    Contains("nothing could hold operands"));
  CHECK_THROWS_WITH(chip("athena", {"hbm.stacks=3"}), Contains("there is no key 'hbm' in a chip"));
  CHECK_THROWS_WITH(chip("athena", {"memory.stakcs=3"}), Contains("Did you mean 'stacks'?"));
  CHECK_THROWS_WITH(chip("athena", {"clock.core=1.6"}),
                    Contains("with its unit (Hz, kHz, MHz, GHz)"));
  CHECK_THROWS_WITH(chip("athena", {"noc.memory_ports=[0, 16]"}),
                    Contains("there is no router 16"));
  CHECK_THROWS_WITH(chip("athena", {"power.voltage_min=1 V"}), Contains("above voltage_at_max"));
}
