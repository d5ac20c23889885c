#include "jobs/simulation/point_cost.h"

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "config/config.h"
#include "cost/report.h"

namespace athena::jobs {
namespace {

constexpr std::string_view kCost = "cost.";
constexpr std::string_view kProduct = "cost.product.";
constexpr double kSecondsPerHour = 3600.0;
constexpr double kTokensPerMtok = 1e6;

struct CostSets {
  std::vector<std::string> product;
  std::vector<std::string> constants;
};

CostSets cost_sets(const PointSpec& spec) {
  CostSets out;
  for (const std::string& set : spec.sets) {
    if (set.rfind(kProduct, 0) == 0) {
      out.product.push_back(set.substr(kProduct.size()));
    } else if (set.rfind(kCost, 0) == 0) {
      out.constants.push_back(set.substr(kCost.size()));
    }
  }
  return out;
}

}  // namespace

nlohmann::ordered_json point_cost(const PointSpec& spec, const Machine& machine) {
  const CostSets sets = cost_sets(spec);
  const std::string constant_sets = join(sets.constants, "\n");
  const std::string identity =
      machine.chip_text + join(sets.product, "\n") + "\n\n" + constant_sets;
  // The scenarios of a design ask for the same chip, for their keys and again for their results,
  // and cost files are read once.
  constexpr std::size_t kMostKnown = 256;
  static std::unordered_map<std::string, nlohmann::ordered_json> known;
  static std::map<std::string, cost::Constants> tables;
  if (const auto found = known.find(identity); found != known.end()) return found->second;
  if (known.size() >= kMostKnown) known.clear();
  if (tables.count(constant_sets) == 0) {
    if (tables.size() >= kMostKnown) tables.clear();
    tables.emplace(constant_sets, cost::Constants::load(sets.constants));
  }
  cost::Constants constants = tables.at(constant_sets);
  const cost::CostSubject subject = cost::make_subject(machine.chip, constants, sets.product);
  return known.emplace(identity, cost::nominal_cost_json(subject, constants)).first->second;
}

double usd_per_mtok(const nlohmann::ordered_json& cost, double chips, double tokens_per_s) {
  const double per_second = cost.at("usd_per_chip_hour").get<double>() * chips / kSecondsPerHour;
  return per_second / tokens_per_s * kTokensPerMtok;
}

}  // namespace athena::jobs
