#include "cosim/chip_blocks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cosim/cosim.h"

namespace athena::cosim {
namespace {

constexpr const char* kArray = "systolic_array";
constexpr const char* kSoftmax = "vector_softmax";

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
    if (block == kArray) {
      array_ = std::make_unique<ChipArray>(chip, body);
    } else if (block == kSoftmax) {
      softmax_ = std::make_unique<ChipSoftmax>(chip, body);
    } else if (body != Backend::kModel) {
      clocked_.add(chip, block, body);
      if (clocked_.has(block)) continue;
      throw InputError(fmt::format(
          "{} has no place in a chip's run; `athena cosim {}` holds it against its model.", block,
          block));
    }
  }
}

exec::Bodies ChipBlocks::bodies() {
  return {array_.get(), softmax_.get(), clocked_.bodies()};
}

bool ChipBlocks::is_rtl(const std::string& block) const {
  const auto found = backends_.find(block);
  return found != backends_.end() && found->second != Backend::kModel;
}

void ChipBlocks::plant(const std::string& block, const Fault& fault) {
  if (block == kArray && array_ != nullptr) {
    array_->plant(fault);
  } else if (block == kSoftmax && softmax_ != nullptr) {
    softmax_->plant(fault);
  } else {
    clocked_.plant(block, fault);
  }
}

void ChipBlocks::set_out_dir(const std::string& folder) {
  if (array_ != nullptr) array_->set_out_dir(folder);
  if (softmax_ != nullptr) softmax_->set_out_dir(folder);
  clocked_.set_out_dir(folder);
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
      report.traffic = fmt::format("{} products", array_->products());
      report.parity = array_->parity();
    } else if (block == kSoftmax) {
      report.parameters = softmax_->parameters();
      report.traffic = fmt::format("{} rows", softmax_->rows());
      report.parity = softmax_->parity();
    } else if (clocked_.has(block)) {
      report.parameters = clocked_.parameters(block);
      report.traffic = clocked_.traffic(block);
      report.parity = clocked_.parity(block);
    }
    list.push_back(std::move(report));
  }
  return list;
}

}  // namespace athena::cosim
