#include "noc/network.h"

#include "noc/detailed_network.h"
#include "noc/transaction_network.h"
#include "timing/noc_deadlock.h"

namespace athena::noc {

std::unique_ptr<Network> make_network(const char* name, const timing::NocSpec& spec, Tier tier,
                                      sim::Dispatcher& dispatcher) {
  timing::require_deadlock_free(timing::Topology(spec));
  if (tier == Tier::kDetailed) return std::make_unique<DetailedNetwork>(name, spec, dispatcher);
  return std::make_unique<TransactionNetwork>(name, spec, dispatcher);
}

}  // namespace athena::noc
