#include "cli/run_sections.h"

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/output.h"

namespace athena::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string share(double part, double whole) {
  return fmt::format("{:.1f} %", whole > 0 ? 100.0 * part / whole : 0.0);
}

std::string memory(const Json& memory) {
  std::string text;
  for (const char* kind : {"weights", "gradients", "optimizer", "activations", "workspace"}) {
    const auto bytes = memory.at(std::string(kind) + "_bytes").get<std::int64_t>();
    if (bytes > 0) {
      text += fmt::format("{}{} {}", text.empty() ? "" : " + ", kind, binary(Bytes(bytes)));
    }
  }
  return fmt::format("{} = {} of {}", text,
                     binary(Bytes(memory.at("total_bytes").get<std::int64_t>())),
                     binary(Bytes(memory.at("capacity_bytes").get<std::int64_t>())));
}

}  // namespace

std::string training_text(const Json& run) {
  if (!run.contains("training")) return "";
  const Json& training = run.at("training");
  const double time = run.at("time_s").get<double>();
  const double model = run.at("flops").get<double>();
  const double mfu = run.at("mfu").get<double>();
  const double hardware = training.at("hardware_flops").get<double>();
  const double total = training.at("communication_s").get<double>();
  const double exposed = training.at("exposed_communication_s").get<double>();
  const std::string name = run.at("chip").get<std::string>();
  std::string text = fmt::format(
      "\ntraining step on {} x {}: {} sequences in {} micro-batches of {} per replica\n",
      run.at("chips").get<int>(), name, training.at("global_batch").get<std::int64_t>(),
      training.at("micro_batches").get<int>(), training.at("micro_batch").get<std::int64_t>());
  text += fmt::format("  MFU {:.1f} % of peak without what is computed again, {:.1f} % with it\n",
                      100.0 * mfu, model > 0 ? 100.0 * mfu * hardware / model : 0.0);
  text += fmt::format("  pipeline bubble {}\n",
                      share(training.at("pipeline_bubble").get<double>(), 1.0));
  text += fmt::format("  communication {} a rank, exposed {} ({} of the step)\n",
                      show(Seconds(total)), show(Seconds(exposed)), share(exposed, time));
  text += fmt::format("  energy {} a step, {} a token\n", si(run.at("energy_j").get<double>(), "J"),
                      si(run.at("energy_per_token_j").get<double>(), "J"));
  text += fmt::format("  memory of the fullest rank (stage {}): {}\n",
                      training.at("memory_per_rank").at("stage").get<int>(),
                      memory(training.at("memory_per_rank")));
  return text;
}

std::string replay_text(const Json& run) {
  if (!run.contains("replay")) return "";
  const Json& replay = run.at("replay");
  std::string kinds;
  for (const auto& [kind, count] : replay.at("kinds").items()) {
    if (count.get<std::int64_t>() == 0) continue;
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", count.get<std::int64_t>(), kind);
  }
  std::string text =
      fmt::format("\ntrace of {} nodes ({}) on rank 0 of {}\n",
                  replay.at("nodes").get<std::int64_t>(), kinds, replay.at("ranks").get<int>());
  text += fmt::format("  compute {}, communication {}, of which the chip waits for {}\n",
                      show(Seconds(replay.at("compute_s").get<double>())),
                      show(Seconds(replay.at("communication_s").get<double>())),
                      show(Seconds(replay.at("exposed_communication_s").get<double>())));
  Table table({"timed by", "nodes", "time"});
  for (const auto& [basis, sum] : replay.at("timed_by").items()) {
    table.row({basis, std::to_string(sum.at("nodes").get<std::int64_t>()),
               show(Seconds(sum.at("time_s").get<double>()))});
  }
  text += table.text();
  const Json& gaps = replay.at("gaps");
  if (gaps.empty()) return text + "no node lacked anything\n";
  text += "what nodes lacked\n";
  for (const Json& gap : gaps) {
    const auto first = gap.at("first").get<std::string>();
    text += fmt::format("  {} nodes lack {}{}: {}\n", gap.at("nodes").get<std::int64_t>(),
                        gap.at("lack").get<std::string>(),
                        first.empty() ? "" : fmt::format(" (first: '{}')", first),
                        gap.at("consequence").get<std::string>());
  }
  return text;
}

}  // namespace athena::cli
