#pragma once
/// The press claims that this project reproduces, each computed from simulated runs and the cost
/// constants. This room knows no simulator: runs are asked of a RunSource.
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "cost/constants.h"
#include "cost/report.h"
#include "cost/uncertainty.h"

namespace athena::cost {

/// One run to simulate; names and sizes as on the command line of `athena run`. 0 and "" = not
/// said.
struct RunRequest {
  std::string model{};
  std::string on{};
  std::string phase{};
  std::int64_t batch = 0;
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t tp = 0;
  std::int64_t pp = 0;
  std::int64_t dp = 0;
  std::int64_t nodes = 0;
  std::int64_t micro_batch = 0;
  std::int64_t global_batch = 0;
  std::string recompute{};
  std::string dtype{};
  std::string stack{};
  double power_cap_w = 0;  ///< of a chip; 0 = the chip's own
};
[[nodiscard]] const config::StructSchema& schema_of(const RunRequest*);

/// What a run gave. Rates and energy are of the whole run, all chips together.
struct RunOutcome {
  bool ok = false;
  std::string error{};  ///< one sentence when not ok
  double seconds = 0.0;
  double tokens_per_s = 0.0;
  double energy_j = 0.0;
  double mfu = 0.0;  ///< model FLOPs over peak, 0 to 1
};

/// Runs all requests; outcomes in the same order. A failed run is an outcome, not an exception.
using RunSource = std::function<std::vector<RunOutcome>(const std::vector<RunRequest>&)>;

/// Which runs and chips stand behind the claims: configs/claims/*.yaml.
struct ClaimsPlan {
  std::string name{};
  std::string description{};
  RunRequest query;
  std::vector<std::int64_t> query_batches{};
  std::string query_small_dtype{};  ///< smaller weights tried for the cheaper claim; "" = none
  double query_chips = 8;
  RunRequest training;
  double training_parameters = 175e9;
  std::vector<RunRequest> tpu{};
  std::string tpu_rival{};
  std::vector<RunRequest> dgx{};
  RunRequest dgx_single;
  std::vector<std::string> third_cheaper{};
  std::vector<std::string> packages{};
  std::string cowos{};
  RunRequest capping;                   ///< a service under two power caps; model "" = none
  std::vector<double> capping_watts{};  ///< the higher cap, the lower one
  std::string teardown{};  ///< chip whose manufacturing cost was estimated by a teardown
};
[[nodiscard]] const config::StructSchema& schema_of(const ClaimsPlan*);

enum class Verdict {
  kHolds,          ///< our figure supports the claim
  kHoldsIf,        ///< it holds under the stated condition
  kInconsistent,   ///< the claim contradicts its own numbers
  kNotReproduced,  ///< our figure speaks against it, or could not be computed
};
[[nodiscard]] std::string_view name(Verdict verdict);

/// One number of a row. low and high are the 5 % and 95 % points, or the ends of a range.
struct ClaimFigure {
  std::string what{};
  double low = 0.0;
  double nominal = 0.0;
  double high = 0.0;
  std::string unit{};
};

struct ClaimRow {
  std::string id{};
  std::string claim{};
  std::string source{};
  ClaimFigure
      headline{};  ///< the figure to hold against the claim; unit "" = could not be computed
  std::vector<ClaimFigure> figures{};
  Verdict verdict = Verdict::kNotReproduced;
  std::string conclusion{};  ///< one sentence
  std::string decides;       ///< the assumption that decides
};

/// Recomputes every row. A row whose inputs are missing says so and is not reproduced. Throws
/// InputError only for a bad plan or constants.
[[nodiscard]] std::vector<ClaimRow> evaluate_claims(const ClaimsPlan& plan, Constants& constants,
                                                    const RunSource& source,
                                                    const DrawOptions& draws = {});

[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<ClaimRow>& rows);

/// Accelerator-seconds that one query of `tokens` takes on `chips` chips making `tokens_per_s`.
[[nodiscard]] double chip_seconds_per_query(double tokens, double chips, double tokens_per_s);
/// US cents of one query.
[[nodiscard]] double cents_per_query(double chip_seconds, double usd_per_chip_hour);
/// Days to train: 6 x parameters x tokens over chips x peak x MFU.
[[nodiscard]] double training_days(double parameters, double tokens, double chips,
                                   double peak_flops, double mfu);

}  // namespace athena::cost
