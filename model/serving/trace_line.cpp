#include "serving/trace_line.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace athena::serving {

LineFile::LineFile(const std::filesystem::path& path) : name_(path.string()), in_(path) {
  if (!in_) throw InputError(fmt::format("{}: the trace cannot be opened.", name_));
}

bool LineFile::next(std::string& line) {
  while (std::getline(in_, line)) {
    ++line_;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) return true;
  }
  return false;
}

void LineFile::fail(const std::string& sentence) const {
  throw InputError(Location{name_, line_, 0}, sentence);
}

void LineFile::split(std::string_view line, std::size_t expected,
                     std::vector<std::string_view>& fields, const char* columns) const {
  fields.clear();
  std::size_t begin = 0;
  while (true) {
    const std::size_t comma = line.find(',', begin);
    fields.push_back(line.substr(begin, comma - begin));
    if (comma == std::string_view::npos) break;
    begin = comma + 1;
  }
  if (fields.size() != expected) {
    fail(fmt::format("a row of {} fields ({}) was expected, this one has {}.", expected, columns,
                     fields.size()));
  }
}

namespace {
std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}
}  // namespace

std::int64_t LineFile::integer(std::string_view text, const char* what) const {
  text = trimmed(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(fmt::format("{} must be a whole number, not '{}'.", what, text));
  }
  return value;
}

double LineFile::number(std::string_view text, const char* what) const {
  text = trimmed(text);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    fail(fmt::format("{} must be a number, not '{}'.", what, text));
  }
  return value;
}

void LineFile::check(Request& request) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 40;  // keeps all token sums exact
  const auto check_length = [&](std::int64_t tokens, const char* what) {
    if (tokens < 1)
      fail(fmt::format("the request has {} {} tokens; at least 1 is needed.", tokens, what));
    if (tokens > kLongest) fail(fmt::format("{} {} tokens are beyond any model.", tokens, what));
  };
  check_length(request.input_tokens, "input");
  check_length(request.output_tokens, "output");
  if (request.arrival < latest_) {
    fail(fmt::format(
        "time goes backwards: the request arrives at {:.6f} s, the one before it at {:.6f} s.",
        request.arrival.value(), latest_.value()));
  }
  latest_ = request.arrival;
  request.id = requests_++;
}

}  // namespace athena::serving
