#pragma once
/// What every report page carries inside itself: style, scripts, and the chart library.
#include <filesystem>
#include <string>

namespace athena::report {

/// model/report/page/*.css and *.js, as they were when the library was built.
[[nodiscard]] std::string page_style();
[[nodiscard]] std::string page_script();

/// Where scripts/report-assets puts the chart library with its licences:
/// $ATHENA_REPORT_ASSETS, else build/report-assets below the repository.
[[nodiscard]] std::filesystem::path chart_library_path();
/// Its text, or "" when it has not been fetched: the page then shows tables and says what to do.
[[nodiscard]] std::string chart_library();

}  // namespace athena::report
