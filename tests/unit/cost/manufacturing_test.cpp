#include "cost/manufacturing.h"

#include <catch2/catch.hpp>

#include "base/error.h"
#include "chips_fixture.h"

using namespace athena;
using namespace athena::cost;
using namespace athena::cost::test;

namespace {
CostSample nominal_of(const CostSubject& subject, const CostOptions& options = {}) {
  Constants constants = Constants::load();
  const CostModel model(subject.chip, subject.product, constants, options);
  return model.evaluate(constants.nominal());
}
}  // namespace

TEST_CASE("the parts add up and the three prices stay apart", "[manufacturing]") {
  for (const CostSubject& subject : {a100(), h100(), athena_chip()}) {
    const CostSample s = nominal_of(subject);
    CHECK(s.manufacturing == Approx(s.dies + s.memory + s.interposer + s.substrate +
                                    s.bonding_loss + s.test + s.module));
    CHECK(s.with_nre == Approx(s.manufacturing + s.nre_per_chip));
    CHECK(s.manufacturing < s.with_nre);
    CHECK(s.with_nre < s.purchase);
  }
  CHECK(nominal_of(a100()).purchase == 16500.0);
}

TEST_CASE("an A100's die: wafer price over 66 dies and the harvest", "[manufacturing]") {
  const CostSample s = nominal_of(a100());
  // 9346 $ / (66 x yield); a perfect die would yield 0.49.
  CHECK(s.dies == Approx(9346.0 / (66 * s.yield)));
  CHECK(s.yield > 0.74);
  CHECK(s.yield < 0.85);
  CHECK(s.memory == Approx(80 * 12.0 + 5.0));  // five stacks and a blank
  CHECK(s.manufacturing > 2000.0);
  CHECK(s.manufacturing < 2900.0);
}

TEST_CASE("volume spreads development, and only that", "[manufacturing]") {
  const CostSubject chip = athena_chip();
  const CostSample few = nominal_of(chip, {.volume = 50000});
  const CostSample many = nominal_of(chip, {.volume = 400000});
  CHECK(few.manufacturing == many.manufacturing);
  CHECK(few.nre_per_chip == Approx(8 * many.nre_per_chip));
  CHECK_THROWS_WITH(nominal_of(chip, {.volume = 0}), Catch::Contains("above 0"));
  CHECK_THROWS_AS(nominal_of(chip, {.volume = -5}), InputError);
}

TEST_CASE("dearer inputs never make a chip cheaper", "[manufacturing]") {
  Constants constants = Constants::load();
  const CostSubject chip = a100();
  const CostModel model(chip.chip, chip.product, constants, {});
  const double base = model.evaluate(constants.nominal()).manufacturing;
  for (const char* name :
       {"wafer_price_N7", "hbm_price_HBM2E", "wafer_price_interposer", "defects_N7",
        "defects_interposer", "module_sxm", "test_and_assembly", "edge_exclusion", "scribe"}) {
    INFO(name);
    Values values = constants.nominal();
    values[constants.index(name)] = constants.at(name).high;
    CHECK(model.evaluate(values).manufacturing > base);
  }
  Values better = constants.nominal();
  better[constants.index("bond_yield")] = constants.at("bond_yield").high;
  CHECK(model.evaluate(better).manufacturing < base);
}

TEST_CASE("small dies of one package cost less than one large die", "[manufacturing]") {
  CostSubject one = athena_chip();
  one.product.dies.front().repairable = 0.0;
  CostSubject four = one;
  four.product.dies.front().from_chip = false;
  four.product.dies.front().area = SquareMm(205);
  four.product.dies.front().width_mm = 0.0;
  four.product.dies.front().count = 4;
  const CostSample large = nominal_of(one), small = nominal_of(four);
  CHECK(small.dies < large.dies);
  CHECK(small.bonding_loss > 0.0);
  CHECK(small.yield > large.yield);
}

TEST_CASE("a die over the reticle is a finding with the largest that fits", "[manufacturing]") {
  CostSubject chip = athena_chip();
  chip.chip.technology.die_area = SquareMm(1000);
  chip.product.dies.front().width_mm = 0.0;
  Constants constants = Constants::load();
  const CostModel model(chip.chip, chip.product, constants, {});
  const auto findings = model.findings(constants.nominal());
  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings.front(), Catch::Contains("exceeds the reticle") && Catch::Contains("858"));
  const CostSubject fits = athena_chip();
  CHECK(CostModel(fits.chip, fits.product, constants, {}).findings(constants.nominal()).empty());
}

TEST_CASE("without a published area the model's area decides", "[manufacturing]") {
  CostSubject chip = athena_chip();
  const CostSample published = nominal_of(chip);
  const CostSample modelled = nominal_of(chip, {.area_from_model = true});
  CHECK(published.area_mm2 == 820.0);
  CHECK(modelled.area_mm2 < 820.0);
  CHECK(modelled.dies < published.dies);
  chip.product.dies.front().harvest = {{.blocks = {"coers"}, .copies = 4, .needed = 3}};
  CHECK_THROWS_WITH(nominal_of(chip), Catch::Contains("Did you mean 'cores'"));
}

TEST_CASE("every product file can be read", "[manufacturing]") {
  for (const std::string& name : config::list_documents("cost/products")) {
    INFO(name);
    const auto product = config::load<ProductConfig>(name, "cost/products");
    CHECK(product.name == name);
  }
}
