#include "timing/hbm_counters.h"

namespace athena::timing {

std::string_view name(HbmLoss loss) {
  static constexpr std::array<std::string_view, kHbmLosses> kNames{
      "data", "refresh", "turnaround", "tfaw", "row_bus", "bank_conflict", "column", "idle"};
  return kNames[static_cast<std::size_t>(loss)];
}

HbmCounters& HbmCounters::operator+=(const HbmCounters& other) {
  requests += other.requests;
  read_bytes += other.read_bytes;
  write_bytes += other.write_bytes;
  reads += other.reads;
  writes += other.writes;
  activates += other.activates;
  precharges += other.precharges;
  refreshes += other.refreshes;
  bank_refreshes += other.bank_refreshes;
  row_hits += other.row_hits;
  row_misses += other.row_misses;
  row_conflicts += other.row_conflicts;
  forwarded += other.forwarded;
  for (std::size_t i = 0; i < kHbmLosses; ++i) ticks[i] += other.ticks[i];
  span += other.span;
  return *this;
}

HbmEnergy energy_of(const HbmTimingSet& t, const HbmCounters& c, Seconds elapsed, int channels) {
  constexpr double kPico = 1e-12;
  const double bits = 8.0 * static_cast<double>(t.access_bytes);
  const double read_bits = bits * static_cast<double>(c.reads);
  const double write_bits = bits * static_cast<double>(c.writes);
  HbmEnergy energy;
  energy.activate = t.energy_activate * static_cast<double>(c.activates);
  energy.read = Joules(t.access_pj_per_bit * kPico * read_bits);
  energy.write = Joules(t.access_pj_per_bit * kPico * write_bits);
  energy.io = Joules(t.io_pj_per_bit * kPico * (read_bits + write_bits));
  // A per-bank refresh restores one bank's share of what an all-bank refresh restores.
  energy.refresh = t.energy_refresh * (static_cast<double>(c.refreshes) +
                                       static_cast<double>(c.bank_refreshes) /
                                           static_cast<double>(t.banks_per_pseudo_channel()));
  energy.background =
      Joules(t.background_per_channel.value() * elapsed.value() * static_cast<double>(channels));
  return energy;
}

}  // namespace athena::timing
