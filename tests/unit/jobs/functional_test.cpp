// The compiled program computes: if a tile, an address or a semaphore were wrong, its numbers would
// differ from the operator-by-operator float64 reference.
#include <catch2/catch.hpp>

#include "jobs/simulation/evaluate.h"

using namespace athena;

namespace {
double error(const std::string& model, const std::string& chip, const std::string& dtype, const std::string& phase,
             std::int64_t batch, std::int64_t input) {
  jobs::PointSpec spec;
  spec.model = model;
  spec.on = chip;
  spec.dtype = dtype;
  spec.phase = phase;
  spec.batch = batch;
  spec.input = input;
  spec.functional = true;
  jobs::PointRunner runner(spec);
  return runner.run(spec).functional.at("rel_l2").get<double>();
}
}  // namespace

TEST_CASE("fp32 logits of the compiled program match the reference to 1e-5") {
  const std::string model = GENERATE("tiny-llama", "tiny-gpt2");
  const std::string chip = GENERATE("athena", "a100-sxm-80gb");
  const std::string phase = GENERATE("prefill", "decode");
  CAPTURE(model, chip, phase);
  REQUIRE(error(model, chip, "fp32", phase, 2, 33) < 1e-5);
}

TEST_CASE("bf16 logits match within the format's error") {
  const std::string model = GENERATE("tiny-llama", "tiny-gpt2");
  const std::string chip = GENERATE("athena", "a100-sxm-80gb");
  CAPTURE(model, chip);
  const double rel = error(model, chip, "bf16", "prefill", 1, 40);
  REQUIRE(rel < 1e-2);
  REQUIRE(rel > 1e-5);  // bf16 it is, not fp32 in disguise
}
