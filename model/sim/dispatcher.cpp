#include "sim/dispatcher.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace athena::sim {
namespace {

sc_core::sc_time to_sc(Time t) {
  return sc_core::sc_time::from_value(static_cast<sc_dt::uint64>(t.value()));
}

}  // namespace

Dispatcher::Dispatcher(const sc_core::sc_module_name& name) : sc_module(name) {
  SC_HAS_PROCESS(Dispatcher);
  SC_METHOD(dispatch);
  sensitive << wake_event_;
  dont_initialize();
  heap_.reserve(1 << 12);
}

void Dispatcher::post(Time at, Client& client, std::uint32_t tag, void* item) {
  if (at < now_) throw InternalError("a callback was posted into the past of the simulation");
  push({at.value(), sequence_++, &client, item, tag});
}

void Dispatcher::push(const Entry& entry) {
  std::size_t hole = heap_.size();
  heap_.push_back(entry);
  while (hole > 0) {
    const std::size_t parent = (hole - 1) / 4;
    if (!entry.before(heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = entry;
}

Dispatcher::Entry Dispatcher::pop() {
  const Entry first = heap_.front();
  const Entry last = heap_.back();
  heap_.pop_back();
  const std::size_t size = heap_.size();
  if (size == 0) return first;
  std::size_t hole = 0;
  for (std::size_t child = 1; child < size; child = 4 * hole + 1) {
    std::size_t least = child;
    const std::size_t end = std::min(child + 4, size);
    for (std::size_t other = child + 1; other < end; ++other) {
      if (heap_[other].before(heap_[least])) least = other;
    }
    if (!heap_[least].before(last)) break;
    heap_[hole] = heap_[least];
    hole = least;
  }
  heap_[hole] = last;
  return first;
}

void Dispatcher::dispatch() {
  // An exception must not cross SystemC's kernel: it would lose its type, and the kernel its state.
  try {
    run_callbacks();
  } catch (...) {
    failure_ = std::current_exception();
    heap_.clear();
  }
  arm();
}

void Dispatcher::run_callbacks() {
  while (!heap_.empty()) {
    const Time next(heap_.front().at);
    // Yield to SystemC when another module waits for an earlier time than our next callback.
    if (sc_core::sc_pending_activity() && to_sc(next + origin_) > sc_core::sc_time_stamp()) break;
    const Entry entry = pop();
    now_ = next;
    ++events_;
    entry.client->wake(entry.tag, entry.item);
  }
}

void Dispatcher::arm() {
  if (heap_.empty()) return;
  const sc_core::sc_time due = to_sc(Time(heap_.front().at) + origin_);
  const sc_core::sc_time& present = sc_core::sc_time_stamp();
  wake_event_.notify(due > present ? due - present : sc_core::SC_ZERO_TIME);
}

void Dispatcher::run_to_idle() {
  arm();
  while (!heap_.empty()) sc_core::sc_start();
  if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Dispatcher::reset() {
  heap_.clear();
  wake_event_.cancel();
  now_ = Time(0);
  origin_ = Time(static_cast<std::int64_t>(sc_core::sc_time_stamp().value()));
  sequence_ = 0;
}

}  // namespace athena::sim
