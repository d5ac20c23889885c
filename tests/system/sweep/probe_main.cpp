/// `athena sweep` over the test chip: the real command, engines, store and table, with a simulator
/// that answers in microseconds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <systemc>

#include "base/error.h"
#include "cli/command.h"
#include "unit/jobs/test_evaluator.h"

int sc_main(int argc, char* argv[]) {
  athena::jobs::testing::register_test_evaluator();
  athena::cli::Session session;
  CLI::App app("sweep probe");
  athena::cli::add_sweep_command(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const athena::Error& error) {
    std::fprintf(stderr, "athena: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "athena: internal error: %s\n", error.what());
    return static_cast<int>(athena::ExitCode::kInternal);
  }
  return session.exit_code;
}
