#include <cstdlib>

#include "base/file.h"
#include "config/resolve.h"
#include "report/assets.h"

namespace athena::report {

std::filesystem::path chart_library_path() {
  const char* folder = std::getenv("ATHENA_REPORT_ASSETS");
  if (folder != nullptr && *folder != '\0') return std::filesystem::path(folder) / "echarts.js";
  return config::repository_root() / "build" / "report-assets" / "echarts.js";
}

std::string chart_library() {
  const std::filesystem::path path = chart_library_path();
  std::error_code failure;
  if (!std::filesystem::exists(path, failure)) return "";
  return read_file(path);
}

}  // namespace athena::report
