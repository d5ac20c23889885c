#include "exec/shadow.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace athena::exec {
namespace {

using program::Opcode;

std::string_view word(Opcode op) {
  switch (op) {
    case Opcode::kLoad:
      return "load";
    case Opcode::kStore:
      return "store";
    case Opcode::kMatmul:
      return "matrix product";
    default:
      return "vector operation";
  }
}

std::string describe(const Shadow::Actor& actor) {
  return fmt::format("the {} of kernel '{}' on core {}", word(actor.instruction->op),
                     actor.kernel->name, actor.place.core);
}

double microseconds(Time t) {
  return to_seconds(t).value() * 1e6;
}

}  // namespace

void Shadow::fail(const Actor& actor, Time at, const std::string& does, const Use& other,
                  const std::string& what) const {
  const std::string until = other.open
                                ? "is still under way"
                                : fmt::format("lasts until {:.4f} us", microseconds(other.end));
  throw Contradiction(
      fmt::format("hazard: {} {} {} at {:.4f} us, but {}, which {} it from {:.4f} us, {}.",
                  describe(actor), does, what, microseconds(at), describe(other.actor),
                  other.write ? "writes" : "reads", microseconds(other.begin), until));
}

Shadow::Stage& Shadow::stage(const Actor& actor, int buffer, std::int64_t slot,
                             std::uint64_t* key) {
  std::uint64_t id = static_cast<std::uint64_t>(actor.run);
  id = (id << 14) | static_cast<std::uint64_t>(actor.place.core);
  id = (id << 6) | static_cast<std::uint64_t>(actor.place.context);
  id = (id << 8) | static_cast<std::uint64_t>(buffer);
  id = (id << 10) | static_cast<std::uint64_t>(slot);
  if (key != nullptr) *key = id;
  return stages_[id];
}

void Shadow::read_stage(const Stage& stage, const Actor& actor, int buffer, Time begin) const {
  for (const Writer& writer : stage.writers) {
    if (!writer.use.lasts_beyond(begin)) continue;
    fail(actor, begin, "reads", writer.use,
         "buffer '" + actor.kernel->buffers[static_cast<std::size_t>(buffer)].name + "'");
  }
}

void Shadow::write_stage(const Stage& stage, const Actor& actor, int buffer, Time begin,
                         const Cells& cells) const {
  const std::string& name = actor.kernel->buffers[static_cast<std::size_t>(buffer)].name;
  for (const Writer& writer : stage.writers) {
    if (writer.use.lasts_beyond(begin) && overlap(writer.cells, cells))
      fail(actor, begin, "overwrites", writer.use, "buffer '" + name + "'");
  }
  if (stage.reader.actor.instruction != nullptr &&
      (stage.open_readers > 0 || stage.reader.end > begin))
    fail(actor, begin, "overwrites", stage.reader, "buffer '" + name + "'");
}

Shadow::Cells Shadow::cells_of(const Actor& actor, const Target& target) {
  const program::Operand& to = actor.instruction->a;
  const std::int64_t pitch = actor.kernel->buffers[static_cast<std::size_t>(to.buffer)].pitch;
  Cells cells;
  if (pitch <= 0) return cells;
  cells.first = to.column / pitch;
  cells.column = to.column % pitch;
  cells.rows = target.moved_rows >= 0 ? target.moved_rows : target.rows;
  cells.step = std::max<std::int64_t>(1, actor.instruction->row_factor);
  cells.bytes = target.bytes;
  cells.whole = cells.column + cells.bytes > pitch;  // rows that run on into the next
  return cells;
}

bool Shadow::overlap(const Cells& a, const Cells& b) {
  if (a.whole || b.whole) return true;
  if (a.column + a.bytes <= b.column || b.column + b.bytes <= a.column) return false;
  const auto end = [](const Cells& c) { return c.first + (c.rows - 1) * c.step + 1; };
  if (end(a) <= b.first || end(b) <= a.first) return false;
  return a.step != b.step || (a.first - b.first) % a.step == 0;
}

void Shadow::compute(const Actor& actor, const Slots& slots, Time begin, Time end) {
  const program::Instruction& i = *actor.instruction;
  const std::array<int, 4> buffers{i.a.buffer, i.b.buffer, i.c.buffer, i.d.buffer};
  constexpr std::size_t kResult = 2;
  for (std::size_t o = 0; o < buffers.size(); ++o) {
    if (buffers[o] < 0) continue;
    const Stage& place = stage(actor, buffers[o], slots[o]);
    if (o == kResult) write_stage(place, actor, buffers[o], begin, Cells());
    if (o != kResult) read_stage(place, actor, buffers[o], begin);
  }
  for (std::size_t o = 0; o < buffers.size(); ++o) {
    if (buffers[o] < 0) continue;
    Stage& place = stage(actor, buffers[o], slots[o]);
    const Use use{actor, begin, end, false, o == kResult};
    if (o == kResult) place.writers.assign(1, {use, Cells(), kNoTicket});
    if (o != kResult && (place.reader.actor.instruction == nullptr || place.reader.end <= end)) {
      place.reader = use;
      place.reader.open = place.open_readers > 0;
    }
  }
}

bool Shadow::overlap(const Access& a, const Access& b) {
  if (a.space != b.space || a.last < b.first || b.last < a.first) return false;
  if (a.target.region != b.target.region || a.target.copy != b.target.copy) return true;
  const auto apart = [](std::int64_t x, std::int64_t nx, std::int64_t y, std::int64_t ny) {
    return x + nx <= y || y + ny <= x;
  };
  return !apart(a.target.row, a.target.rows, b.target.row, b.target.rows) &&
         !apart(a.target.column, a.target.bytes, b.target.column, b.target.bytes);
}

/// Against every access of another kernel's execution that is remembered.
void Shadow::check(const Access& access) const {
  const Actor& actor = access.use.actor;
  const std::string what =
      "'" + program_.regions[static_cast<std::size_t>(access.target.region)].name + "'";
  for (const std::uint32_t index : live_) {
    const Access& other = accesses_[index];
    if (other.use.actor.run == actor.run || (!other.use.write && !access.use.write)) continue;
    if (!overlap(access, other)) continue;
    const bool earlier = other.use.actor.run < actor.run;
    if (earlier && other.use.lasts_beyond(access.use.begin))
      fail(actor, access.use.begin, access.use.write ? "overwrites" : "reads", other.use, what);
    // A kernel that comes later in the program has been here already.
    if (!earlier)
      fail(actor, access.use.begin, access.use.write ? "writes" : "reads", other.use, what);
  }
}

Shadow::Ticket Shadow::begin(const Actor& actor, std::int64_t slot, const Target& target, Time at) {
  const bool store = actor.instruction->op == Opcode::kStore;
  const int buffer = actor.instruction->a.buffer;
  Transfer transfer;
  transfer.write = store;
  Stage& place = stage(actor, buffer, slot, &transfer.stage);
  const Ticket ticket = take_ticket();
  if (store) {
    read_stage(place, actor, buffer, at);
    ++place.open_readers;
    place.reader = {actor, at, place.reader.end, true, false};  // whoever reads longest
  } else {
    const Cells cells = cells_of(actor, target);
    write_stage(place, actor, buffer, at, cells);
    std::erase_if(place.writers, [at](const Writer& w) { return !w.use.lasts_beyond(at); });
    place.writers.push_back({{actor, at, Time(0), true, true}, cells, ticket});
  }
  const program::Region& region = program_.regions[static_cast<std::size_t>(target.region)];
  Access access;
  access.use = {actor, at, Time(0), true, store};
  access.target = target;
  access.space = region.space;
  access.first = region.address + target.copy * region.repeat_stride + target.row * region.pitch +
                 target.column;
  access.last = access.first + (target.rows - 1) * region.pitch + target.bytes - 1;
  // Weights are never written: nothing to watch, and they are most of the traffic.
  const bool watched = region.role != program::Role::kWeight && target.rows > 0 && target.bytes > 0;
  if (watched) check(access);
  transfer.access = UINT32_MAX;
  if (watched) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(accesses_.size()));
      accesses_.emplace_back();
    }
    transfer.access = free_.back();
    free_.pop_back();
    accesses_[transfer.access] = access;
    live_.push_back(transfer.access);
  }
  transfers_[ticket] = transfer;
  return ticket;
}

Shadow::Ticket Shadow::take_ticket() {
  if (free_tickets_.empty()) {
    free_tickets_.push_back(static_cast<Ticket>(transfers_.size()));
    transfers_.emplace_back();
  }
  const Ticket ticket = free_tickets_.back();
  free_tickets_.pop_back();
  return ticket;
}

void Shadow::end(Ticket ticket, Time at) {
  const Transfer& transfer = transfers_[ticket];
  Stage& place = stages_[transfer.stage];
  if (transfer.write) {
    --place.open_readers;
    place.reader.open = place.open_readers > 0;
    place.reader.end = std::max(place.reader.end, at);
  } else {
    for (Writer& writer : place.writers) {
      if (writer.ticket != ticket) continue;
      writer.use.open = false;
      writer.use.end = at;
      writer.ticket = kNoTicket;
    }
  }
  if (transfer.access != UINT32_MAX) {
    accesses_[transfer.access].use.open = false;
    accesses_[transfer.access].use.end = at;
  }
  free_tickets_.push_back(ticket);
}

void Shadow::finished(int run) {
  const auto done = [&](std::uint32_t index) {
    const Use& use = accesses_[index].use;
    if (use.open || use.actor.run > run) return false;
    free_.push_back(index);
    return true;
  };
  live_.erase(std::remove_if(live_.begin(), live_.end(), done), live_.end());
  constexpr int kRunShift = 14 + 6 + 8 + 10;
  std::erase_if(stages_, [&](const auto& entry) {
    const auto open = [](const Writer& writer) { return writer.use.open; };
    return static_cast<int>(entry.first >> kRunShift) <= run && entry.second.open_readers == 0 &&
           std::none_of(entry.second.writers.begin(), entry.second.writers.end(), open);
  });
}

}  // namespace athena::exec
