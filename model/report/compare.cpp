#include "report/compare.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace athena::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Keys of point.json that say what work was done; all others say where and how it was simulated.
/// Splits over chips are part of the machine, as `--vs` treats them, and the tokens that come out
/// are the same.
constexpr std::array<const char*, 13> kWorkload{
    "model",      "op",     "op_sizes",    "phase",        "batch",     "input", "output",
    "batch_spec", "layers", "micro_batch", "global_batch", "recompute", "zero"};

struct Folder {
  fs::path path;
  Json result;
  Json point;
};

Json parsed(const fs::path& path) {
  std::error_code failure;
  if (!fs::exists(path, failure)) {
    throw InputError(fmt::format("{} is missing; expected a folder that `athena run --out` wrote",
                                 path.string()));
  }
  try {
    return Json::parse(read_file(path));
  } catch (const Json::parse_error& reason) {
    throw InputError(fmt::format("{}: not JSON: {}", path.string(), reason.what()));
  }
}

Folder load(const fs::path& path) {
  return {path, parsed(path / "result.json"), parsed(path / "point.json")};
}

std::string text_of(const Json& point, const std::string& key) {
  if (!point.contains(key)) return "not given";
  const Json& value = point.at(key);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void refuse_different_work(const Folder& first, const Folder& second) {
  std::vector<std::string> differences;
  for (const std::string key : kWorkload) {
    if (key == "model") continue;  // by the name inside, so that a path and a name agree
    const std::string a = text_of(first.point, key);
    const std::string b = text_of(second.point, key);
    if (a != b) differences.push_back(fmt::format("{} ({} and {})", key, a, b));
  }
  for (const char* key : {"model", "parameters"}) {
    const std::string a = text_of(first.result, key);
    const std::string b = text_of(second.result, key);
    if (a != b) differences.push_back(fmt::format("{} ({} and {})", key, a, b));
  }
  const std::string a = text_of(first.point, "dtype");
  const std::string b = text_of(second.point, "dtype");
  if (a != b) differences.push_back(fmt::format("dtype ({} and {})", a, b));
  if (differences.empty()) return;
  throw InputError(fmt::format("{} and {} did different work, so a ratio would mean nothing: {}",
                               first.path.string(), second.path.string(), join(differences, ", ")));
}

Json ratio_of(double first, double second) {
  return second != 0.0 ? Json(first / second) : Json(nullptr);
}

Json quantities(const Json& first, const Json& second) {
  struct Quantity {
    const char* key;
    const char* unit;
  };
  constexpr std::array<Quantity, 8> kQuantities{{{"time_s", "s"},
                                                 {"tokens_per_s", "token/s"},
                                                 {"mfu", ""},
                                                 {"energy_j", "J"},
                                                 {"energy_per_token_j", "J"},
                                                 {"power_w", "W"},
                                                 {"usd_per_mtok", "USD"},
                                                 {"chips", ""}}};
  Json out = Json::array();
  for (const Quantity& quantity : kQuantities) {
    if (!first.contains(quantity.key) || !second.contains(quantity.key)) continue;
    const double a = first.at(quantity.key).get<double>();
    const double b = second.at(quantity.key).get<double>();
    out.push_back({{"quantity", quantity.key},
                   {"unit", quantity.unit},
                   {"first", a},
                   {"second", b},
                   {"ratio", ratio_of(a, b)}});
  }
  return out;
}

/// Seconds per (phase, kernel), in order of first appearance.
class KernelTimes {
 public:
  explicit KernelTimes(const Json& run) {
    for (const Json& phase : run.at("phases")) {
      for (const Json& kernel : phase.value("kernels", Json::array())) {
        const Key key{phase.at("name").get<std::string>(), kernel.at("name").get<std::string>()};
        if (seconds_.try_emplace(key, 0.0).second) order_.push_back(key);
        seconds_[key] += kernel.at("time_s").get<double>();
      }
    }
  }

  using Key = std::pair<std::string, std::string>;
  [[nodiscard]] const std::vector<Key>& order() const { return order_; }
  [[nodiscard]] Json at(const Key& key) const {
    const auto found = seconds_.find(key);
    return found == seconds_.end() ? Json(nullptr) : Json(found->second);
  }

 private:
  std::vector<Key> order_;
  std::map<Key, double> seconds_;
};

Json kernels(const Json& first, const Json& second) {
  const KernelTimes ours(first);
  const KernelTimes theirs(second);
  Json out = Json::array();
  const auto add = [&](const KernelTimes::Key& key) {
    const Json a = ours.at(key);
    const Json b = theirs.at(key);
    const bool both = a.is_number() && b.is_number();
    out.push_back({{"phase", key.first},
                   {"kernel", key.second},
                   {"first_s", a},
                   {"second_s", b},
                   {"ratio", both ? ratio_of(a.get<double>(), b.get<double>()) : Json(nullptr)}});
  };
  for (const auto& key : ours.order()) add(key);
  for (const auto& key : theirs.order()) {
    if (ours.at(key).is_null()) add(key);
  }
  return out;
}

Json side(const Folder& folder) {
  const Json provenance = folder.result.value("provenance", Json::object());
  return {{"folder", folder.path.string()},
          {"chip", folder.result.at("chip")},
          {"fidelity", folder.result.value("fidelity", "")},
          {"config_hash", provenance.value("config_hash", "")},
          {"version", provenance.value("version", "")}};
}

}  // namespace

Json compare(const fs::path& first_path, const fs::path& second_path) {
  const Folder first = load(first_path);
  const Folder second = load(second_path);
  refuse_different_work(first, second);
  Json workload{{"model", first.result.at("model")}};
  for (const std::string key : kWorkload) {
    if (key != "model" && first.point.contains(key)) workload[key] = first.point.at(key);
  }
  Json out{{"workload", std::move(workload)}, {"first", side(first)}, {"second", side(second)}};
  out["ratios"] = quantities(first.result, second.result);
  out["kernels"] = kernels(first.result, second.result);
  return out;
}

}  // namespace athena::report
