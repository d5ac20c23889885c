#pragma once
/// The seam to the simulator: it is asked for one engine step at a time and answers operator by
/// operator.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "serving/step_time.h"

namespace athena::serving {

/// What an operator's time depends on.
enum class OperatorKind {
  kTokens,      ///< the number of new tokens (projections, FFN, norms)
  kSequences,   ///< the number of sequences (head, sampling)
  kAttention,   ///< query and key lengths
  kCollective,  ///< bytes on the fabric, which follow the number of new tokens
};
[[nodiscard]] std::string_view name(OperatorKind kind);
[[nodiscard]] std::optional<OperatorKind> operator_kind_from_name(std::string_view text);

/// A part of a step at full clock, free of what the power cap makes of the clock: terms of
/// operators add up, and the clock follows from the sum (OperatorTimer::settle).
struct StepTerms {
  Seconds time{0.0};
  Seconds core{0.0};         ///< of that time, what stretches when the core clock falls
  Joules core_energy{0.0};   ///< events on the core's rail at reference voltage, per chip
  Joules other_energy{0.0};  ///< events on other rails, per chip

  StepTerms& operator+=(const StepTerms& other);
  StepTerms& operator-=(const StepTerms& other);
};

/// Time of all calls of one operator in a step (every layer together).
struct OperatorTime {
  std::string name;
  OperatorKind kind = OperatorKind::kTokens;
  Seconds time{0.0};
  Joules energy{0.0};
  std::optional<StepTerms> terms{};  ///< empty: the clock is never lowered
};

/// One step as the simulator ran it. The operators need not add to the total: what overlaps or lies
/// between them (launches, pipeline fill) is the difference.
struct StepMeasurement {
  std::vector<OperatorTime> operators;
  Seconds total{0.0};
  Joules energy{0.0};
  std::optional<StepTerms> terms{};  ///< of the whole step
  [[nodiscard]] Seconds time_of(OperatorKind kind) const;
  [[nodiscard]] StepTerms terms_of(OperatorKind kind) const;
  [[nodiscard]] StepTerms all_terms() const;
};

/// Terms as a JSON list, null where there are none.
[[nodiscard]] nlohmann::json terms_json(const std::optional<StepTerms>& terms);
[[nodiscard]] std::optional<StepTerms> terms_from_json(const nlohmann::json& row);

/// The terms of a step by what they depend on. They add up to the step.
struct StepParts {
  StepTerms host;              ///< constant
  StepTerms tokens;            ///< follows the new tokens; what lies between operators included
  StepTerms head;              ///< follows the sequences
  StepTerms decode_attention;  ///< follows sequences and their keys
  StepTerms prompt_attention;  ///< follows pieces of prompts and the keys they see

  [[nodiscard]] StepTerms sum() const;
  /// All but the host's part.
  [[nodiscard]] StepTerms device() const;
};

/// In a mixed step the attention of prompts is an operator of this name, that of decodes another.
inline constexpr std::string_view kPromptAttention = "prompt_attention";
/// Takes a measured step apart.
[[nodiscard]] StepParts parts_of(const StepMeasurement& measured, const StepShape& shape,
                                 Seconds host_time);

/// Runs steps on one replica's hardware.
class OperatorTimer {
 public:
  OperatorTimer() = default;
  OperatorTimer(const OperatorTimer&) = delete;
  OperatorTimer& operator=(const OperatorTimer&) = delete;
  virtual ~OperatorTimer() = default;

  /// Everything that a measurement depends on besides the shape (resolved chip, system, stack,
  /// model, precision, parallelism, tier, version): equal identities give equal measurements.
  [[nodiscard]] virtual std::string identity() const = 0;
  /// Runs one step. Throws Finding where the shape does not fit the hardware.
  [[nodiscard]] virtual StepMeasurement measure(const StepShape& shape) = 0;
  [[nodiscard]] virtual Watts idle_power() const { return Watts(0.0); }
  /// Host time in every step, whatever its shape: part of all terms, but no operator's.
  [[nodiscard]] virtual Seconds host_time() const { return Seconds(0.0); }
  /// What a step of these terms costs at the clock that the power cap allows it.
  [[nodiscard]] virtual StepCost settle(const StepTerms& terms) const {
    return {terms.time, terms.core_energy + terms.other_energy};
  }
};

/// Measurements already made, in memory and, when a folder is given, in a file named by the hash of
/// the timer's identity, so that later runs of any trace find them.
class MeasurementStore {
 public:
  /// Reads what is there. An unreadable or foreign file is an InputError naming it.
  MeasurementStore(OperatorTimer& timer, const std::filesystem::path& folder = {});
  /// The measurement of a shape; empty when the hardware cannot hold it.
  [[nodiscard]] const std::optional<StepMeasurement>& get(const StepShape& shape);
  /// Writes the file when something is new.
  void save();
  [[nodiscard]] std::int64_t measured() const { return measured_; }  ///< by this object
  [[nodiscard]] std::int64_t loaded() const { return loaded_; }      ///< found on disk
  [[nodiscard]] OperatorTimer& timer() { return timer_; }

 private:
  OperatorTimer& timer_;
  std::filesystem::path file_;
  std::unordered_map<std::string, std::optional<StepMeasurement>> known_;
  std::int64_t measured_ = 0;
  std::int64_t loaded_ = 0;
};

/// Every distinct step is run (`--exact`).
class ExactSteps final : public StepTime {
 public:
  explicit ExactSteps(MeasurementStore& store) : store_(store) {}
  [[nodiscard]] StepCost cost(const StepShape& shape) override;
  [[nodiscard]] Watts idle_power() const override { return store_.timer().idle_power(); }

 private:
  MeasurementStore& store_;
};

}  // namespace athena::serving
