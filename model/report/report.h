#pragma once
/// Reports: one self-contained HTML page per result folder.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace athena::report {

/// Reads what a result folder holds -- result.json of `athena run`, serve.json and requests.csv of
/// `athena serve`, cost.json of `athena cost --json`, validate.json of `athena validate --json`
/// (there or in the folder above), a sweep -- into the one document that the page draws:
/// {version, title, folder, run?, chips?, timeline?, config?, cost?, serve?, sweep?, validation?,
/// trace?}.
/// Throws InputError when the folder holds none of them or a file is not what its name says.
[[nodiscard]] nlohmann::ordered_json collect(const std::filesystem::path& folder);

/// The page of a document: HTML with style, scripts, chart library and data inside; it loads
/// nothing. `library` is the text of the chart library, "" = tables only.
[[nodiscard]] std::string to_html(const nlohmann::ordered_json& document,
                                  const std::string& library);

/// Writes FOLDER/report.html and returns its path. Throws as collect(), and MachineError when it
/// cannot be written.
std::filesystem::path write_report(const std::filesystem::path& folder);

}  // namespace athena::report
