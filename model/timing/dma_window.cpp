#include "timing/dma_window.h"

#include <algorithm>

#include "base/error.h"

namespace athena::timing {

DmaWindow::DmaWindow(Bytes window, BytesPerSecond rate) : window_(window), rate_(rate) {
  if (window.value() < 1) throw InputError("DMA window: expected at least one byte in flight");
}

void DmaWindow::reset() {
  flights_.clear();
  in_flight_ = Bytes(0);
  port_free_ = Time(0);
}

Time DmaWindow::admit(Time ready, Bytes bytes) {
  const Bytes needed = std::min(bytes, window_);
  while (!flights_.empty() && (in_flight_ + needed > window_ || flights_.front().back <= ready)) {
    if (flights_.front().back > ready) ready = flights_.front().back;
    in_flight_ -= flights_.front().bytes;
    flights_.pop_front();
  }
  if (rate_.value() > 0.0) {
    ready = std::max(ready, port_free_);
    port_free_ = ready + transfer_time(bytes, rate_);
  }
  return ready;
}

Time DmaWindow::complete(Time issued, Time first, Time last, Bytes bytes) {
  // Each window's worth needs a round trip of its own: the part beyond the first follows at
  // window / round trip.
  Time end = last;
  if (bytes > window_) {
    const double trips =
        static_cast<double>((bytes - window_).value()) / static_cast<double>(window_.value());
    const Time trip = first - issued;
    const Time paced(static_cast<std::int64_t>(trips * static_cast<double>(trip.value())));
    end = std::max(end, first + paced);
  }
  const Bytes held = std::min(bytes, window_);
  flights_.push_back({end, held});
  in_flight_ += held;
  return end;
}

}  // namespace athena::timing
