#include "timing/power_governor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace athena::timing {
namespace {

constexpr int kBisections = 60;  // to the last bit of a ratio

double min_ratio(const PowerModel& model) {
  return std::clamp(model.curve.min_clock / model.curve.max_clock, 1e-3, 1.0);
}

}  // namespace

double VoltageCurve::at(double ratio) const {
  const double floor_ratio = floor_clock / max_clock;
  if (ratio >= 1.0 || floor_ratio >= 1.0) return max_voltage;
  if (ratio <= floor_ratio) return floor_voltage;
  const double position = (ratio - floor_ratio) / (1.0 - floor_ratio);
  return floor_voltage + position * (max_voltage - floor_voltage);
}

Activity activity_of(const ChipEnergy& energy, const EventCounts& counts, Seconds duration,
                     double busy, double clock_bound) {
  if (duration.value() <= 0.0) return {.busy = busy, .clock_bound = clock_bound};
  const EnergyBreakdown spent = energy.energy(counts);
  return {.core = Watts(spent.core().value() / duration.value()),
          .other = Watts(spent.other().value() / duration.value()),
          .busy = busy,
          .clock_bound = clock_bound};
}

PowerModel power_model(const config::ChipConfig& chip, const EnergyTable& table, SquareMm silicon) {
  const config::PowerConfig& power = chip.power;
  PowerModel model;
  model.curve = {.max_clock = chip.clock.core,
                 .floor_clock = power.voltage_min_clock,
                 .min_clock = power.min_clock,
                 .max_voltage = power.voltage_at_max,
                 .floor_voltage = power.voltage_min};
  model.reference_voltage = table.reference_voltage;
  model.leakage = Watts(table.leakage_w_per_mm2 * silicon.value());
  model.leakage_exponent = table.leakage_exponent;
  const double supply = table.reference_voltage;
  model.clock_tree = Watts(table.clock_pf_per_mm2 * 1e-12 * silicon.value() *
                           chip.clock.core.value() * supply * supply);
  model.clock_gated_share = table.clock_gated_share;
  model.delivery_efficiency = table.delivery_efficiency;
  model.cap = power.cap;
  const double leakage_at_floor =
      model.leakage.value() * std::pow(power.voltage_min / supply, table.leakage_exponent);
  model.constant =
      Watts(std::max(0.0, power.idle.value() * table.delivery_efficiency - leakage_at_floor));
  return model;
}

PowerPoint power_at(const PowerModel& model, const Activity& activity, double ratio) {
  const double supply = model.curve.at(ratio) / model.reference_voltage;
  const double dynamic = supply * supply;
  PowerPoint point;
  point.clock_ratio = ratio;
  point.time_factor = (1.0 - activity.clock_bound) + activity.clock_bound / ratio;
  point.core = activity.core * (dynamic / point.time_factor);
  point.other = activity.other * (1.0 / point.time_factor);
  const double clocked = activity.busy + (1.0 - model.clock_gated_share) * (1.0 - activity.busy);
  point.clock_tree = model.clock_tree * (ratio * dynamic * clocked);
  point.leakage = model.leakage * std::pow(supply, model.leakage_exponent);
  point.constant = model.constant;
  const Watts silicon =
      point.core + point.other + point.clock_tree + point.leakage + point.constant;
  point.total = silicon / model.delivery_efficiency;
  point.delivery = point.total - silicon;
  return point;
}

PowerPoint governed_point(const PowerModel& model, const Activity& activity, Watts cap) {
  if (cap.value() < 0.0) {
    throw InputError(
        fmt::format("power cap {} W is negative; expected watts above 0.", cap.value()));
  }
  const Watts limit = cap.value() > 0.0 ? cap : model.cap;
  const PowerPoint nominal = power_at(model, activity, 1.0);
  if (nominal.total <= limit) return nominal;
  double low = min_ratio(model);
  PowerPoint slowest = power_at(model, activity, low);
  if (slowest.total > limit) {
    slowest.cap_held = false;
    return slowest;
  }
  double high = 1.0;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = 0.5 * (low + high);
    (power_at(model, activity, middle).total <= limit ? low : high) = middle;
  }
  return power_at(model, activity, low);
}

double governed_clock_ratio(const PowerModel& model, const Activity& activity, Watts cap) {
  return governed_point(model, activity, cap).clock_ratio;
}

PowerGovernor::PowerGovernor(const PowerModel& model, Watts cap, Seconds window)
    : model_(model), cap_(cap.value() > 0.0 ? cap : model.cap), window_(window) {
  if (cap.value() < 0.0 || window.value() < 0.0) {
    throw InputError(fmt::format("power cap {} W over a window of {} s: neither may be negative.",
                                 cap.value(), window.value()));
  }
  average_ = power_at(model_, Activity{.busy = 0.0}, min_ratio(model_)).total;
}

PowerGovernor::Step PowerGovernor::advance(const Activity& activity, Seconds nominal) {
  // Power that would bring the running average exactly to the cap by the interval's end.
  const double memory = window_.value() > 0.0 ? std::exp(-nominal.value() / window_.value()) : 0.0;
  const double fresh = std::max(1.0 - memory, 1e-12);
  const double allowed = (cap_.value() - average_.value() * memory) / fresh;
  Step step;
  step.power = governed_point(model_, activity, Watts(std::max(allowed, 1e-9)));
  step.duration = nominal * step.power.time_factor;
  step.energy = Joules(step.power.total.value() * step.duration.value());
  const double kept =
      window_.value() > 0.0 ? std::exp(-step.duration.value() / window_.value()) : 0.0;
  average_ = average_ * kept + step.power.total * (1.0 - kept);
  return step;
}

}  // namespace athena::timing
