#pragma once
/// A PointSpec says everything that defines one simulated point, as plain data: what the user
/// wrote, nothing resolved. Its canonical JSON text is what travels to worker processes and cluster
/// tasks.
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace athena::jobs {

/// One simulated point. Defaults mean "not said": the evaluator then takes the document's or the
/// model's own value, exactly as `athena run` does when the flag is absent.
struct PointSpec {
  // What it runs on.
  std::string on;  ///< chip or system document: a name in configs/ or a path
  /// `path=value` overrides in the order given, a later one wins. A path that starts with `chip.`,
  /// `system.`, `stack.` or `cost.` is rooted at that document of the point; any other path is
  /// rooted at the document `on`. So `hbm.stacks=5` and `chip.hbm.stacks=5` agree on a chip, and
  /// the second also reaches the chip inside a system.
  std::vector<std::string> sets;
  std::string stack;  ///< software stack document; "" = the chip's default
  std::string
      cost;  ///< "nominal" = the result carries the chip's cost at nominal constants; "" = none
  double power_cap_w = 0.0;                ///< chip power cap, watts; 0 = the chip's own
  std::map<std::string, std::string> rtl;  ///< block -> model | rtl | lockstep

  // What runs: a model or Program file, or one operator.
  std::string model;  ///< model document (name or path), or a Program file
  std::string op;     ///< a single operator (gemm, rmsnorm, all_reduce ...) in place of a model
  std::map<std::string, std::int64_t> op_sizes;  ///< its sizes: m n k heads kv_heads head_dim bytes
  std::string phase;                             ///< prefill | decode | generate | train
  std::int64_t batch = 0;                        ///< sequences
  std::int64_t input = 0;                        ///< prompt tokens per sequence
  std::int64_t output = 0;                       ///< generated tokens per sequence
  std::string batch_spec;                        ///< ragged batch: `q=512,kv=1024x4;q=1,kv=2000x60`
  std::int64_t layers = 0;                       ///< simulate this many layers; 0 = all
  std::int64_t max_context = 0;  ///< allow context up to this many tokens; 0 = the model's limit
  std::string dtype;             ///< bf16, fp8, ...; "" = the model's own

  // How it is split over chips. 0 = not said.
  std::int64_t tp = 0, pp = 0, dp = 0, ep = 0, cp = 0, nodes = 0;
  std::int64_t virtual_stages = 0;  ///< model chunks per pipeline stage (interleaved 1F1B)
  bool sequence_parallel = false;   ///< norms and residuals split over tp by tokens
  std::int64_t micro_batch = 0, global_batch = 0;  ///< sequences (training)
  std::string recompute;                           ///< none | selective | full
  std::int64_t zero = 0;                           ///< ZeRO stage 0..3
  bool all_ranks = false;                          ///< simulate every rank, not one for all

  // How it is simulated.
  std::string fidelity = "transaction";  ///< analytic | transaction | detailed
  bool functional = false;               ///< compute numbers too
  std::uint64_t seed = 1;

  bool operator==(const PointSpec&) const = default;
};

/// Only what differs from a default-constructed PointSpec, keys in the order of the struct: equal
/// specs give equal text.
[[nodiscard]] nlohmann::ordered_json to_json(const PointSpec& spec);
/// Inverse of to_json. Throws InputError for an unknown key (naming the nearest) or a wrong type.
[[nodiscard]] PointSpec point_from_json(const nlohmann::ordered_json& json);

/// One line, no spaces: to_json(spec).dump().
[[nodiscard]] std::string canonical_text(const PointSpec& spec);
[[nodiscard]] PointSpec point_from_text(std::string_view text);

/// Sets a field by name from text, as a sweep's axis does: `batch`, `tp`, `rtl.systolic_array`,
/// `op_sizes.m`, or `set` with value `path=value`. Throws InputError: unknown field (naming the
/// nearest), not a number, a negative number, a value outside the field's list of names.
void set_field(PointSpec& spec, std::string_view field, std::string_view value);

/// The names that set_field takes, in the order of the struct.
[[nodiscard]] const std::vector<std::string>& field_names();

/// The command that runs this point by hand: `athena run MODEL --on CHIP ...`, quoted for a shell.
[[nodiscard]] std::string command_line(const PointSpec& spec);

}  // namespace athena::jobs
