#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "base/error.h"
#include "cli/command.h"
#include "cli/output.h"

namespace athena::cli {
namespace {

constexpr double kBarInterval = 0.1;   ///< s between two pictures of the bar
constexpr double kLineInterval = 5.0;  ///< s between two plain lines
constexpr int kBarWidth = 24;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string time_left(double elapsed, double fraction) {
  if (fraction <= 0.0 || elapsed < 1.0) return "";
  const double left = elapsed * (1.0 - fraction) / fraction;
  if (left < 60.0) return fmt::format(", {:.0f} s left", left);
  if (left < 3600.0) return fmt::format(", {:.0f} min left", left / 60.0);
  return fmt::format(", {:.1f} h left", left / 3600.0);
}

/// Whoever reads standard output may close it early (`athena disasm x | head`): that is no error.
void write_out(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return;
  if (errno == EPIPE) throw ClosedOutput{};
  throw MachineError("cannot write to standard output.");
}

}  // namespace

void Session::print(const std::string& text) const {
  if (json || quiet) return;
  clear_progress();
  write_out(text.empty() || text.back() == '\n' ? text : text + "\n");
}

void Session::print_json(const nlohmann::ordered_json& object) const {
  if (!json) return;
  clear_progress();
  write_out(object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void Session::progress(double fraction, const std::string& text) {
  if (quiet) return;
  const double now = now_s();
  if (fraction < last_fraction_) {
    stage_start_s_ = now;
    last_line_s_ = now;
  }
  last_fraction_ = fraction;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (now - last_line_s_ < (terminal ? kBarInterval : kLineInterval)) return;
  last_line_s_ = now;
  const double done = std::clamp(fraction, 0.0, 1.0);
  const std::string percent =
      fmt::format("{:3.0f} %{}", 100.0 * done, time_left(now - stage_start_s_, done));
  if (!terminal) {
    fmt::print(stderr, "{}: {}\n", text, percent);
    return;
  }
  const int filled = static_cast<int>(done * kBarWidth);
  fmt::print(stderr, "\r\x1b[2K[{}{}] {}  {}", std::string(static_cast<std::size_t>(filled), '#'),
             std::string(static_cast<std::size_t>(kBarWidth - filled), ' '), percent, text);
  bar_shown_ = true;
}

void Session::clear_progress() const {
  if (!std::exchange(bar_shown_, false)) return;
  fmt::print(stderr, "\r\x1b[2K");
}

void run_with(CLI::App& subcommand, Session& session, std::function<void()> action) {
  subcommand.add_flag("--json", session.json, "print one JSON object instead of text");
  subcommand.add_flag("--quiet", session.quiet, "print nothing but errors");
  subcommand.callback(std::move(action));
}

}  // namespace athena::cli
