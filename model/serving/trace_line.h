#pragma once
/// Lines of a trace file, with their numbers, and the checks that every form shares.
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "serving/request.h"

namespace athena::serving {

/// Reads lines of any length one by one. Line ends of either kind; the last line may lack one.
class LineFile {
 public:
  /// Throws InputError when the file cannot be opened.
  explicit LineFile(const std::filesystem::path& path);
  /// The next line that is not blank; false at the end of the file.
  [[nodiscard]] bool next(std::string& line);
  [[nodiscard]] int line() const { return line_; }
  /// Throws InputError "file:line: sentence" for the line last read.
  [[noreturn]] void fail(const std::string& sentence) const;
  /// Splits the line at commas and checks the number of fields.
  void split(std::string_view line, std::size_t expected, std::vector<std::string_view>& fields,
             const char* columns) const;
  [[nodiscard]] std::int64_t integer(std::string_view text, const char* what) const;
  [[nodiscard]] double number(std::string_view text, const char* what) const;
  /// Common checks of a finished request: lengths above zero, time not backwards. Numbers it too.
  void check(Request& request);

 private:
  std::string name_;
  std::ifstream in_;
  int line_ = 0;
  std::int64_t requests_ = 0;
  Seconds latest_{0.0};
};

}  // namespace athena::serving
