#include <fmt/format.h>

#include <cctype>
#include <optional>

#include "serving/trace.h"
#include "serving/trace_line.h"

namespace athena::serving {
namespace {

constexpr const char* kAzureColumns = "TIMESTAMP,ContextTokens,GeneratedTokens";
constexpr const char* kPlainColumns = "arrival_s,input_tokens,output_tokens";

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level
/// date algorithms").
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

/// Digits of a fixed-width field; empty when any character is not a digit.
std::optional<std::int64_t> digits(std::string_view text, std::size_t begin, std::size_t count) {
  if (text.size() < begin + count) return std::nullopt;
  std::int64_t value = 0;
  for (std::size_t i = begin; i < begin + count; ++i) {
    if (std::isdigit(static_cast<unsigned char>(text[i])) == 0) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// `2023-11-16 18:15:46.6805900` (a zone such as +00:00 or Z may follow) in units of 100 ns since
/// 1970, so that differences are exact.
std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T')) return std::nullopt;
  if (text[13] != ':' || text[16] != ':') return std::nullopt;
  if (*month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 ||
      *second > 60) {
    return std::nullopt;
  }
  std::int64_t fraction = 0;
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 1'000'000;
    for (++at; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0; ++at) {
      fraction += (text[at] - '0') * unit;
      unit /= 10;
    }
  }
  const std::string_view zone = text.substr(at);
  if (!zone.empty() && zone != "Z" && zone != "+00:00") return std::nullopt;
  const std::int64_t seconds =
      days_from_civil(*year, *month, *day) * 86400 + *hour * 3600 + *minute * 60 + *second;
  return seconds * 10'000'000 + fraction;
}

class AzureReader final : public TraceReader {
 public:
  explicit AzureReader(const std::filesystem::path& path) : file_(path) {
    if (!file_.next(line_)) file_.fail("the trace is empty.");
    if (line_ != kAzureColumns)
      file_.fail(fmt::format("the header {} was expected.", kAzureColumns));
  }
  bool next(Request& request) override {
    if (!file_.next(line_)) return false;
    file_.split(line_, 3, fields_, kAzureColumns);
    const auto time = parse_timestamp(fields_[0]);
    if (!time) {
      file_.fail(fmt::format("TIMESTAMP must look like 2023-11-16 18:15:46.6805900, not '{}'.",
                             fields_[0]));
    }
    if (!first_) first_ = time;
    request = Request{};
    request.arrival = Seconds(static_cast<double>(*time - *first_) * 1e-7);
    if (*time < *first_) request.arrival = Seconds(-1.0);
    request.input_tokens = file_.integer(fields_[1], "ContextTokens");
    request.output_tokens = file_.integer(fields_[2], "GeneratedTokens");
    file_.check(request);
    return true;
  }

 private:
  LineFile file_;
  std::string line_;
  std::vector<std::string_view> fields_;
  std::optional<std::int64_t> first_;
};

class PlainReader final : public TraceReader {
 public:
  explicit PlainReader(const std::filesystem::path& path) : file_(path) {
    if (!file_.next(line_)) file_.fail("the trace is empty.");
    columns_ = line_;
    has_priority_ = line_ == fmt::format("{},priority", kPlainColumns);
    if (!has_priority_ && line_ != kPlainColumns) {
      file_.fail(fmt::format("the header {}[,priority] or {} was expected, not '{}'.",
                             kPlainColumns, kAzureColumns, line_));
    }
  }
  bool next(Request& request) override {
    if (!file_.next(line_)) return false;
    file_.split(line_, has_priority_ ? 4 : 3, fields_, columns_.c_str());
    request = Request{};
    request.arrival = Seconds(file_.number(fields_[0], "arrival_s"));
    request.input_tokens = file_.integer(fields_[1], "input_tokens");
    request.output_tokens = file_.integer(fields_[2], "output_tokens");
    if (has_priority_) request.priority = static_cast<int>(file_.integer(fields_[3], "priority"));
    file_.check(request);
    return true;
  }

 private:
  LineFile file_;
  std::string line_;
  std::string columns_;
  bool has_priority_ = false;
  std::vector<std::string_view> fields_;
};

}  // namespace

std::unique_ptr<TraceReader> open_azure_csv(const std::filesystem::path& path) {
  return std::make_unique<AzureReader>(path);
}

std::unique_ptr<TraceReader> open_plain_csv(const std::filesystem::path& path) {
  return std::make_unique<PlainReader>(path);
}

}  // namespace athena::serving
