#include "jobs/point.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace athena;
using namespace athena::jobs;

namespace {
PointSpec full_spec() {
  PointSpec spec;
  spec.on = "some-chip";
  spec.sets = {"hbm.stacks=5", "clock.core=1.5 GHz"};
  spec.power_cap_w = 432.5;
  spec.rtl = {{"systolic_array", "lockstep"}};
  spec.model = "a model's file.json";
  spec.op_sizes = {{"m", 128}, {"k", 64}};
  spec.phase = "decode";
  spec.batch = 8;
  spec.tp = 4;
  spec.zero = 3;
  spec.recompute = "full";
  spec.functional = true;
  spec.fidelity = "analytic";
  spec.seed = 0xffffffffffffffffULL;
  return spec;
}
}  // namespace

TEST_CASE("a point survives the way to text and back") {
  CHECK(point_from_text(canonical_text(full_spec())) == full_spec());
  CHECK(point_from_text(canonical_text(PointSpec{})) == PointSpec{});
}

TEST_CASE("canonical text leaves defaults out and is independent of how a spec came about") {
  CHECK(canonical_text(PointSpec{}) == "{}");
  PointSpec one;
  set_field(one, "tp", "4");
  set_field(one, "batch", "8");
  PointSpec other;
  other.batch = 8;
  other.tp = 4;
  CHECK(canonical_text(one) == canonical_text(other));
  CHECK(canonical_text(point_from_text(R"({"tp": 4, "batch": 8})")) == canonical_text(other));
}

TEST_CASE("every field can be set by its name and then shows in the text") {
  for (const std::string& name : field_names()) {
    PointSpec spec;
    if (name == "sets") {
      set_field(spec, "set", "a.b=1");
    } else if (name == "rtl" || name == "op_sizes") {
      set_field(spec, name + ".x", "7");
    } else if (name == "phase") {
      set_field(spec, name, "train");
    } else if (name == "cost") {
      set_field(spec, name, "nominal");
    } else if (name == "recompute") {
      set_field(spec, name, "full");
    } else if (name == "fidelity") {
      set_field(spec, name, "detailed");
    } else if (name == "all_ranks" || name == "functional" || name == "sequence_parallel") {
      set_field(spec, name, "true");
    } else {
      set_field(spec, name, "3");
    }
    INFO(name);
    CHECK(to_json(spec).size() == 1);
    CHECK(to_json(spec).contains(name));
    CHECK(point_from_text(canonical_text(spec)) == spec);
  }
}

TEST_CASE("bad fields are refused with the field and the nearest name") {
  PointSpec spec;
  CHECK_THROWS_WITH(set_field(spec, "bacth", "1"), Catch::Contains("Did you mean 'batch'"));
  CHECK_THROWS_WITH(set_field(spec, "phase", "decod"), Catch::Contains("Did you mean 'decode'"));
  CHECK_THROWS_WITH(set_field(spec, "batch", "-1"), Catch::Contains("batch is '-1'"));
  CHECK_THROWS_WITH(set_field(spec, "batch", "1.5"), Catch::Contains("whole number"));
  CHECK_THROWS_WITH(set_field(spec, "zero", "4"), Catch::Contains("0, 1, 2, 3"));
  CHECK_THROWS_WITH(set_field(spec, "functional", "yes"), Catch::Contains("true or false"));
  CHECK_THROWS_WITH(set_field(spec, "set", "novalue"), Catch::Contains("path=value"));
  CHECK_THROWS_AS(set_field(spec, "power_cap_w", "much"), InputError);
  CHECK_THROWS_AS(point_from_text("{\"bacth\":1}"), InputError);
  CHECK_THROWS_AS(point_from_text("{\"batch\":\"8\"}"), InputError);
  CHECK_THROWS_AS(point_from_text("{\"batch\":-8}"), InputError);
  CHECK_THROWS_AS(point_from_text("[]"), InputError);
  CHECK_THROWS_AS(point_from_text("{"), InputError);
  CHECK(spec == PointSpec{});
}

TEST_CASE("the command line names every field that was said, quoted where needed") {
  PointSpec spec = full_spec();
  spec.op_sizes.clear();
  const std::string command = command_line(spec);
  CHECK_THAT(command, Catch::StartsWith("athena run 'a model'\\''s file.json' --on some-chip"));
  CHECK_THAT(command, Catch::Contains("--set hbm.stacks=5 --set 'clock.core=1.5 GHz'"));
  CHECK_THAT(command, Catch::Contains("--power-cap 432.5W"));
  CHECK_THAT(command, Catch::Contains("--rtl systolic_array=lockstep"));
  CHECK_THAT(command, Catch::Contains("--functional"));
  CHECK_THAT(command, !Catch::Contains("--pp"));
}
