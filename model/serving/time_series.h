#pragma once
/// What a service does over time, in a bounded number of bins: when simulated time outgrows them,
/// neighbours are merged and the bin width doubles.
#include <cstdint>
#include <vector>

namespace athena::serving {

/// One bin; sums over its width unless said otherwise.
struct SeriesBin {
  double arrivals = 0.0;
  double finished = 0.0;
  double prompt_tokens = 0.0;
  double output_tokens = 0.0;
  double busy_s = 0.0;       ///< replica-seconds in steps
  double sequence_s = 0.0;   ///< integral of the batch size over busy time
  double kv_share_s = 0.0;   ///< integral of each replica's share of pages held over busy time
  double in_system_s = 0.0;  ///< integral of the requests that arrived and are not finished
  double energy_j = 0.0;     ///< of steps
  void add(const SeriesBin& other);
};

class TimeSeries {
 public:
  static constexpr std::size_t kMaxBins = 512;

  /// Adds to the bin of one moment.
  void at(double time, const SeriesBin& amount);
  /// Spreads `amount` evenly over [begin, end].
  void over(double begin, double end, const SeriesBin& amount);
  [[nodiscard]] double bin_width() const { return width_; }
  [[nodiscard]] const std::vector<SeriesBin>& bins() const { return bins_; }

 private:
  std::size_t bin_of(double time);
  double width_ = 1.0;
  std::vector<SeriesBin> bins_;
};

}  // namespace athena::serving
