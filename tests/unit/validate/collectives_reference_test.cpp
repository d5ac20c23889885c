#include "validate/collectives_reference.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"

using namespace athena;
using namespace athena::validate;

namespace {

std::filesystem::path write(const std::string& name, const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / ("athena_collectives_" + name);
  write_file_atomically(path, text);
  return path;
}

std::filesystem::path shared(const std::string& path) {
  return std::filesystem::path(ATHENA_SOURCE_DIR) / ".." / "shared" / "reference" / path;
}

}  // namespace

TEST_CASE("ASTRA-sim's semantics: binary gigabytes, whole chunks, sizes per rank") {
  // By hand: 8 chips on a ring, 1 MiB per rank gathered: 7 x (1 MiB / 50 GiB/s + 500 + 10 ns).
  const auto file =
      write("astra.csv",
            "topology,npus,link_bw_GBps_config,link_latency_ns,collective,algorithm,dataset_splits,"
            "size_bytes,time_ns\nRing,8,50,500,ALL_GATHER,ring,1,1048576,140288.75\n"
            "Switch,8,50,500,ALL_GATHER,ring,1,1048576,280507.5\n"
            "Torus,8,50,500,ALL_GATHER,ring,1,1048576,1\n");
  const ErrorTable table = validate_collectives(file, {});
  CHECK(table.overall.n == 2);
  CHECK(table.overall.max_ape < 1e-4);
  REQUIRE(table.skipped.size() == 1);
  CHECK(table.skipped[0].reason.find("Torus") != std::string::npos);
}

TEST_CASE("tables of bus bandwidth need to know where they were measured") {
  const auto file = write("busbw.csv", "bytes,busbw_GBps\n1073741824,230\n");
  CHECK_THROWS_WITH(validate_collectives(file, {}), Catch::Matchers::Contains("--system"));
  CollectivesOptions options;
  options.system = "dgx-a100-80gb";
  const ErrorTable table = validate_collectives(file, options);
  CHECK(table.overall.n == 1);
  CHECK(table.figures[0].model == Approx(230).epsilon(0.1));
  CHECK_THROWS_WITH(validate_collectives(write("other.csv", "a,b\n1,2\n"), options),
                    Catch::Matchers::Contains("bytes, busbw_GBps"));
}

TEST_CASE("ASTRA-sim's rows within 5 %") {
  const auto file = shared("interconnect/astra_sim_collectives.csv");
  if (!std::filesystem::exists(file)) {
    WARN("skipped: the reference runs of ASTRA-sim are not on this machine");
    return;
  }
  const ErrorTable table = validate_collectives(file, {});
  CHECK(table.skipped.empty());
  CHECK(table.overall.n > 100);
  CHECK(table.overall.max_ape < 0.05);
}

TEST_CASE("all-reduce on 2, 4 and 8 A100 within 7 % from 4 MB") {
  const auto file = shared("measured/a100.csv");
  if (!std::filesystem::exists(file)) {
    WARN("skipped: the measured figures are not on this machine");
    return;
  }
  const ErrorTable table = validate_collectives(file, {});
  CHECK(table.overall.n >= 24);
  CHECK(table.overall.mape < 0.07);
  CHECK(table.overall.spearman > 0.97);
  for (const Figure& f : table.figures) CHECK(f.model < 4 * f.measured);  // order of magnitude
}
