#include "cli/kinds.h"

#include "config/chip.h"
#include "config/stack.h"
#include "config/system.h"
#include "cost/claims.h"
#include "cost/constants.h"
#include "cost/product.h"
#include "explore/space.h"
#include "serving/engine_config.h"
#include "serving/trace_generator.h"
#include "timing/collective_library.h"
#include "timing/hbm_load.h"
#include "workload/transformer_schema.h"

namespace athena::cli {
namespace {

template <class T>
config::Kind kind(const char* name) {
  return {name, &schema_of(static_cast<const T*>(nullptr))};
}

/// Timing sets must not contradict themselves (tRC below tRAS + tRP).
config::Kind memory_kind() {
  config::Kind out = kind<timing::HbmTimingSet>("memory");
  out.check = [](const config::Node& document) { timing::check_timing(document); };
  return out;
}

/// A chip's memory must hang together: timing set, address map, capacity.
config::Kind chip_kind() {
  config::Kind out = kind<config::ChipConfig>("chips");
  out.check = [](const config::Node& document) { timing::check_memory(document); };
  return out;
}

/// Axes, expressions and units of a sweep must fit together.
config::Kind sweep_kind() {
  return {"sweeps", &explore::sweep_schema(),
          [](const config::Node& document) { (void)explore::space_from_node(document); }};
}

}  // namespace

const std::vector<config::Kind>& document_kinds() {
  static const std::vector<config::Kind> kinds{
      chip_kind(),
      memory_kind(),
      kind<config::SystemConfig>("systems"),
      kind<config::StackConfig>("stacks"),
      kind<timing::CollectiveLibrary>("stacks/collectives"),
      kind<cost::ConstantsFile>("cost"),
      kind<cost::ProductConfig>("cost/products"),
      kind<cost::ClaimsPlan>("claims"),
      sweep_kind(),
      kind<serving::ServiceConfig>("serving"),
      kind<workload::Transformer>("models"),
      kind<serving::TrafficSpec>("traces"),
  };
  return kinds;
}

}  // namespace athena::cli
