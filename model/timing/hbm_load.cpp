#include "timing/hbm_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "config/resolve.h"
#include "timing/hbm_map.h"

namespace athena::timing {
namespace {

constexpr const char* kKind = "memory";
constexpr const char* kDerived = "Gbps-derived";

/// Which set a derived one keeps the nanoseconds of. No HBM2E datasheet is public: it is HBM2 sped
/// up.
const std::map<std::string, std::string>& presets() {
  static const std::map<std::string, std::string> kPresets = {{"HBM2", "HBM2-2.0Gbps-8Gb"},
                                                              {"HBM2E", "HBM2-2.0Gbps-8Gb"},
                                                              {"HBM3", "HBM3-6.4Gbps-16Gb8hi"},
                                                              {"HBM3E", "HBM3-6.4Gbps-16Gb8hi"}};
  return kPresets;
}

bool ends_with(const std::string& text, std::string_view tail) {
  return text.size() >= tail.size() &&
         text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

/// The rate of "<standard>-<rate>Gbps-derived"; throws when it is no number.
double derived_rate(const std::string& name, std::size_t dash) {
  const std::size_t end = name.size() - std::string_view(kDerived).size();
  double rate = 0.0;
  const char* last = name.data() + end;
  const auto [rest, code] = std::from_chars(name.data() + dash + 1, last, rate);
  if (code != std::errc{} || rest != last || rate <= 0.0) {
    throw InputError(
        fmt::format("HBM timing set '{}': expected a data rate in Gb/s before '{}', as "
                    "in HBM2E-3.2Gbps-derived",
                    name, kDerived));
  }
  return rate;
}

/// Takes "-suffix" off the end of `name`.
bool strip(std::string& name, std::string_view suffix) {
  if (!ends_with(name, suffix)) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

/// Takes "-rqN" off the end and gives N, or 0.
int strip_queue(std::string& name) {
  const std::size_t at = name.rfind("-rq");
  if (at == std::string::npos) return 0;
  int value = 0;
  const char* last = name.data() + name.size();
  const auto [rest, code] = std::from_chars(name.data() + at + 3, last, value);
  if (code != std::errc{} || rest != last) return 0;
  name.resize(at);
  return value;
}

}  // namespace

const config::StructSchema& schema_of(const HbmTimingSet*) {
  using config::positive;
  using config::range;
  using S = HbmTimingSet;
  static const config::StructSchema kSchema =
      config::SchemaBuilder<S>("memory_timing",
                               "One speed and density of an HBM standard: timing in clock periods, "
                               "organisation of a channel, energy per command.")
          .field("name", &S::name, "as chips name it")
          .field("standard", &S::standard, "HBM2, HBM2E, HBM3")
          .field("gbps", &S::gbps, "data rate of one pin in Gb/s", positive())
          .field("bits_per_clock", &S::bits_per_clock, "bits of one pin per tCK", range(1, 8))
          .field("half_clock_rows", &S::half_clock_rows,
                 "1: row commands count in half clocks (ACT 1.5 tCK, PRE 0.5)", range(0, 1))
          .field("pseudo_channels", &S::pseudo_channels, "of one channel", range(1, 2))
          .field("stack_ids", &S::stack_ids, "SIDs of one pseudo-channel", range(1, 4))
          .field("bank_groups", &S::bank_groups, "of one SID", range(1, 8))
          .field("banks_per_group", &S::banks_per_group, "of one bank group", range(1, 8))
          .field("rows", &S::rows, "of one bank", range(1, 1 << 24))
          .field("columns", &S::columns, "accesses of one row", range(1, 256))
          .field("access_bytes", &S::access_bytes, "bytes of one column access", range(8, 256))
          .field("tBL", &S::tBL, "data bus clocks of one access")
          .field("tCL", &S::tCL, "read command to data")
          .field("tCWL", &S::tCWL, "write command to data")
          .field("tRCDRD", &S::tRCDRD, "activate to read")
          .field("tRCDWR", &S::tRCDWR, "activate to write")
          .field("tRP", &S::tRP, "precharge to activate")
          .field("tRAS", &S::tRAS, "activate to precharge")
          .field("tRC", &S::tRC, "activate to activate of one bank")
          .field("tWR", &S::tWR, "end of write data to precharge")
          .field("tRTP", &S::tRTP, "read to precharge")
          .field("tCCDS", &S::tCCDS, "column to column, other bank group")
          .field("tCCDL", &S::tCCDL, "column to column, same bank group")
          .field("tCCDR", &S::tCCDR, "read to read, other SID")
          .field("tRRDS", &S::tRRDS, "activate to activate, other bank group")
          .field("tRRDL", &S::tRRDL, "activate to activate, same bank group")
          .field("tFAW", &S::tFAW, "window of four activates in a pseudo-channel")
          .field("tWTRS", &S::tWTRS, "end of write data to read, other bank group")
          .field("tWTRL", &S::tWTRL, "end of write data to read, same bank group")
          .field("tRTW", &S::tRTW, "read to write command")
          .field("tPPD", &S::tPPD, "precharge to precharge in a pseudo-channel")
          .field("tRFC", &S::tRFC, "all-bank refresh")
          .field("tREFI", &S::tREFI, "average interval of all-bank refresh", positive())
          .field("tRFCpb", &S::tRFCpb, "per-bank refresh")
          .field("tRREFD", &S::tRREFD, "per-bank refresh to activate of another bank")
          .field("energy_activate", &S::energy_activate, "activate and precharge of one row")
          .field("access_pj_per_bit", &S::access_pj_per_bit,
                 "array to I/O, column access and on-die movement, in pJ", range(0, 100))
          .field("io_pj_per_bit", &S::io_pj_per_bit, "across the interposer, in pJ", range(0, 100))
          .field("energy_refresh", &S::energy_refresh, "one all-bank refresh of one pseudo-channel")
          .field("background_per_channel", &S::background_per_channel,
                 "standing power of one channel: clocks, DLL, leakage")
          .build();
  return kSchema;
}

HbmTimingSet load_timing(const std::string& name) {
  if (ends_with(name, kDerived)) {
    const std::size_t dash = name.find('-');
    const std::string standard = name.substr(0, dash);
    const auto preset = presets().find(standard);
    if (preset == presets().end()) {
      std::vector<std::string> known;
      for (const auto& entry : presets()) known.push_back(entry.first);
      throw InputError("HBM timing set '" + name + "': unknown standard '" + standard +
                       "'; known are " + join(known, ", ") + "." + did_you_mean(standard, known));
    }
    HbmTimingSet set =
        derive_timing(load_timing(preset->second), standard, derived_rate(name, dash));
    set.name = name;
    check(set);
    return set;
  }
  const config::Node document = config::resolve(name, kKind);
  auto set = config::bind<HbmTimingSet>(document);
  check_timing(document);
  return set;
}

void check_timing(const config::Node& document) {
  try {
    check(config::bind<HbmTimingSet>(document));
  } catch (const InputError& error) {
    // A contradiction is told at the first key that its sentence names.
    const std::string text = error.what();
    const std::size_t begin = text.find("': ");
    const config::Node* place = nullptr;
    std::size_t first = std::string::npos;
    for (const config::Entry& entry : document.map) {
      const std::size_t at = text.find(" " + entry.key + " ", begin);
      if (begin == std::string::npos || at >= first || entry.value.where.line == 0) continue;
      first = at;
      place = &entry.value;
    }
    if (place != nullptr) throw InputError(place->where, text);
    throw;
  }
}

HbmSpec spec_from_name(const std::string& name, int channels, std::string_view mapping) {
  if (mapping != "plain" && mapping != "hash") {
    throw InputError(fmt::format("HBM mapping '{}': expected plain or hash", mapping));
  }
  HbmSpec spec;
  std::string base = name;
  Seconds refresh_time{0};
  for (bool more = true; more;) {
    more = false;
    if (strip(base, "-noref")) {
      spec.refresh = HbmRefresh::kNone;
      more = true;
    } else if (strip(base, "-perbank")) {
      spec.refresh = HbmRefresh::kPerBank;
      more = true;
    } else if (strip(base, "-frfcfs")) {
      spec.scheduler = HbmScheduler::kFirstReady;
      more = true;
    } else if (strip(base, "-4Gb")) {
      refresh_time = Seconds(260e-9);  // JESD235: tRFC of a 4 Gb channel
      more = true;
    } else if (strip(base, "-base")) {
      more = true;
    } else if (const int queue = strip_queue(base); queue > 0) {
      spec.read_queue = queue;
      more = true;
    }
  }
  spec.timing = load_timing(base);
  if (refresh_time.value() > 0.0) spec.timing.tRFC = refresh_time;
  spec.stacks = 1;
  spec.channels_per_stack = channels;
  spec.hash = mapping == "hash";
  spec.interleave = Bytes(128);  // 64 B of each pseudo-channel, as the reference runs
  check(spec);
  return spec;
}

HbmSpec make_spec(const HbmSystem& system) {
  HbmSpec spec;
  spec.timing = load_timing(system.timing);
  if (system.gbps_per_pin > 0.0 && system.gbps_per_pin != spec.timing.gbps) {
    const std::string name = spec.timing.name;
    spec.timing = derive_timing(spec.timing, spec.timing.standard, system.gbps_per_pin);
    spec.timing.name = fmt::format("{} at {} Gb/s", name, system.gbps_per_pin);
  }
  spec.stacks = system.stacks;
  spec.channels_per_stack = system.channels_per_stack;
  spec.interleave = system.interleave;
  spec.hash = system.hash;
  if (system.capacity.value() > 0) {
    int rows = 1;
    spec.timing.rows = rows;
    while (spec.capacity() < system.capacity && rows < (1 << 24)) {
      rows *= 2;
      spec.timing.rows = rows;
    }
  }
  check(spec);
  return spec;
}

HbmSpec memory_spec(const config::ChipConfig& chip) {
  const config::MemoryConfig& memory = chip.memory;
  HbmSpec spec;
  spec.timing = load_timing(memory.timing);
  if (memory.gbps_per_pin > 0 && memory.gbps_per_pin != spec.timing.gbps) {
    spec.timing = derive_timing(spec.timing, spec.timing.standard, memory.gbps_per_pin);
  }
  spec.stacks = memory.stacks;
  spec.channels_per_stack = memory.channels_per_stack;
  spec.interleave = memory.interleave;
  spec.hash = memory.hash;
  spec.map = read_map(memory.map);
  spec.refresh = memory.refresh;
  spec.page = memory.page_policy;
  spec.scheduler = memory.scheduler;
  spec.read_queue = memory.read_queue;
  spec.write_queue = memory.write_queue;
  spec.drain_high = memory.drain_high;
  spec.drain_low = memory.drain_low;
  // Denser or taller stacks than the timing set's have more rows in the same banks.
  constexpr int kDenser = 4;
  const int most = spec.timing.rows * kDenser;
  while (spec.capacity() < memory.capacity && spec.timing.rows < most) spec.timing.rows *= 2;
  return spec;
}

std::vector<HbmMapSlice> read_map(const std::vector<std::string>& fields) {
  std::vector<std::string> known;
  known.reserve(kHbmFields);
  for (int f = 0; f < kHbmFields; ++f) known.emplace_back(name(static_cast<HbmField>(f)));
  std::vector<HbmMapSlice> slices;
  for (const std::string& text : fields) {
    const std::size_t space = text.find(' ');
    const std::string field = text.substr(0, space);
    const auto at = std::find(known.begin(), known.end(), field);
    if (at == known.end()) {
      throw InputError("address map: unknown field '" + field + "'; fields are " +
                       join(known, ", ") + "." + did_you_mean(field, known));
    }
    int bits = 0;
    if (text == "row") {  // what the organisation has
      slices.push_back({HbmField::kRow, 0});
      continue;
    }
    const char* last = text.data() + text.size();
    const char* first = space == std::string::npos ? last : text.data() + space + 1;
    const auto [rest, code] = std::from_chars(first, last, bits);
    if (code != std::errc{} || rest != last || bits < 1 || bits > 48) {
      throw InputError(fmt::format(
          "address map: expected a field and its number of bits, as in '{} 2', not '{}'.", field,
          text));
    }
    slices.push_back({static_cast<HbmField>(at - known.begin()), bits});
  }
  return slices;
}

namespace {

/// Runs `rule`; what it has against the document is said with the place of `key` of the memory
/// section (of the section itself where the document does not set the key).
template <class Rule>
void check_at(const config::Node& chip, std::string_view key, Rule&& rule) {
  try {
    rule();
  } catch (const InputError& error) {
    const config::Node* memory = chip.find("memory");
    const config::Node* place = memory == nullptr ? nullptr : memory->find(key);
    if (place == nullptr) place = memory;
    if (place == nullptr) throw;
    if (place->where.line > 0) throw InputError(place->where, error.what());
    if (place->origin.empty()) throw;
    throw InputError(place->origin + ": " + error.what());
  }
}

}  // namespace

void check_memory(const config::Node& document) {
  const auto chip = config::bind<config::ChipConfig>(document);
  check_at(document, "timing", [&] { (void)load_timing(chip.memory.timing); });
  check_at(document, "map", [&] { (void)read_map(chip.memory.map); });
  const HbmSpec spec = memory_spec(chip);
  check_at(document, "gbps_per_pin", [&] { check(spec.timing); });
  check_at(document, "interleave", [&] { check(spec); });
  check_at(document, "map", [&] { (void)HbmMap(spec); });
  check_at(document, "capacity", [&] {
    if (chip.memory.capacity <= spec.capacity()) return;
    throw InputError(fmt::format("capacity {} lies beyond what {} channels of {} can hold: {}.",
                                 binary(chip.memory.capacity), spec.channels(), spec.timing.name,
                                 binary(spec.capacity())));
  });
}

}  // namespace athena::timing
