#include "cosim/chip_blocks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cosim/cosim.h"

namespace athena::cosim {
namespace {

constexpr const char* kArray = "systolic_array";

std::vector<std::string> block_names() {
  std::vector<std::string> names;
  for (const BlockCase& c : block_cases()) {
    if (names.empty() || names.back() != c.block) names.push_back(c.block);
  }
  return names;
}

void check_block(const std::string& block) {
  const std::vector<std::string> names = block_names();
  if (std::find(names.begin(), names.end(), block) != names.end()) return;
  throw InputError(fmt::format("there is no RTL block '{}'; there are: {}.{}", block,
                               join(names, ", "), did_you_mean(block, names)));
}

}  // namespace

Backends backends_of(const config::ChipConfig& chip,
                     const std::map<std::string, std::string>& asked) {
  Backends backends = chip.backend;
  for (const auto& [block, body] : asked) backends[block] = backend_from_name(body);
  for (const auto& [block, body] : backends) check_block(block);
  return backends;
}

ChipBlocks::ChipBlocks(const config::ChipConfig& chip, const Backends& backends)
    : backends_(backends) {
  for (const auto& [block, body] : backends) {
    if (block != kArray && body != Backend::kModel) {
      throw InputError(fmt::format(
          "in a chip's run only systolic_array can be RTL; {} is held against the model of its "
          "traffic by `athena cosim {}` (PARITY lines).",
          block, block));
    }
    if (block == kArray) array_ = std::make_unique<ChipArray>(chip, body);
  }
}

Dtype ChipBlocks::format_for(Dtype type) const {
  if (array_ == nullptr) return type;
  return array_->computes(type) ? type : Dtype::kBf16;
}

std::vector<BlockReport> ChipBlocks::reports() const {
  std::vector<BlockReport> list;
  for (const auto& [block, body] : backends_) {
    BlockReport report;
    report.block = block;
    report.backend = body;
    if (block == kArray) {
      report.parameters = array_->parameters();
      report.parity = array_->parity();
    }
    list.push_back(std::move(report));
  }
  return list;
}

}  // namespace athena::cosim
