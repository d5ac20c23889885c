#include "jobs/simulation/machine.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/config.h"
#include "cosim/chip_blocks.h"
#include "jobs/simulation/fabric_runs.h"
#include "timing/collective.h"
#include "timing/hbm_load.h"
#include "timing/link_fabric.h"
#include "timing/noc_deadlock.h"

namespace athena::jobs {
namespace {

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

/// The overrides that belong to one document, without its prefix.
std::vector<std::string> sets_of(const PointSpec& spec, const std::string& document, bool is_root) {
  std::vector<std::string> result;
  for (const std::string& set : spec.sets) {
    if (starts_with(set, document + ".")) {
      result.push_back(set.substr(document.size() + 1));
      continue;
    }
    const bool elsewhere = starts_with(set, "chip.") || starts_with(set, "system.") ||
                           starts_with(set, "stack.") || starts_with(set, "cost.");
    if (is_root && !elsewhere) result.push_back(set);
  }
  return result;
}

bool is_system(const std::string& name) {
  if (name.find('/') != std::string::npos || name.find(".yaml") != std::string::npos) {
    return name.find("systems") != std::string::npos;
  }
  const auto knows = [&](const char* kind) {
    try {
      (void)config::find_document(name, kind);
      return true;
    } catch (const InputError&) {
      return false;
    }
  };
  return !knows("chips") && knows("systems");
}

[[noreturn]] void unknown(const std::string& name) {
  std::vector<std::string> names = config::list_documents("chips");
  const std::vector<std::string> systems = config::list_documents("systems");
  names.insert(names.end(), systems.begin(), systems.end());
  throw InputError("there is no chip or system '" + name +
                   "' in configs/chips or configs/systems." + did_you_mean(name, names));
}

void check_size(const Machine& machine, std::int64_t chips, const std::string& on) {
  if (chips <= 1) return;
  if (!machine.system) {
    throw InputError(
        "'" + on +
        "' is a single chip without a default system; name a system of configs/systems with --on.");
  }
  if (chips > machine.system->chips()) {
    throw InputError("the parallelism needs " + std::to_string(chips) + " chips, but '" +
                     machine.system->name + "' has " + std::to_string(machine.system->chips()) +
                     "; give --nodes or a smaller --tp, --pp, --dp, --cp.");
  }
}

/// The chip's network cannot deadlock, whatever its keys say: proved once per network.
void check_network(const config::ChipConfig& chip) {
  const timing::NocSpec spec = timing::noc_spec(chip);
  std::string key = std::to_string(static_cast<int>(spec.kind));
  for (const int value :
       {spec.rows, spec.cols, spec.terminals_per_router, spec.virtual_channels,
        spec.message_classes, static_cast<int>(spec.routing), spec.reroute ? 1 : 0}) {
    key += ' ' + std::to_string(value);
  }
  for (const int router : spec.extra_terminals) key += ' ' + std::to_string(router);
  for (const auto& [from, to] : spec.dead_links) {
    key += ' ' + std::to_string(from) + '-' + std::to_string(to);
  }
  static std::set<std::string> proved;
  if (proved.count(key) > 0) return;
  timing::require_deadlock_free(timing::Topology(spec));
  proved.insert(key);
}

}  // namespace

std::string Machine::chip_hash() const {
  return content_hash(chip_text);
}

SquareMm Machine::silicon() const {
  const double area = chip.technology.die_area.value() * std::max(1, chip.technology.dies);
  return SquareMm(area > 0 ? area : 400.0);
}

Machine resolve_machine(const PointSpec& spec) {
  if (spec.on.empty()) throw InputError("say what to run on: --on CHIP or --on SYSTEM.");
  Machine machine;
  const bool system = is_system(spec.on);
  const auto at_least_one = [](std::int64_t n) { return std::max<std::int64_t>(1, n); };
  const std::int64_t chips =
      at_least_one(spec.tp) * at_least_one(spec.pp) * at_least_one(spec.dp) * at_least_one(spec.cp);
  std::string chip_name = spec.on;
  if (system) {
    machine.system =
        config::load_system(spec.on, sets_of(spec, "system", true), static_cast<int>(spec.nodes));
    chip_name = machine.system->chip;
    if (chips > machine.system->chips() && spec.nodes == 0) {
      // Whoever names a system without saying how many nodes gets as many as the chips need.
      const std::int64_t nodes = ceil_div<std::int64_t>(chips, machine.system->chips_per_node);
      if (machine.system->domain == 0 && machine.system->network.nics > 0) {
        machine.system =
            config::load_system(spec.on, sets_of(spec, "system", true), static_cast<int>(nodes));
      }
    }
  } else if (spec.on.find('/') == std::string::npos) {
    try {
      (void)config::find_document(spec.on, "chips");
    } catch (const InputError&) {
      unknown(spec.on);
    }
  }
  const config::Node node = config::resolve(chip_name, "chips", sets_of(spec, "chip", !system));
  machine.chip = config::bind<config::ChipConfig>(node);
  timing::check_memory(node);
  machine.chip_text = config::to_yaml(config::dump(machine.chip));
  check_network(machine.chip);
  machine.backends = cosim::backends_of(machine.chip, spec.rtl);
  if (!system && !machine.chip.default_system.empty() && (chips > 1 || spec.nodes > 1)) {
    machine.system = config::load_system(
        machine.chip.default_system, sets_of(spec, "system", false), static_cast<int>(spec.nodes));
    if (chips > machine.system->chips() && spec.nodes == 0) {
      // The other side of a comparison gets as many nodes of its own kind as the chips need.
      const std::int64_t nodes = ceil_div<std::int64_t>(chips, machine.system->chips_per_node);
      machine.system = config::load_system(machine.chip.default_system,
                                           sets_of(spec, "system", false), static_cast<int>(nodes));
    }
  }
  const std::string stack = spec.stack.empty() ? machine.chip.default_stack : spec.stack;
  machine.stack = config::load<config::StackConfig>(stack, "stacks", sets_of(spec, "stack", false));
  machine.library = timing::load_collective_library(machine.stack.collectives);
  machine.power_cap = Watts(spec.power_cap_w);
  machine.all_ranks = spec.all_ranks;
  if (machine.system && !machine.system->fabric.dead_links.empty()) {
    (void)timing::fabric_graph(*machine.system);  // says who is cut off
  }
  check_size(machine, chips, spec.on);
  machine.text = machine.chip_text + config::to_yaml(config::dump(machine.stack)) +
                 config::to_yaml(config::dump(machine.library));
  if (machine.system) machine.text += config::to_yaml(config::dump(*machine.system));
  return machine;
}

Seconds transfer_time(const Machine& machine, const std::string& kind, std::int64_t bytes,
                      int ranks, int stride) {
  if (ranks <= 1) return Seconds(0);
  if (!machine.system)
    throw InputError("'" + machine.chip.name +
                     "' has no default system to move data between chips.");
  const bool pair = starts_with(kind, "send") || starts_with(kind, "recv");
  const timing::CollectiveKind what =
      pair ? timing::CollectiveKind::kSendReceive : timing::parse_collective(kind);
  const timing::FabricSpec fabric = timing::fabric_of(*machine.system, pair ? 2 : ranks, stride);
  const timing::CollectiveTime closed =
      timing::time_of(what, Bytes(bytes), fabric, machine.library);
  const Seconds busy =
      to_seconds(closed.total) +
      fabric_surplus(machine, what, Bytes(bytes), pair ? 2 : ranks, stride, closed.algorithm);
  // Host processes that launch the call one by one reach it apart; replayed graphs keep in step.
  return pair || machine.stack.graph_capture ? busy : busy + machine.library.rank_skew;
}

}  // namespace athena::jobs
