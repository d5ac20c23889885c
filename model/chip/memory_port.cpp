#include "chip/memory_port.h"

#include <algorithm>

#include "timing/hbm_tiles.h"

namespace athena::chip {
namespace {

/// Bytes from which a transfer counts as spread over all channels: dozens of its kind are under way
/// at once and addresses are interleaved finer than any of them, so that loads even out. Smaller
/// ones (rows of a gather) are placed on their own channel and bank.
constexpr std::int64_t kScattered = 512;

constexpr std::uint32_t kEnter = 0;
constexpr std::uint32_t kAdvance = 1;

}  // namespace

MemoryPort::MemoryPort(const timing::HbmSpec& spec, sim::Dispatcher& dispatcher)
    : memory_(spec), spec_(spec), dispatcher_(dispatcher) {}

void MemoryPort::reset(bool detailed, timing::ClockedBodies* bodies) {
  memory_.reset();
  scheduled_.reset();
  detailed_ = detailed || bodies != nullptr;
  if (!detailed_) return;
  if (bodies != nullptr) {
    scheduled_ = std::make_unique<timing::ScheduledMemory>(spec_, *bodies);
  } else {
    if (queued_ == nullptr) queued_ = std::make_unique<timing::HbmQueued>(spec_);
    queued_->reset();
  }
  free_.clear();
  for (std::uint32_t id = 0; id < jobs_.size(); ++id) free_.push_back(id);
  armed_ = false;
}

double MemoryPort::stretch(std::int64_t row_bytes) {
  const auto known = stretch_.find(row_bytes);
  if (known != stretch_.end()) return known->second;
  return stretch_[row_bytes] = timing::tile_stretch(spec_, row_bytes, timing::TileFetch::kSteady);
}

void MemoryPort::access(Time arrival, const MemoryWindow& window, MemoryClient& client,
                        void* item) {
  if (window.rows <= 0 || window.row_bytes.value() <= 0) {
    client.memory_done(item, arrival, 0, window.write);
    return;
  }
  if (!detailed_) {
    client.memory_done(item, transaction(arrival, window), window.bytes(), window.write);
    return;
  }
  Job& job = acquire();
  job.window = window;
  job.client = &client;
  job.item = item;
  job.arrival = job.done = arrival;
  dispatcher_.post(arrival, *this, kEnter, &job);
}

// ---- transaction tier ---------------------------------------------------------------------------

Time MemoryPort::transaction(Time arrival, const MemoryWindow& window) {
  const std::int64_t bytes = window.bytes();
  if (window.pitch <= window.row_bytes) {
    return bytes < kScattered ? memory_.access(arrival, window.address, Bytes(bytes), window.write)
                              : memory_.spread(arrival, window.address, Bytes(bytes), window.write);
  }
  if (bytes < kScattered) {
    return memory_.access_2d(arrival, window.address, window.row_bytes, window.rows, window.pitch,
                             window.write);
  }
  const auto stretched =
      static_cast<std::int64_t>(static_cast<double>(bytes) * stretch(window.row_bytes.value()));
  const std::uint64_t limit = memory_.capacity() - static_cast<std::uint64_t>(stretched);
  return memory_.spread(arrival, std::min(window.address, limit), Bytes(stretched), window.write);
}

// ---- detailed tier ------------------------------------------------------------------------------

MemoryPort::Job& MemoryPort::acquire() {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(jobs_.size()));
    jobs_.push_back(std::make_unique<Job>());
    jobs_.back()->id = free_.back();
  }
  Job& job = *jobs_[free_.back()];
  free_.pop_back();
  return job;
}

template <class Memory>
void MemoryPort::submit_rows(Memory& memory, Job& job) {
  const MemoryWindow& w = job.window;
  const bool stream = w.row_bytes == w.pitch;
  const std::int64_t rows = stream ? 1 : w.rows;
  const Bytes bytes = stream ? Bytes(w.bytes()) : w.row_bytes;
  memory.submit({w.address, bytes, w.write, job.arrival, job.id, rows, w.pitch});
  if (armed_) return;
  armed_ = true;
  dispatcher_.post(dispatcher_.now() + memory.lookahead(), *this, kAdvance);
}

/// Every lookahead() of simulated time while something is under way: so a completion is known
/// before it happens.
template <class Memory>
void MemoryPort::advance(Memory& memory) {
  armed_ = false;
  memory.advance(dispatcher_.now());
  for (const timing::HbmCompletion& done : memory.completions()) {
    Job& job = *jobs_[static_cast<std::size_t>(done.tag)];
    job.done = std::max(job.done, done.finish);
    finished_.push_back(&job);
  }
  memory.completions().clear();
  if (memory.outstanding() > 0) {
    armed_ = true;
    dispatcher_.post(dispatcher_.now() + memory.lookahead(), *this, kAdvance);
  }
  for (Job* job : finished_) {
    free_.push_back(job->id);
    job->client->memory_done(job->item, std::max(job->done, dispatcher_.now()), job->window.bytes(),
                             job->window.write);
  }
  finished_.clear();
}

void MemoryPort::enter(Job& job) {
  if (scheduled_ != nullptr) {
    submit_rows(*scheduled_, job);
  } else {
    submit_rows(*queued_, job);
  }
}

void MemoryPort::wake(std::uint32_t tag, void* item) {
  if (tag == kEnter) {
    enter(*static_cast<Job*>(item));
  } else if (scheduled_ != nullptr) {
    advance(*scheduled_);
  } else {
    advance(*queued_);
  }
}

void note_memory(timing::Timeline& timeline, const config::ChipConfig& chip, Time done,
                 std::int64_t bytes, bool write) {
  const Time least = to_time(Seconds(static_cast<double>(bytes) / chip.memory.peak.value()));
  timeline.flow(write ? timing::Flow::kMemoryWrite : timing::Flow::kMemoryRead,
                std::max(Time(0), done - least), done, static_cast<double>(bytes));
}

}  // namespace athena::chip
