#pragma once
/// A cheap simulator for the tests of jobs, explore and the sweep command: a chip in closed form,
/// and points that crash, hang, leak or die once when asked to.
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "jobs/evaluator.h"

namespace athena::jobs::testing {

/// Keys it knows (all as --set on `on`): design keys `array tiles sram_mib stacks clock` (clock
/// with unit GHz), `unused` (accepted, changes nothing), and `test.NAME` for behaviour: crash,
/// hang, leak, abort, finding = 1; die_once = FILE (SIGKILL itself unless FILE exists); spin_us = N
/// (busy for that long); elaborate = K (elaboration key K).
class TestEvaluator : public Evaluator {
 public:
  [[nodiscard]] std::string key(const PointSpec& spec) override;
  [[nodiscard]] std::string elaboration_key(const PointSpec& spec) override;
  [[nodiscard]] nlohmann::ordered_json evaluate(const PointSpec& spec) override;

 private:
  std::string elaborated_;
  int elaborations_ = 0;
};

void register_test_evaluator();

/// A scratch folder that is removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }
  [[nodiscard]] const std::string& root() const { return root_; }

 private:
  std::string root_;
};

namespace detail {

using Settings = std::map<std::string, std::string>;

inline const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> keys = {
      "array",        "tiles",          "sram_mib",   "stacks",      "clock",
      "unused",       "test.crash",     "test.hang",  "test.leak",   "test.die_once",
      "test.spin_us", "test.elaborate", "test.abort", "test.finding"};
  return keys;
}

inline Settings settings_of(const PointSpec& spec) {
  Settings settings{
      {"array", "64"}, {"tiles", "64"}, {"sram_mib", "4"}, {"stacks", "4"}, {"clock", "1.5 GHz"}};
  for (const std::string& set : spec.sets) {
    const std::size_t equals = set.find('=');
    std::string key = set.substr(0, equals);
    if (key.rfind("chip.", 0) == 0) key = key.substr(5);
    bool known = false;
    for (const std::string& candidate : known_keys()) known = known || candidate == key;
    if (!known) {
      throw InputError("the test chip has no key '" + key + "'." + did_you_mean(key, known_keys()));
    }
    settings[key] = set.substr(equals + 1);
  }
  return settings;
}

inline double number(const Settings& settings, const std::string& key) {
  return std::strtod(settings.at(key).c_str(), nullptr);
}

/// Processor time, so that a busy machine does not shorten the work.
inline void spin(double microseconds) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e6 * static_cast<double>(t.tv_sec) + 1e-3 * static_cast<double>(t.tv_nsec);
  };
  const double start = now();
  while (now() - start < microseconds) {
  }
}

inline void misbehave(const Settings& settings) {
  if (settings.count("test.crash") != 0) raise(SIGSEGV);
  if (settings.count("test.abort") != 0) {
    const std::string words = "the test point gave up\n";
    if (write(STDERR_FILENO, words.data(), words.size()) < 0) _exit(9);
    std::abort();
  }
  if (settings.count("test.hang") != 0) {
    for (;;) pause();
  }
  if (settings.count("test.leak") != 0) {
    constexpr std::size_t kPiece = std::size_t{16} << 20U;
    std::vector<std::unique_ptr<std::vector<char>>> hoard;
    for (;;) hoard.push_back(std::make_unique<std::vector<char>>(kPiece, 'x'));
  }
  if (const auto once = settings.find("test.die_once"); once != settings.end()) {
    if (!std::filesystem::exists(once->second)) {
      std::ofstream(once->second) << "died\n";
      raise(SIGKILL);
    }
  }
  if (settings.count("test.finding") != 0) throw Finding("the test model does not fit");
  if (settings.count("test.spin_us") != 0) spin(number(settings, "test.spin_us"));
}

}  // namespace detail

inline std::string TestEvaluator::key(const PointSpec& spec) {
  // Only what matters: `unused` is not part of it, nor how the settings were written.
  detail::Settings settings = detail::settings_of(spec);
  settings.erase("unused");
  std::string text = spec.on + "|" + spec.model + "|" + spec.phase + "|" + spec.fidelity;
  for (const std::int64_t value : {spec.batch, spec.input, spec.output, spec.tp}) {
    text += "|" + std::to_string(value);
  }
  for (const auto& [key, value] : settings) text += "|" + key + "=" + value;
  return content_hash(text);
}

inline std::string TestEvaluator::elaboration_key(const PointSpec& spec) {
  if (spec.fidelity == "analytic") return "";
  const detail::Settings settings = detail::settings_of(spec);
  const auto chosen = settings.find("test.elaborate");
  return chosen == settings.end() ? "one" : chosen->second;
}

inline nlohmann::ordered_json TestEvaluator::evaluate(const PointSpec& spec) {
  const detail::Settings settings = detail::settings_of(spec);
  if (const std::string wanted = elaboration_key(spec); !wanted.empty() && wanted != elaborated_) {
    if (++elaborations_ > 1) throw InternalError("one process was asked to elaborate twice");
    elaborated_ = wanted;
  }
  detail::misbehave(settings);
  // A chip in closed form (figures of merit only): compute against memory, area against clock.
  const double array = detail::number(settings, "array");
  const double tiles = detail::number(settings, "tiles");
  const double sram = detail::number(settings, "sram_mib");
  const double stacks = detail::number(settings, "stacks");
  const double clock = detail::number(settings, "clock") * 1e9;
  const double batch = static_cast<double>(std::max<std::int64_t>(1, spec.batch));
  const double chips = static_cast<double>(std::max<std::int64_t>(1, spec.tp));
  const double use = 1.0 / (1.0 + array / 512.0) * (1.0 - std::exp(-sram / 2.0));
  const double flops = 2.0 * array * array * tiles * clock * use * chips;
  const double bandwidth = stacks * 410e9 * chips;
  const bool decode = spec.phase != "train" && spec.phase != "prefill";
  const double work = decode ? 14e9 * batch : 14e12 * batch;
  const double compute_s = work / flops;
  const double memory_s = (14e9 + batch * 1e8) / bandwidth;
  // The finer tier sees what the closed form does not: a little more time, unevenly.
  const double tier = spec.fidelity == "analytic" ? 1.0 : 1.05 + 0.02 * std::sin(array + tiles);
  const double time_s = std::max(compute_s, memory_s) * tier;
  const double area = tiles * (array * array * 2.2e-4 + sram * 0.5) + stacks * 11.0 + 60.0;
  const double power = 60.0 + flops * 4e-13 / chips * (clock / 1.5e9) + bandwidth * 5e-11 / chips;
  return {{"time_s", time_s},
          {"tokens_per_s", batch / time_s},
          {"mfu", compute_s / time_s},
          {"energy_j", power * time_s},
          {"power_w", power},
          {"cost",
           {{"area_mm2", area},
            {"manufacturing_usd", {{"nominal", 20.0 + area * 0.9 + stacks * 180.0}}}}}};
}

inline void register_test_evaluator() {
  set_evaluator_factory([] { return std::make_unique<TestEvaluator>(); });
}

inline TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "athena-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw MachineError("cannot make a scratch folder");
  root_ = pattern;
}
inline TempDir::~TempDir() {
  std::filesystem::remove_all(root_);
}

}  // namespace athena::jobs::testing
