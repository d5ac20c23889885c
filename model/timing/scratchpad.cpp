#include "timing/scratchpad.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"

namespace athena::timing {

Cycles bank_cycles(const ScratchpadSpec& spec, const ScratchAccess& access) {
  const std::int64_t word = spec.bank_bytes;
  const auto first = static_cast<std::int64_t>(access.address % static_cast<std::uint64_t>(word));
  const std::int64_t words_per_row = ceil_div(first + access.row_bytes.value(), word);
  const std::int64_t words = words_per_row * access.rows;
  if (access.rows <= 1 || words_per_row >= spec.banks)
    return Cycles(ceil_div<std::int64_t>(words, spec.banks));
  // Rows start at banks that are multiples of `step` apart, so only banks / gcd starting places
  // exist, each covering words_per_row banks.
  const std::int64_t step = (access.pitch.value() / word) % spec.banks;
  const std::int64_t places =
      spec.banks / std::gcd(step == 0 ? spec.banks : step, static_cast<std::int64_t>(spec.banks));
  const std::int64_t reach = std::min<std::int64_t>(spec.banks, places * words_per_row);
  return Cycles(ceil_div(words, std::min(reach, words)));
}

Scratchpad::Scratchpad(const ScratchpadSpec& spec) : spec_(spec) {
  if (spec.banks < 1 || spec.bank_bytes < 1 || spec.read_ports < 1 || spec.write_ports < 1 ||
      spec.clock.value() <= 0.0 || spec.capacity.value() < spec.bank_bytes) {
    throw InputError(fmt::format(
        "scratchpad of {} bytes, {} banks of {} bytes, {} read and {} write ports: expected at "
        "least one of each and room for a word",
        spec.capacity.value(), spec.banks, spec.bank_bytes, spec.read_ports, spec.write_ports));
  }
  reset();
}

void Scratchpad::reset() {
  read_free_.assign(static_cast<std::size_t>(spec_.read_ports), Time(0));
  write_free_.assign(static_cast<std::size_t>(spec_.write_ports), Time(0));
  banks_free_ = Time(0);
  conflicts_ = 0;
  moved_ = Bytes(0);
}

Time Scratchpad::access(Time arrival, const ScratchAccess& access) {
  const auto span = static_cast<std::uint64_t>(
      access.pitch.value() * std::max<std::int64_t>(0, access.rows - 1) + access.row_bytes.value());
  if (access.address + span > static_cast<std::uint64_t>(spec_.capacity.value())) {
    throw InputError(fmt::format("scratchpad access of {} bytes at {} lies beyond its {} bytes",
                                 span, access.address, spec_.capacity.value()));
  }
  const Bytes bytes = access.row_bytes * access.rows;
  const Cycles cycles = bank_cycles(spec_, access);
  const Cycles ideal(ceil_div<std::int64_t>(
      bytes.value(), static_cast<std::int64_t>(spec_.banks) * spec_.bank_bytes));
  conflicts_ += (cycles - ideal).value();
  moved_ += bytes;
  auto& ports = access.write ? write_free_ : read_free_;
  const auto port = std::min_element(ports.begin(), ports.end());
  // Two transfers interleave cycle by cycle in the banks; one keeps its port to the end.
  const Time start = std::max(arrival, *port);
  const Time busy = periods(static_cast<double>(cycles.value()), spec_.clock);
  const Time share = periods(static_cast<double>(ideal.value()), spec_.clock);
  banks_free_ = std::max(banks_free_, start) + share;
  const Time end = std::max(start + busy, banks_free_);
  *port = end;
  return end + periods(static_cast<double>(spec_.latency.value()), spec_.clock);
}

}  // namespace athena::timing
