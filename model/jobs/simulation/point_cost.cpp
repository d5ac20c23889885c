#include "jobs/simulation/point_cost.h"

#include <string>
#include <string_view>
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

nlohmann::ordered_json point_cost(const PointSpec& spec, const config::ChipConfig& chip) {
  const CostSets sets = cost_sets(spec);
  const std::string identity = config::to_yaml(config::dump(chip)) + join(sets.product, "\n") +
                               "\n\n" + join(sets.constants, "\n");
  // The scenarios of a design ask for the same chip one after the other, and cost files are read
  // once: both answers are kept for as long as the question stays the same.
  static std::string last_identity;
  static nlohmann::ordered_json last_cost;
  if (identity == last_identity) return last_cost;
  cost::Constants constants = cost::Constants::load(sets.constants);
  const cost::CostSubject subject = cost::make_subject(chip, constants, sets.product);
  last_cost = cost::nominal_cost_json(subject, constants);
  last_identity = identity;
  return last_cost;
}

double usd_per_mtok(const nlohmann::ordered_json& cost, double chips, double tokens_per_s) {
  const double per_second = cost.at("usd_per_chip_hour").get<double>() * chips / kSecondsPerHour;
  return per_second / tokens_per_s * kTokensPerMtok;
}

}  // namespace athena::jobs
