#pragma once
/// Collectives against a simulator's rows and against measured tables.
#include <filesystem>
#include <string>

#include "validate/error_table.h"

namespace athena::validate {

struct CollectivesOptions {
  std::string system;            ///< file of configs/systems/; "" = by the row's chip
  std::string library = "nccl";  ///< file of configs/stacks/collectives/
  int ranks = 0;                 ///< for rows without a column chips; 0 = all of the system
};

/// Three kinds of table, told apart by their head:
///  - ASTRA-sim's analytical backend (topology, npus, link_bw_GBps_config, link_latency_ns,
///  collective,
///    algorithm, dataset_splits, size_bytes, time_ns): simulated with its semantics -- GiB/s, links
///    that store and forward whole chunks, all-gather sizes per rank -- which counts in `overall`,
///    and with ours beside it (GB/s, packets);
///  - nccl-tests (bytes, busbw_GBps; optional chips, collective) with options.system;
///  - measured figures (op, bytes, chip, chips, metric, value): the collectives among them. Their
///  ranks
///    were launched by separate processes: the library's rank skew is added.
/// Groups by collective, algorithm or protocol, topology, size and ranks. Throws InputError for a
/// table of none of these kinds.
[[nodiscard]] ErrorTable validate_collectives(const std::filesystem::path& file,
                                              const CollectivesOptions& options);

}  // namespace athena::validate
