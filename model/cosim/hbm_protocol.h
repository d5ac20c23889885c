#pragma once
/// An observer of an HBM channel's command buses that knows the timing rules but not the scheduler,
/// and bandwidth runs of the scheduler on access patterns.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "timing/block.h"
#include "timing/hbm_scheduler_step.h"

namespace athena::cosim {

/// Throws Contradiction at the first command that breaks a rule: JEDEC timing between commands of a
/// bank, bank group and pseudo-channel, row open for columns, one command per bus, every request
/// served once, refresh on time.
class HbmProtocolChecker {
 public:
  explicit HbmProtocolChecker(const timing::HbmSchedulerParams& params);
  /// A request was taken; `in` are the inputs of that cycle.
  void accepted(const std::uint32_t* in);
  /// The commands of a cycle.
  void observe(const std::uint32_t* out);
  [[nodiscard]] std::uint64_t columns() const { return columns_; }

 private:
  struct Bank {
    bool open = false;
    std::uint32_t row = 0;
    std::int64_t act = -1'000'000, pre = -1'000'000, read = -1'000'000, write = -1'000'000;
  };
  void row_command(const std::uint32_t* out);
  void column_command(const std::uint32_t* out);
  void activate(std::uint32_t bank, std::uint32_t row);
  void precharge(std::uint32_t bank);
  void require(bool kept, const char* rule) const;

  timing::HbmSchedulerParams p_;
  timing::Ports ports_;
  std::int64_t now_ = 0;
  std::int64_t last_refresh_ = 0;
  std::int64_t row_bus_free_ = 0;
  std::array<Bank, 32> banks_;
  std::array<std::vector<std::int64_t>, 2> activates_;
  std::map<std::uint64_t, int> waiting_;  ///< requests by content
  std::uint64_t columns_ = 0;
};

/// Bandwidth of model and RTL on access patterns; one PARITY line each.
[[nodiscard]] std::vector<std::string> hbm_parity();

}  // namespace athena::cosim
