#pragma once
/// The network against a cycle-accurate reference (rows in BookSim's terms): zero load, mean packet
/// latency below saturation, saturation throughput.
#include <filesystem>
#include <functional>
#include <string>

#include "validate/error_table.h"

namespace athena::validate {

/// Which tier answers.
enum class NocTier {
  kAuto,         ///< per switch policy: packet-held by transactions, flit-interleaved by flits
  kTransaction,  ///< packet hops as timed resources
  kDetailed      ///< flit by flit
};

/// Reads "auto", "transaction", "detailed". Throws InputError with the nearest spelling.
[[nodiscard]] NocTier parse_noc_tier(const std::string& text);

/// Runs every row of `file` (columns config, topology, k, traffic, packet_flits, num_vcs,
/// vc_buf_flits, inject_rate_flits, accepted_rate_flits, pkt_latency; optional link_latency,
/// credit_delay, hops_incl_src, stable). Groups by quantity (zero_load, latency_below_60 and
/// latency_60_to_80 percent of saturation, latency_above_80, saturation), pattern, switch, topology
/// and config. `overall` counts latency below 80 % of saturation and saturation throughput.
/// `progress(fraction, text)` is called per row. Unknown topologies and traffics are skipped rows.
[[nodiscard]] ErrorTable validate_noc(
    const std::filesystem::path& file, NocTier tier,
    const std::function<void(double, const std::string&)>& progress = {});

}  // namespace athena::validate
