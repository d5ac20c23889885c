// Figures of a few runs, to the last digit that a sum of doubles keeps. They change only when the
// model, a chip or the compiler changes; then a person looks at the difference and runs
// scripts/golden. A failure here without such a change means that results depend on something they
// must not.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

nlohmann::json run(const std::string& arguments) {
  const std::string command =
      "cd " ATHENA_SOURCE_DIR " && " ATHENA_BINARY " run " + arguments + " --json 2>/dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
    text.append(part.data(), n);
  REQUIRE(pclose(pipe) == 0);
  return nlohmann::json::parse(text);
}

}  // namespace

TEST_CASE("figures are those that a person has accepted") {
  std::ifstream file(ATHENA_SOURCE_DIR "/tests/golden/figures.json");
  const nlohmann::json figures = nlohmann::json::parse(file);
  REQUIRE(figures.size() >= 8);
  for (const nlohmann::json& figure : figures) {
    const std::string arguments = figure.at("run");
    CAPTURE(arguments);
    INFO("if the change is meant, look at the difference and run scripts/golden");
    const nlohmann::json result = run(arguments);
    CHECK(result.at("provenance").at("config_hash") == figure.at("config_hash"));
    for (const auto& [key, value] : figure.at("figures").items()) {
      CAPTURE(key);
      CHECK(result.at(nlohmann::json::json_pointer(key)).get<double>() ==
            Approx(value.get<double>()).epsilon(1e-9));
    }
  }
}
