/// The process: SystemC's library calls sc_main, which reads the command line, runs one command and
/// turns whatever goes wrong into one sentence and an exit code.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <systemc>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/usage.h"
#include "jobs/evaluator.h"
#include "jobs/simulation/evaluate.h"

namespace {

using athena::ExitCode;

/// The library prints its banner before sc_main unless the environment says otherwise by then.
const bool kBannerOff = ::setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1) == 0;

pid_t main_process = 0;

/// Files are written whole or not at all (base/file.h), so there is nothing to clean up. Worker
/// processes end silently; the parent speaks for all.
void on_interrupt(int) {
  if (::getpid() == main_process) {
    static constexpr std::string_view kText = "\nathena: interrupted; nothing was half-written.\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText.data(), kText.size());
  }
  ::_exit(static_cast<int>(ExitCode::kMachine));
}

void install_signals() {
  main_process = ::getpid();
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);  // write() then fails with EPIPE, see Session
}

int fail(const athena::cli::Session& session, ExitCode code, const std::string& sentence) {
  session.clear_progress();
  fmt::print(stderr, "athena: {}\n", sentence);
  return static_cast<int>(code);
}

/// The one place that knows every way in which a command can end.
template <class Body>
int guarded(athena::cli::Session& session, const Body& body) {
  try {
    body();
    session.clear_progress();
    return session.exit_code;
  } catch (const athena::cli::ClosedOutput&) {
    return static_cast<int>(ExitCode::kOk);
  } catch (const athena::Error& error) {
    return fail(session, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(session, ExitCode::kMachine, "out of memory.");
  } catch (const std::exception& error) {
    return fail(session, ExitCode::kInternal, std::string("internal error: ") + error.what());
  }
}

constexpr const char* kExamples =
    "Examples:\n"
    "  athena run workloads/models/llama-2-7b.yaml --on athena --vs a100-sxm-80gb --input 2048\n"
    "  athena config explain athena\n"
    "  athena doctor\n"
    "\n"
    "Exit codes: 0 ok, 1 the answer is no, 2 bad input, 3 the model contradicts the RTL or "
    "itself,\n"
    "4 the machine failed, 5 internal error. Each command has its own --help.";

int parse_and_run(CLI::App& app, athena::cli::Session& session, int argc, char** argv) {
  if (argc < 2) {
    session.print(app.help());
    return static_cast<int>(ExitCode::kBadInput);
  }
  const std::string first = argv[1];
  if (!first.starts_with("-")) {
    const std::string sentence = athena::cli::unknown_subcommand(app, first);
    if (!sentence.empty()) return fail(session, ExitCode::kBadInput, sentence);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help and --version
      session.json = false;
      session.quiet = false;
      session.print(error.get_name() == "CallForVersion" ? std::string(error.what()) : app.help());
      return static_cast<int>(ExitCode::kOk);
    }
    return fail(session, ExitCode::kBadInput, athena::cli::usage_error(app, error));
  }
  return session.exit_code;
}

}  // namespace

int sc_main(int argc, char* argv[]) {
  install_signals();
  // Many points at once keep summaries; `run` asks for the details of its own.
  athena::jobs::set_evaluator_factory(
      [] { return athena::jobs::make_simulation_evaluator(false); });
  athena::cli::Session session;
  return guarded(session, [&] {
    CLI::App app("athena: what an AI accelerator does with a transformer, and what it costs",
                 "athena");
    app.set_version_flag("--version", "athena " ATHENA_VERSION);
    app.require_subcommand(0, 1);
    app.footer(kExamples);
    athena::cli::add_all_commands(app, session);
    session.exit_code = parse_and_run(app, session, argc, argv);
  });
}
