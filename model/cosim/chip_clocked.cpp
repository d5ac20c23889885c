#include "cosim/chip_clocked.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "cosim/chip_lockstep.h"
#include "cosim/rtl_factory.h"
#include "timing/hbm_load.h"
#include "timing/noc_topology.h"
#include "timing/scheduled_memory.h"

namespace athena::cosim {
namespace {

constexpr const char* kDma = "dma_engine";
constexpr const char* kRouter = "noc_router";
constexpr const char* kScheduler = "hbm_scheduler";

/// A hop of rtl/noc_router: arrival, VA, SA, ST, and the register of the wire
/// (timing/router_mesh.h).
constexpr int kHopCycles = 5;
/// Coordinates of a flit have four bits; terminals stand outside of the first and the last row.
constexpr int kMostRows = 14;
constexpr int kMostCols = 16;

[[noreturn]] void refuse(const config::ChipConfig& chip, const std::string& part,
                         const std::string& block, const std::string& why) {
  throw InputError(fmt::format("{} of '{}' cannot be rtl/{}: {}.", part, chip.name, block, why));
}

/// Descriptors and routers know one receiver.
void check_network(const config::ChipConfig& chip, const std::string& part,
                   const std::string& block) {
  if (chip.cache.size.value() > 0)
    refuse(chip, part, block, "its cores reach memory through a cache (cache.size)");
  if (chip.noc.multicast)
    refuse(chip, part, block, "it sends to one receiver, noc.multicast is true");
}

std::int64_t in_flight(const timing::DmaRtlParams& p) {
  return static_cast<std::int64_t>(p.max_reads) * p.max_burst * p.data_bits / 8;
}

std::string show(const timing::DmaRtlParams& p) {
  return fmt::format("{} B beats, bursts of {}, {} in flight", p.data_bits / 8, p.max_burst,
                     binary(Bytes(in_flight(p))));
}

/// The first count that differs, in the names of the timing set.
std::string difference(const timing::HbmSchedulerParams& chip,
                       const timing::HbmSchedulerParams& built) {
  using P = timing::HbmSchedulerParams;
  constexpr std::pair<const char*, int P::*> kCounts[] = {
      {"tRCDRD", &P::t_rcd_rd}, {"tRCDWR", &P::t_rcd_wr}, {"tRP", &P::t_rp},
      {"tRAS", &P::t_ras},      {"tRC", &P::t_rc},        {"tWR", &P::t_wr},
      {"tRTP", &P::t_rtp},      {"tCCDS", &P::t_ccd_s},   {"tCCDL", &P::t_ccd_l},
      {"tRRDS", &P::t_rrd_s},   {"tRRDL", &P::t_rrd_l},   {"tFAW", &P::t_faw},
      {"tWTRS", &P::t_wtr_s},   {"tWTRL", &P::t_wtr_l},   {"tCL", &P::cl},
      {"tCWL", &P::cwl},        {"tBL", &P::bl},          {"tRFC", &P::t_rfc},
      {"tREFI", &P::t_refi}};
  for (const auto& [name, count] : kCounts) {
    if (chip.*count != built.*count) {
      return fmt::format("{} is {} clocks, the RTL was built for {}", name, chip.*count,
                         built.*count);
    }
  }
  return "";
}

}  // namespace

template <class Model, class Rtl>
timing::BodyMaker ChipClocked::maker(const std::string& block, Backend backend, Model model,
                                     Rtl rtl) {
  (void)rtl();  // found out now, not in the middle of a run
  if (backend == Backend::kRtl) return [rtl](const std::string&) { return rtl(); };
  return [this, block, model, rtl](const std::string& who) {
    ChipLockstep::Makers makers{model, rtl, faults_[block], out_dir_};
    return std::make_unique<ChipLockstep>(who, std::move(makers));
  };
}

void ChipClocked::add_dma(const config::ChipConfig& chip, Backend backend) {
  const std::string part = "the DMA engines";
  check_network(chip, part, kDma);
  const config::DmaConfig& dma = chip.core.dma;
  std::string built;
  for (const timing::DmaRtlParams& p : dma_variants()) {
    built += (built.empty() ? "" : "; ") + show(p);
    if (p.data_bits != 8 * dma.bytes_per_cycle || in_flight(p) != dma.outstanding.value()) continue;
    bodies_.dma_params = p;
    bodies_.dma = maker(
        kDma, backend, [p] { return std::make_unique<timing::DmaStep>(p); },
        [p] { return make_rtl_dma(p, 1); });
    parts_[kDma] = {backend,         show(p), "engine",
                    "transfer",      "beat",  &timing::ClockedBodies::dma_use,
                    3 * chip.cores()};
    return;
  }
  refuse(chip, part, kDma,
         fmt::format("core.dma moves {} B a cycle with {} in flight; built are {}",
                     dma.bytes_per_cycle, binary(dma.outstanding), built));
}

void ChipClocked::add_router(const config::ChipConfig& chip, Backend backend) {
  const std::string part = "the network";
  check_network(chip, part, kRouter);
  const config::NocConfig& noc = chip.noc;
  const auto need = [&](bool kept, const std::string& why) {
    if (!kept) refuse(chip, part, kRouter, why);
  };
  timing::RouterRtlParams params;
  params.hold_packet = noc.switching == config::SwitchPolicy::kPacket;
  need(noc.kind == config::NocKind::kMesh, "the router is that of a mesh, noc.kind is another");
  const int routers = noc.rows * noc.cols;
  need(chip.cores() == routers,
       fmt::format("a router has one core at its local port, here are {} cores at {} routers",
                   chip.cores(), routers));
  need(noc.rows <= kMostRows && noc.cols <= kMostCols,
       fmt::format("its addresses end at {} x {} routers", kMostRows, kMostCols));
  need(noc.virtual_channels == timing::kRouterVcs,
       fmt::format("it has {} virtual channels, noc.virtual_channels is {}", timing::kRouterVcs,
                   noc.virtual_channels));
  need(noc.buffer_flits == params.depth,
       fmt::format("it was built for {} flits per channel, noc.buffer_flits is {}", params.depth,
                   noc.buffer_flits));
  need(noc.router_cycles + noc.link_cycles == kHopCycles,
       fmt::format("a hop takes {} cycles, noc.router_cycles + noc.link_cycles are {}", kHopCycles,
                   noc.router_cycles + noc.link_cycles));
  const timing::NocSpec spec = timing::noc_spec(chip);
  need(spec.routing == timing::NocRouting::kDimensionOrder && spec.message_classes == 1 &&
           spec.dead_links.empty(),
       "it routes XY, in one message class, over links that all work");
  const timing::NocTerminals terminals = timing::noc_terminals(chip);
  for (int i = 0; i < terminals.memory_channels; ++i) {
    const int row = spec.extra_terminals[static_cast<std::size_t>(i)] / noc.cols;
    need(row == 0 || row == noc.rows - 1,
         fmt::format("memory enters at the outer ports of the first and the last row, channel {} "
                     "stands in row {} (noc.memory_ports)",
                     i, row));
  }
  bodies_.router_params = params;
  bodies_.router = maker(
      kRouter, backend, [params] { return std::make_unique<timing::RouterStep>(params); },
      [params] { return make_rtl_router(params.hold_packet, 1); });
  parts_[kRouter] = {backend,
                     fmt::format("{} x {} mesh, {} channels of {} flits, {}", noc.cols, noc.rows,
                                 timing::kRouterVcs, params.depth,
                                 params.hold_packet ? "packet-held" : "interleaved"),
                     "router",
                     "packet",
                     "flit",
                     &timing::ClockedBodies::router_use,
                     routers};
}

void ChipClocked::add_scheduler(const config::ChipConfig& chip, Backend backend) {
  const std::string part = "the memory controllers";
  const timing::HbmSpec spec = timing::memory_spec(chip);
  const timing::HbmTimingSet& t = spec.timing;
  const timing::HbmSchedulerParams built;
  const std::string other = difference(timing::scheduler_params(t), built);
  if (!other.empty()) refuse(chip, part, kScheduler, t.name + ": " + other);
  if (t.pseudo_channels != 2 || t.stack_ids != 1 || t.bank_groups != 4 || t.banks_per_group != 4 ||
      t.columns != 32 || t.access_bytes != 32 || t.half_clock_rows != 0) {
    refuse(chip, part, kScheduler,
           "it schedules 2 pseudo-channels of 4 x 4 banks with pages of 32 columns of 32 B, " +
               t.name + " is organised otherwise");
  }
  const auto share = [&](double part_of) {
    return static_cast<int>(std::lround(part_of * built.entries));
  };
  if (spec.read_queue != built.entries || spec.write_queue != built.entries ||
      share(spec.drain_high) != built.drain_high || share(spec.drain_low) != built.drain_low) {
    refuse(
        chip, part, kScheduler,
        fmt::format("it was built for {0} entries and drains {1} to {2} writes: memory.read_queue "
                    "and write_queue {0}, drain_high {3:.4g}, drain_low {4:.4g}",
                    built.entries, built.drain_high, built.drain_low,
                    static_cast<double>(built.drain_high) / built.entries,
                    static_cast<double>(built.drain_low) / built.entries));
  }
  if (spec.refresh != timing::HbmRefresh::kAllBank || spec.page != timing::HbmPagePolicy::kOpen ||
      spec.scheduler != timing::HbmScheduler::kRowHitFirst) {
    refuse(chip, part, kScheduler,
           "it refreshes all banks at once, keeps pages open and serves row hits first");
  }
  bodies_.scheduler_params = built;
  bodies_.scheduler = maker(
      kScheduler, backend, [built] { return std::make_unique<timing::HbmSchedulerStep>(built); },
      [] { return make_rtl_hbm(1); });
  parts_[kScheduler] = {
      backend,
      fmt::format("{} channels of {}, {} entries", spec.channels(), t.name, built.entries),
      "scheduler",
      "request",
      "column",
      &timing::ClockedBodies::scheduler_use,
      spec.channels()};
}

void ChipClocked::add(const config::ChipConfig& chip, const std::string& block, Backend backend) {
  if (block == kDma) add_dma(chip, backend);
  if (block == kRouter) add_router(chip, backend);
  if (block == kScheduler) add_scheduler(chip, backend);
}

std::string ChipClocked::parameters(const std::string& block) const {
  return parts_.at(block).parameters;
}

std::string ChipClocked::traffic(const std::string& block) const {
  const Part& part = parts_.at(block);
  const timing::BodyUse& use = bodies_.*part.use;
  if (use.transactions == 0)
    return fmt::format("{} {}s, nothing went through", part.count, part.body);
  return fmt::format("{} {}s, {} {}s of {} {}s, {:.1f} clocks each", part.count, part.body,
                     use.transactions, part.transaction, use.pieces, part.piece,
                     static_cast<double>(use.latency) / static_cast<double>(use.transactions));
}

std::vector<std::string> ChipClocked::parity(const std::string& block) const {
  const Part& part = parts_.at(block);
  const timing::BodyUse& use = bodies_.*part.use;
  if (part.backend != Backend::kLockstep || use.transactions == 0) return {};
  const double each = static_cast<double>(use.latency) / static_cast<double>(use.transactions);
  return {
      fmt::format("PARITY {} {}: {}s={} {}s={} {}s={} cycles compared={} divergences=0, cycles "
                  "per {} model={:.1f} rtl={:.1f} error=0.00 %",
                  block, part.parameters, part.body, part.count, part.transaction, use.transactions,
                  part.piece, use.pieces, use.cycles, part.transaction, each, each)};
}

}  // namespace athena::cosim
