#pragma once
/// The limit that a DMA engine's outstanding requests put on its rate: window bytes per round trip.
/// Coarse transfers that ignore it are up to 70 % too fast.
#include <cstdint>
#include <deque>

#include "base/units.h"

namespace athena::timing {

/// A window of bytes in flight. A chunk may enter when enough earlier bytes have come back; what is
/// larger than the window streams through it at window / round trip.
class DmaWindow {
 public:
  /// `window`: outstanding requests times their size; `rate`: the engine's own port, 0 = unlimited.
  /// Throws InputError for a window below 1 byte.
  DmaWindow(Bytes window, BytesPerSecond rate);

  /// When a chunk that is ready at `ready` may be issued, given what is in flight.
  [[nodiscard]] Time admit(Time ready, Bytes bytes);
  /// The chunk admitted last comes back between `first` (its first byte) and `last`. Returns when
  /// the engine has it: not before last, and not faster than the window allows.
  Time complete(Time issued, Time first, Time last, Bytes bytes);

  [[nodiscard]] Bytes in_flight() const { return in_flight_; }
  [[nodiscard]] Bytes window() const { return window_; }
  void reset();

 private:
  struct Flight {
    Time back{0};
    Bytes bytes{0};
  };
  Bytes window_{0};
  BytesPerSecond rate_{0};
  std::deque<Flight> flights_;  // in the order of issue
  Bytes in_flight_{0};
  Time port_free_{0};
};

}  // namespace athena::timing
