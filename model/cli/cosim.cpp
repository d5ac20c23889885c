/// athena cosim: model and Verilated RTL of a block, walked in lockstep under random traffic.
#include "cosim/cosim.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command.h"

namespace athena::cli {
namespace {

struct Options {
  std::string block;
  bool all = false;
  bool list = false;
  bool speed = false;
  cosim::CosimOptions run;
};

std::string catalogue() {
  std::string text = "blocks and the parameter sets they are built for:\n";
  for (const auto& c : cosim::block_cases()) {
    text += fmt::format("  {:<32} vectors are {}; faults to inject:", c.name(), c.vectors);
    for (const auto& f : c.faults) text += " " + f.name;
    text += "\n";
  }
  return text;
}

double rate(const cosim::CosimResult& r) {
  return r.cpu_s > 0.0 ? static_cast<double>(r.cycles) / r.cpu_s : 0.0;
}

nlohmann::ordered_json to_json(const cosim::CosimResult& r) {
  nlohmann::ordered_json object = {{"name", r.name},
                                   {"cycles", r.cycles},
                                   {"vectors", r.vectors},
                                   {"divergences", r.divergence ? 1 : 0},
                                   {"cycles_per_second", rate(r)},
                                   {"parity", r.parity}};
  if (!r.divergence) return object;
  object["divergence"] = {{"cycle", r.divergence->cycle},
                          {"signal", r.divergence->signal},
                          {"model", r.divergence->model_value},
                          {"rtl", r.divergence->rtl_value},
                          {"waveform", r.waveform}};
  return object;
}

std::string to_text(const cosim::CosimResult& r, std::uint64_t seed) {
  std::string text;
  for (const auto& line : r.parity) text += line + "\n";
  if (!r.divergence) {
    text += fmt::format(
        "{:<34} {:>9} cycles {:>8} vectors  no divergence  {:>8.0f} cycles/s  seed {}\n", r.name,
        r.cycles, r.vectors, rate(r), seed);
    return text;
  }
  const auto& d = *r.divergence;
  text += fmt::format(
      "{}: model and RTL differ at cycle {}, seed {}\n  signal {}\n  model  {}\n  RTL    {}\n"
      "last transactions, as the model saw them:\n{}",
      r.name, d.cycle, seed, d.signal, d.model_value, d.rtl_value, d.history);
  text += r.waveform.empty() ? "no waveform: the copy that was to replay the window failed\n"
                             : fmt::format("waveform of the window: {}\n", r.waveform);
  return text;
}

/// With several cases, each has a coverage file of its own: NAME-block-variant.dat.
std::string file_of(const std::string& name, const cosim::BlockCase& block) {
  std::filesystem::path path(name);
  const std::string extension = path.extension().string();
  path.replace_extension();
  return fmt::format("{}-{}-{}{}", path.string(), block.block, block.variant, extension);
}

void cosim_action(const Options& options, Session& session) {
  if (options.list) {
    session.print(catalogue());
    return;
  }
  if (options.all == !options.block.empty()) {
    throw InputError("cosim needs the name of a block, or --all for every one; --list shows them");
  }
  const auto cases = options.all ? cosim::block_cases() : cosim::find_cases(options.block);
  nlohmann::ordered_json blocks = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    cosim::CosimOptions run = options.run;
    run.progress = [&](double done) {
      session.progress((static_cast<double>(i) + done) / static_cast<double>(cases.size()),
                       cases[i].name());
    };
    if (!run.coverage.empty() && cases.size() > 1) run.coverage = file_of(run.coverage, cases[i]);
    const auto result = cosim::run_cosim(cases[i], run);
    session.print(to_text(result, run.seed));
    blocks.push_back(to_json(result));
    if (result.divergence) session.exit_code = static_cast<int>(ExitCode::kContradiction);
    if (options.speed && !result.divergence) {
      constexpr std::uint64_t kSpeedCycles = 100'000;
      const double alone = cosim::rtl_cycles_per_second(cases[i], kSpeedCycles);
      blocks.back()["rtl_cycles_per_second"] = alone;
      session.print(fmt::format("{:<34} RTL alone {:>8.0f} cycles/s\n", cases[i].name(), alone));
    }
  }
  session.print_json(
      {{"seed", options.run.seed}, {"stall", options.run.stall}, {"blocks", blocks}});
}

}  // namespace

void add_cosim_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  CLI::App* cmd = app.add_subcommand(
      "cosim", "Walk a block's model and its Verilated RTL in lockstep under random traffic");
  cmd->add_option("block", options->block, "a block of rtl/, or BLOCK/VARIANT (see --list)");
  cmd->add_flag("--all", options->all, "every block in every built parameter set");
  cmd->add_flag("--list", options->list, "blocks, parameter sets and faults");
  cmd->add_flag("--speed", options->speed, "also measure the RTL alone");
  cmd->add_option("--vectors", options->run.vectors, "finished transactions to run")
      ->capture_default_str();
  cmd->add_option("--cycles", options->run.min_cycles, "and at least this many cycles")
      ->capture_default_str();
  cmd->add_option("--stall", options->run.stall, "probability that a channel stalls in a cycle")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  cmd->add_option("--seed", options->run.seed, "seed of the traffic")->capture_default_str();
  cmd->add_option("--inject", options->run.inject, "plant a fault between the traffic and the RTL");
  cmd->add_option("--out", options->run.out_dir, "folder for waveforms")->capture_default_str();
  cmd->add_option("--coverage", options->run.coverage,
                  "write RTL coverage here (a build with ATHENA_RTL_COVERAGE)");
  run_with(*cmd, session, [options, &session] { cosim_action(*options, session); });
}

}  // namespace athena::cli
