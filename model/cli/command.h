#pragma once
/// The command line: one file per subcommand. A command reads its flags, calls one room, prints.
#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace athena::cli {

/// What every command shares: how to print and how the process ends.
class Session {
 public:
  bool json = false;   ///< print one JSON object on standard output and nothing else there
  bool quiet = false;  ///< no progress, no tables; only errors
  int exit_code = 0;   ///< set by the command that ran; see athena::ExitCode

  /// Prints a finished text (tables) on standard output unless --json or --quiet is given.
  void print(const std::string& text) const;
  /// Prints the result object when --json is given.
  void print_json(const nlohmann::ordered_json& object) const;
  /// One line of progress on standard error: a bar with the time left on a terminal, plain lines
  /// elsewhere (rate-limited). `fraction` 0 to 1; a smaller one than before starts a new stage.
  void progress(double fraction, const std::string& text);
  /// Removes the bar, before anything else is written to the terminal.
  void clear_progress() const;

 private:
  double stage_start_s_ = -1.0;  ///< when the present stage began
  double last_line_s_ = -1.0;    ///< when progress was last shown
  double last_fraction_ = 2.0;
  mutable bool bar_shown_ = false;
};

/// Registers a subcommand: adds `--json` and `--quiet`, and runs `action` with the parsed flags.
/// `action` may throw athena::Error; main turns it into one sentence and the exit code.
void run_with(CLI::App& subcommand, Session& session, std::function<void()> action);

void add_bench_command(CLI::App& app, Session& session);
void add_capacity_command(CLI::App& app, Session& session);
void add_claims_command(CLI::App& app, Session& session);
void add_compare_command(CLI::App& app, Session& session);
void add_completion_command(CLI::App& app, Session& session);
void add_compile_command(CLI::App& app, Session& session);
void add_config_command(CLI::App& app, Session& session);
void add_cosim_command(CLI::App& app, Session& session);
void add_cost_command(CLI::App& app, Session& session);
void add_disasm_command(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);
void add_export_command(CLI::App& app, Session& session);
void add_help_command(CLI::App& app, Session& session);
void add_report_command(CLI::App& app, Session& session);
void add_run_command(CLI::App& app, Session& session);
void add_serve_command(CLI::App& app, Session& session);
void add_sweep_command(CLI::App& app, Session& session);
void add_validate_command(CLI::App& app, Session& session);

}  // namespace athena::cli
