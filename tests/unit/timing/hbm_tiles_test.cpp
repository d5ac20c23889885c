#include "timing/hbm_tiles.h"

#include <catch2/catch.hpp>

#include "timing/hbm_load.h"

using namespace athena;

TEST_CASE(
    "tile stretch: never faster than a stream, the same when asked again, a stream when long") {
  for (const char* name : {"HBM2-2.0Gbps-8Gb", "HBM2E-3.2Gbps-derived", "HBM3-6.4Gbps-16Gb8hi"}) {
    const timing::HbmSpec spec =
        timing::make_spec({.timing = name, .stacks = 4, .interleave = Bytes(512)});
    for (const std::int64_t bytes : {64, 128, 256, 512, 1024, 4096}) {
      const double stretch = timing::tile_stretch(spec, bytes);
      INFO(name << " " << bytes);
      CHECK(stretch >= 1.0);
      CHECK(stretch < 3.0);
      CHECK(timing::tile_stretch(spec, bytes) == stretch);
      CHECK(timing::tile_stretch(spec, bytes - 1) == stretch);  // rounded up to the power of two
    }
    CHECK(timing::tile_stretch(spec, 16384) == 1.0);
  }
}

TEST_CASE("tile stretch: segments as wide as the interleave lose bandwidth to rows and banks") {
  const timing::HbmSpec spec =
      timing::make_spec({.timing = "HBM2E-3.2Gbps-derived", .stacks = 5, .interleave = Bytes(512)});
  CHECK(timing::tile_stretch(spec, 512) > 1.02);
}
