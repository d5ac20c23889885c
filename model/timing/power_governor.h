#pragma once
/// Which clock a power cap allows. Real chips hold their power limit by lowering clock and voltage
/// together; how far depends on what the work does, so the governor takes the work's energies.
///
/// At clock ratio r (1 = nominal), with supply V(r) from the voltage curve:
///   time    t(r) = (1 - s) + s / r              s: share of the time that the core clock bounds
///   power P(r)·η = E_core (V/Vref)² / t(r)      events on the core's rail
///                + E_other / t(r)               HBM, links: rails of their own
///                + P_clock r (V/Vref)² (busy + (1 - gated)(1 - busy))
///                + P_leak (V/Vref)^n + P_constant
/// with η the efficiency of the board's regulators (caps hold at the board's input). P grows with
/// r, so the clock at the cap is unique.
#include "base/units.h"
#include "config/chip.h"
#include "timing/energy.h"

namespace athena::timing {

/// Supply voltage against clock: a floor up to `floor_clock`, then a straight line to the maximum.
struct VoltageCurve {
  Hertz max_clock{1e9};
  Hertz floor_clock{8e8};
  Hertz min_clock{2e8};
  double max_voltage = 1.0;
  double floor_voltage = 0.7;
  /// V at `ratio` of max_clock; constant outside [floor_clock, max_clock].
  [[nodiscard]] double at(double ratio) const;
};

/// What a chip draws besides its events, at reference voltage and nominal clock.
struct PowerModel {
  VoltageCurve curve;
  double reference_voltage = 0.75;
  Watts leakage{0};  ///< die, at reference voltage
  double leakage_exponent = 3.0;
  Watts clock_tree{0};  ///< at reference voltage and nominal clock
  double clock_gated_share = 0.5;
  Watts constant{0};  ///< HBM background and refresh, idle PHYs: no clock, no core voltage
  double delivery_efficiency = 0.9;
  Watts cap{400};  ///< the board's limit
};

/// What the work does, per second of its run at nominal clock.
struct Activity {
  Watts core{0};             ///< events on the core rail, at reference voltage
  Watts other{0};            ///< events on other rails
  double busy = 1.0;         ///< share of core-cycles in which cores issue (clock gating)
  double clock_bound = 1.0;  ///< share of the time that stretches when the core clock falls
};

/// The activity of counted events over `duration` at nominal clock.
[[nodiscard]] Activity activity_of(const ChipEnergy& energy, const EventCounts& counts,
                                   Seconds duration, double busy, double clock_bound);

/// Board power and where it goes (the parts are on the silicon's side of the regulators).
struct PowerPoint {
  Watts total{0};
  Watts core{0};
  Watts other{0};
  Watts clock_tree{0};
  Watts leakage{0};
  Watts constant{0};
  Watts delivery{0};  ///< lost in the regulators
  double clock_ratio = 1.0;
  double time_factor = 1.0;  ///< run time relative to the nominal clock
  bool cap_held = true;      ///< false: even the lowest clock exceeds the cap
};

/// The power model of a chip. Leakage and clock tree follow the silicon's area (all dies); the
/// constant part is what remains of the published idle power after leakage at the floor voltage.
[[nodiscard]] PowerModel power_model(const config::ChipConfig& chip, const EnergyTable& table,
                                     SquareMm silicon);

/// Power at a given clock ratio, in [min_clock / max_clock, 1].
[[nodiscard]] PowerPoint power_at(const PowerModel& model, const Activity& activity, double ratio);

/// The operating point: nominal clock if the cap allows it, else the clock at which power equals
/// the cap. `cap` 0 = the model's own. A cap below the power of the lowest clock gives that clock
/// and cap_held = false. Throws InputError for a negative cap.
[[nodiscard]] PowerPoint governed_point(const PowerModel& model, const Activity& activity,
                                        Watts cap = Watts(0));
/// governed_point(...).clock_ratio.
[[nodiscard]] double governed_clock_ratio(const PowerModel& model, const Activity& activity,
                                          Watts cap = Watts(0));

/// The governor over time: holds a running average of power under the cap, so that short bursts
/// pass at full clock and steady work settles at governed_clock_ratio().
class PowerGovernor {
 public:
  /// `window`: time constant of the average; 0 acts at once. Boards average over tens of
  /// milliseconds (assumed 20 ms).
  explicit PowerGovernor(const PowerModel& model, Watts cap = Watts(0),
                         Seconds window = Seconds(0.02));

  struct Step {
    Seconds duration{0};  ///< real time that the interval took
    PowerPoint power;
    Joules energy{0};  ///< board energy of the interval
  };
  /// Runs one interval that lasts `nominal` at full clock.
  Step advance(const Activity& activity, Seconds nominal);
  /// Average power that the governor sees now.
  [[nodiscard]] Watts average() const { return average_; }

 private:
  PowerModel model_;
  Watts cap_;
  Seconds window_;
  Watts average_;
};

}  // namespace athena::timing
