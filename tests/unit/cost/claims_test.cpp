#include "cost/claims.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "base/error.h"

using namespace athena;
using namespace athena::cost;

namespace {

constexpr double kA100Peak = 312e12, kA100Bandwidth = 2.039e12;

/// Closed-form roofline in place of the simulator: weights once per step, FLOPs at peak.
RunOutcome roofline(const RunRequest& request) {
  const double parameters = request.model == "gpt3-175b"    ? 175e9
                            : request.model == "llama-2-7b" ? 6.7e9
                                                            : 0.34e9;
  const bool tpu = request.on == "tpu-v4", p100 = request.on == "p100-sxm2";
  const bool dgx1 = request.on == "dgx-1";
  const double peak = tpu ? 275e12 : p100 ? 21.2e12 : dgx1 ? 125e12 : kA100Peak;
  const double bandwidth = tpu ? 1.2e12 : p100 ? 0.73e12 : dgx1 ? 0.9e12 : kA100Bandwidth;
  const double chips =
      std::max<double>(1.0, static_cast<double>(std::max({request.tp, request.dp})));
  const double sequences =
      static_cast<double>(std::max<std::int64_t>(request.batch, request.global_batch));
  const bool decode = request.phase == "decode";
  const double tokens = sequences * (decode ? 1.0 : static_cast<double>(request.input));
  const double flops = (request.phase == "train" ? 6.0 : 2.0) * parameters * tokens;
  RunOutcome out;
  out.ok = true;
  const double weight_bytes = request.dtype == "w8a16" ? 1.0 : 2.0;
  out.seconds = std::max(flops / peak, weight_bytes * parameters / bandwidth) / chips;
  out.tokens_per_s = tokens / out.seconds;
  out.energy_j = out.seconds * chips * (tpu ? 200.0 : 350.0);
  out.mfu = 0.45;
  return out;
}

std::vector<RunOutcome> roofline_source(const std::vector<RunRequest>& requests) {
  std::vector<RunOutcome> out;
  for (const RunRequest& request : requests) out.push_back(roofline(request));
  return out;
}

ClaimsPlan plan() {
  return config::load<ClaimsPlan>("press", "claims");
}

const ClaimRow& row(const std::vector<ClaimRow>& rows, const std::string& id) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const ClaimRow& r) { return r.id == id; });
  REQUIRE(found != rows.end());
  return *found;
}

double figure(const ClaimRow& row, const std::string& what) {
  for (const ClaimFigure& f : row.figures) {
    if (f.what == what) return f.nominal;
  }
  FAIL("no figure '" << what << "' in " << row.id);
  return 0.0;
}

std::vector<ClaimRow> evaluate(const RunSource& source) {
  Constants constants = Constants::load();
  return evaluate_claims(plan(), constants, source, {.draws = 500, .seed = 1});
}

}  // namespace

TEST_CASE("343 GPU-seconds per unbatched query", "[claims]") {
  // 175e9 parameters x 2 B / (8 x 2.039e12 B/s) = 21.46 ms per token; x 2000 tokens x 8 GPUs.
  const double step = 175e9 * 2 / (8 * kA100Bandwidth);
  CHECK(chip_seconds_per_query(2000, 8, 1 / step) == Approx(343).epsilon(0.005));
  CHECK(chip_seconds_per_query(2000, 8, 16 / step) == Approx(21.5).epsilon(0.005));
  CHECK(chip_seconds_per_query(2000, 8, 64 / step) == Approx(5.4).epsilon(0.01));
  CHECK_THROWS_AS(chip_seconds_per_query(2000, 8, 0), InputError);
}

TEST_CASE("the money claims come out as their arithmetic", "[claims]") {
  const auto rows = evaluate(roofline_source);
  const ClaimRow& unbatched = row(rows, "cents-per-query");
  CHECK(figure(unbatched, "A100-seconds per query at batch 1") == Approx(343).epsilon(0.005));
  CHECK(unbatched.verdict == Verdict::kHoldsIf);
  CHECK(figure(unbatched, "batch at which the claim holds") > 1.0);
  CHECK(figure(unbatched, "batch at which the claim holds") < 8.0);
  const ClaimRow& batched = row(rows, "tenth-of-a-cent");
  CHECK(figure(batched, "claimed cost per query") == Approx(0.356).epsilon(0.002));
  CHECK(figure(batched, "its price of a GPU-hour") == Approx(1.0).epsilon(0.001));
  CHECK(figure(batched, "its A100-seconds per query") == Approx(12.82).epsilon(0.001));
  const ClaimRow& capital = row(rows, "capital");
  CHECK(capital.verdict == Verdict::kInconsistent);
  CHECK(figure(capital, "searches per second") == Approx(98380).epsilon(0.001));
  CHECK(figure(capital, "a tenth of them") == Approx(9838).epsilon(0.001));
  CHECK(figure(capital, "capital over three years") == Approx(16.03e9).epsilon(0.001));
  CHECK(figure(capital, "that per query") == Approx(5.16).epsilon(0.001));
  CHECK(figure(capital, "searches per day at which 4 cents and 16 B$ agree") ==
        Approx(11.0e9).epsilon(0.005));
  for (const ClaimFigure& f : capital.figures) {
    if (f.what != "GPU-seconds per query that 48.1 B$ buy") continue;
    CHECK(f.low == Approx(145).epsilon(0.005));
    CHECK(f.high == Approx(326).epsilon(0.005));
  }
}

TEST_CASE("cluster arithmetic", "[claims]") {
  // 6 x 175e9 x 300e9 FLOP over 10,000 x 312e12 x 0.45: 2.6 days
  CHECK(training_days(175e9, 300e9, 10000, kA100Peak, 0.45) == Approx(2.6).epsilon(0.01));
  CHECK(training_days(175e9, 300e9, 10000, kA100Peak, 0.225) == Approx(5.2).epsilon(0.01));
  CHECK_THROWS_AS(training_days(1, 1, 1, 1, 0), InputError);
  CHECK(cents_per_query(12.82, 1.0) == Approx(0.356).epsilon(0.002));
}

TEST_CASE("every row is there, and a failed run is a row that says why", "[claims]") {
  const RunSource broken = [](const std::vector<RunRequest>& requests) {
    return std::vector<RunOutcome>(requests.size(),
                                   RunOutcome{.ok = false, .error = "no machine."});
  };
  const auto good = evaluate(roofline_source);
  const auto bad = evaluate(broken);
  CHECK(good.size() >= 9);
  for (const char* id : {"cents-per-query", "tpu-v4", "supercomputer", "year-in-a-month"}) {
    INFO(id);
    CHECK(row(bad, id).verdict == Verdict::kNotReproduced);
    CHECK_THAT(row(bad, id).conclusion, Catch::Contains("no machine"));
  }
  CHECK(row(bad, "capital").verdict == Verdict::kInconsistent);  // needs no run
  for (const ClaimRow& r : good) CHECK_FALSE(r.conclusion.empty());
}

TEST_CASE("every row has one figure to hold against its claim, inside its interval", "[claims]") {
  for (const ClaimRow& r : evaluate(roofline_source)) {
    INFO(r.id);
    CHECK_FALSE(r.headline.unit.empty());
    CHECK(r.headline.low <= r.headline.nominal);
    CHECK(r.headline.nominal <= r.headline.high);
    CHECK_FALSE(r.decides.empty());
  }
}

TEST_CASE("the teardown is taken apart into the same parts as ours", "[claims]") {
  const auto rows = evaluate(roofline_source);
  const ClaimRow& teardown = row(rows, "h100-teardown");
  double ours = 0, theirs = 0;
  for (const ClaimFigure& f : teardown.figures) {
    if (f.what.find(": ours") != std::string::npos) ours += f.nominal;
    if (f.what.find(": the estimate's") != std::string::npos) theirs += f.nominal;
  }
  CHECK(ours == Approx(teardown.headline.nominal));
  CHECK(theirs == Approx(3320.0));
  const bool inside = teardown.headline.low <= 3320.0 && 3320.0 <= teardown.headline.high;
  CHECK((teardown.verdict == Verdict::kHolds) == inside);
}

TEST_CASE("a cap that saves as measured holds, one that saves nothing does not", "[claims]") {
  const auto capped = [](double time, double energy) {
    return [=](const std::vector<RunRequest>& requests) {
      std::vector<RunOutcome> out = roofline_source(requests);
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (requests[i].power_cap_w != 175) continue;
        out[i].seconds *= time;
        out[i].energy_j *= energy;
      }
      return out;
    };
  };
  const auto like = evaluate(capped(1.067, 0.768));
  CHECK(row(like, "power-cap").verdict == Verdict::kHolds);
  CHECK(figure(row(like, "power-cap"), "energy saved") == Approx(23.2));
  CHECK(figure(row(like, "power-cap"), "time lost") == Approx(6.7));
  CHECK(row(evaluate(capped(1.0, 1.0)), "power-cap").verdict == Verdict::kNotReproduced);
  CHECK(row(evaluate(capped(1.25, 0.77)), "power-cap").verdict == Verdict::kNotReproduced);
}

TEST_CASE("smaller weights are tried where the batch alone does not reach the claim", "[claims]") {
  // A machine four times slower than the roofline: 64 sequences in fp16 take 21 GPU-seconds.
  const RunSource slow = [](const std::vector<RunRequest>& requests) {
    std::vector<RunOutcome> out = roofline_source(requests);
    for (RunOutcome& o : out) o.tokens_per_s /= 4.0;
    return out;
  };
  const auto rows = evaluate(slow);
  const ClaimRow& batched = row(rows, "tenth-of-a-cent");
  CHECK(batched.verdict == Verdict::kHoldsIf);
  CHECK_THAT(batched.conclusion, Catch::Contains("w8a16"));
  CHECK(figure(batched, "batch that reaches them with w8a16") <= 64.0);
  CHECK(std::isnan(figure(batched, "batch that reaches those seconds")));
}

TEST_CASE("answers follow the runs, they are not typed in", "[claims]") {
  const RunSource faster = [](const std::vector<RunRequest>& requests) {
    std::vector<RunOutcome> out = roofline_source(requests);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (requests[i].on != "tpu-v4") continue;
      out[i].seconds /= 2.0;
      out[i].tokens_per_s *= 2.0;
    }
    return out;
  };
  const auto slow = evaluate(roofline_source), fast = evaluate(faster);
  CHECK(row(slow, "tpu-v4").verdict == Verdict::kNotReproduced);
  CHECK(row(fast, "tpu-v4").verdict != Verdict::kNotReproduced);
  CHECK(figure(row(fast, "tpu-v4"), "speed over an A100, per chip") ==
        Approx(2 * figure(row(slow, "tpu-v4"), "speed over an A100, per chip")));
}
