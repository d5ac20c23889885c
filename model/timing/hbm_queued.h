#pragma once
/// All channels of an HBM system, command by command: the detailed tier. The caller submits
/// requests with their arrival times and advances the model; completions are handed out when the
/// last column command has issued, which is before they happen.
#include <cstdint>
#include <vector>

#include "base/units.h"
#include "timing/hbm_channel.h"
#include "timing/hbm_map.h"

namespace athena::timing {

/// Any length and alignment; split inside by the address map. With `rows` above 1: that many
/// segments of `bytes`, `pitch` apart, which complete as one (a window of a matrix).
struct HbmRequest {
  std::uint64_t address = 0;
  Bytes bytes{0};
  bool write = false;
  Time arrival{0};        ///< at the controllers; not before the last advance()
  std::uint64_t tag = 0;  ///< given back in the completion
  std::int64_t rows = 1;
  Bytes pitch{0};
};

struct HbmCompletion {
  std::uint64_t tag = 0;
  Time finish{0};  ///< last byte on the bus
  Time accept{0};  ///< when the last of its pieces was taken into a controller's queue
  Time arrival{0};
  bool write = false;
};

/// Driving it from an event loop: submit what arrives, call advance(t) at least every lookahead()
/// of simulated time, and schedule each completion at its `finish`. A completion is never reported
/// late as long as two advances are no further apart than lookahead().
class HbmQueued {
 public:
  explicit HbmQueued(const HbmSpec& spec);

  /// Throws InputError beyond the capacity or for a length or a number of rows below 1.
  void submit(const HbmRequest& request) {
    const auto bytes = static_cast<std::uint64_t>(request.bytes.value());
    const std::uint64_t last = request.address + bytes - 1;
    // The usual case: inside one run of the address map.
    if (request.rows != 1 || bytes - 1 >= map_.run_bytes() || last >= map_.capacity() ||
        ((request.address ^ last) & ~std::uint64_t{map_.run_bytes() - 1}) != 0) {
      submit_any(request);
      return;
    }
    const std::uint32_t id = acquire();
    Slot& slot = slots_[id];
    slot.tag = request.tag;
    slot.arrival = request.arrival;
    slot.write = request.write;
    slot.several = false;
    const HbmPlace place = map_.place(request.address);
    HbmPiece piece;
    piece.arrival = tick_after(request.arrival);
    piece.tag = id;
    piece.row = place.row;
    piece.bursts = static_cast<std::uint16_t>((last >> access_shift_) -
                                              (request.address >> access_shift_) + 1);
    piece.bank = static_cast<std::uint8_t>(place.bank);
    piece.write = request.write;
    piece.column = static_cast<std::uint16_t>(place.column);
    channels_[place.channel].submit(piece);
  }
  /// Issues all commands up to and including `now`.
  void advance(Time now);
  /// Earliest time at which a command may issue; kNever when nothing waits.
  [[nodiscard]] Time next_event() const;
  static constexpr Time kNever{INT64_MAX};
  /// Shortest time from a column command to the end of its data.
  [[nodiscard]] Time lookahead() const { return lookahead_; }
  /// Completions since the last clear, in the order in which they became known.
  [[nodiscard]] std::vector<HbmCompletion>& completions() { return completions_; }
  [[nodiscard]] std::uint64_t outstanding() const { return outstanding_; }

  [[nodiscard]] const HbmSpec& spec() const { return spec_; }
  [[nodiscard]] const HbmTicks& ticks() const { return ticks_; }
  [[nodiscard]] int channels() const { return static_cast<int>(channels_.size()); }
  [[nodiscard]] HbmCounters counters(Time now) const;  ///< all channels
  [[nodiscard]] HbmCounters counters(int channel, Time now) const;
  [[nodiscard]] HbmEnergy energy(Time now) const;
  /// Counts of one channel over time, in its ticks.
  [[nodiscard]] const HbmSeries& series(int channel) const {
    return channels_[static_cast<std::size_t>(channel)].series();
  }
  /// Records the commands of one channel from now on; nullptr stops.
  void record(int channel, std::vector<HbmIssued>* log);
  void reset();

 private:
  struct Slot {
    std::uint64_t tag = 0;
    Time arrival{0};
    std::uint32_t pieces = 0;  // not yet done; of an unused slot the next unused one
    bool write = false;
    bool several = false;  // pieces at the start
  };
  struct Last {  // of a request's pieces so far
    Time finish{0}, accept{0};
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;
  /// Accesses of one piece at most: with more at once a row is served for so long that the next
  /// segment's rows open in its shadow, which single requests, taking turns, do not allow.
  static constexpr int kMost = 6;
  struct Gathered {
    HbmPiece piece;
    std::uint32_t channel = 0;
  };
  struct Newest {  // the piece that a bank got last
    std::uint64_t stamp = 0;
    std::uint32_t index = 0;
  };
  /// A slot for a request that begins.
  [[nodiscard]] std::uint32_t acquire() {
    ++outstanding_;
    ++requests_;
    if (free_slot_ == kNone) grow_slots();
    const std::uint32_t id = free_slot_;
    free_slot_ = slots_[id].pieces;
    return id;
  }
  void grow_slots();
  void submit_any(const HbmRequest& request);
  std::uint32_t submit_segment(HbmPiece& piece, std::uint64_t address, std::uint64_t bytes);
  std::uint32_t gather(HbmPiece& piece, std::uint64_t begin, std::uint64_t end);
  void collect(HbmChannel& channel);
  /// First tick not before `t`, without a division: the product may be one off.
  [[nodiscard]] Tick tick_after(Time t) const {
    const auto estimate = static_cast<Tick>(static_cast<double>(t.value()) * per_period_);
    const std::int64_t rest = t.value() - estimate * ticks_.period.value();
    return estimate + static_cast<Tick>(rest > 0) + static_cast<Tick>(rest > ticks_.period.value());
  }

  HbmSpec spec_;
  HbmTicks ticks_;
  HbmMap map_;
  int access_shift_ = 0;
  double per_period_ = 1.0;  // ticks of a femtosecond
  Time lookahead_{0};
  std::vector<HbmChannel> channels_;
  std::vector<Gathered> gathered_;  // of the request at hand
  std::vector<Newest> newest_;      // by channel and bank
  std::uint64_t stamp_ = 0;
  std::vector<Slot> slots_;
  std::vector<Last> last_;  // by slot; of requests of several pieces
  std::uint32_t free_slot_ = kNone;
  std::vector<HbmCompletion> completions_;
  std::uint64_t outstanding_ = 0;
  std::uint64_t requests_ = 0;
};

}  // namespace athena::timing
