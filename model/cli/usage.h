#pragma once
/// What a wrong command line is answered with.
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace athena::cli {

/// One sentence for a parse error of `app`, with the nearest spelling of an unknown flag.
[[nodiscard]] std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

/// "" when `word` is a subcommand of `app`, else the sentence that says so.
[[nodiscard]] std::string unknown_subcommand(const CLI::App& app, const std::string& word);

}  // namespace athena::cli
