#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "cosim/cases.h"
#include "cosim/hbm_protocol.h"
#include "cosim/rtl_factory.h"
#include "timing/hbm_scheduler_step.h"

namespace athena::cosim {
namespace {

using timing::HbmSchedulerParams;

/// Mixes of sequential runs, bank conflicts and scattered requests, reads and writes; every command
/// that comes out is checked against the timing rules by an independent observer.
class HbmStimulus final : public Stimulus {
 public:
  HbmStimulus(std::uint64_t seed, double stall)
      : ports_(timing::hbm_scheduler_ports()), rng_(seed), stall_(stall, seed + 1), checker_({}) {}

  void drive(std::uint32_t* in) override {
    if (!offered_ && stall_.go()) {
      offered_ = true;
      if (run_ == 0) new_run();
      --run_;
      next_request();
      put(in, "req_write", write_);
      put(in, "req_bank", bank_);
      put(in, "req_row", row_);
      put(in, "req_col", column_);
      put(in, "req_id", id_++ & 255U);
    }
    put(in, "req_valid", offered_);
  }

  void observe(const std::uint32_t* in, const std::uint32_t* out) override {
    if (offered_ && out[ports_.output("req_ready").word] != 0) {
      offered_ = false;
      checker_.accepted(in);
    }
    checker_.observe(out);
  }

  [[nodiscard]] std::uint64_t completed() const override { return checker_.columns(); }

 private:
  enum class Pattern { kSequential, kConflict, kScatter };

  void put(std::uint32_t* in, const char* name, std::uint32_t value) const {
    in[ports_.input(name).word] = value;
  }
  void new_run() {
    run_ = 1 + static_cast<int>(rng_.below(200));
    pattern_ = static_cast<Pattern>(rng_.below(3));
    write_share_ = rng_.chance(0.3) ? 1.0 : rng_.uniform();
    bank_ = static_cast<std::uint32_t>(rng_.below(32));
    row_ = static_cast<std::uint32_t>(rng_.below(1U << 14));
  }
  void next_request() {
    write_ = rng_.chance(write_share_);
    switch (pattern_) {
      case Pattern::kSequential:
        column_ = (column_ + 1) % 32;
        bank_ = (bank_ + 4) % 32;
        if (column_ == 0) row_ = (row_ + 1) % (1U << 14);
        return;
      case Pattern::kConflict:  // a few rows of one or two banks
        bank_ = bank_ ^ static_cast<std::uint32_t>(rng_.below(2));
        row_ = static_cast<std::uint32_t>(rng_.below(3));
        column_ = static_cast<std::uint32_t>(rng_.below(32));
        return;
      case Pattern::kScatter:
        bank_ = static_cast<std::uint32_t>(rng_.below(32));
        row_ = static_cast<std::uint32_t>(rng_.below(1U << 14));
        column_ = static_cast<std::uint32_t>(rng_.below(32));
        return;
    }
  }

  timing::Ports ports_;
  Rng rng_;
  Stall stall_;
  HbmProtocolChecker checker_;
  bool offered_ = false;
  int run_ = 0;
  Pattern pattern_ = Pattern::kSequential;
  double write_share_ = 0.5;
  bool write_ = false;
  std::uint32_t bank_ = 0, row_ = 0, column_ = 0, id_ = 0;
};

}  // namespace

void add_hbm_cases(std::vector<BlockCase>& all) {
  BlockCase c;
  c.block = "hbm_scheduler";
  c.variant = "hbm2e-3.2";
  c.vectors = "columns";
  c.make_model = [] { return std::make_unique<timing::HbmSchedulerStep>(HbmSchedulerParams{}); };
  c.make_rtl = [](std::uint64_t seed) { return make_rtl_hbm(seed); };
  c.make_stimulus = [](std::uint64_t seed, double stall) {
    return std::make_unique<HbmStimulus>(seed, stall);
  };
  c.faults = {
      {"wrong-bank", "req_bank", Fault::Kind::kFlipLow, 0, true, 0,
       "requests go to the bank next door"},
      {"read-as-write", "req_write", Fault::Kind::kFlipLow, 0, true, 0,
       "reads and writes are swapped"},
      {"stuck-row", "row_valid", Fault::Kind::kStuckZero, 0, false, 0,
       "row commands are never seen"},
  };
  c.parity = hbm_parity;
  all.push_back(std::move(c));
}

}  // namespace athena::cosim
