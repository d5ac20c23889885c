#include <fmt/format.h>

#include "base/file.h"
#include "report/assets.h"
#include "report/report.h"

namespace athena::report {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

/// JSON that may stand inside a script element: no '<', so it can neither end the element nor
/// open a comment. Bytes that are not UTF-8 are replaced, for they cannot be shown.
std::string script_data(const nlohmann::ordered_json& document) {
  const std::string text =
      document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string to_html(const nlohmann::ordered_json& document, const std::string& library) {
  const std::string title = escaped(document.at("title").get<std::string>());
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  out += "<meta name=\"color-scheme\" content=\"light dark\">\n";
  // Nothing is ever fetched: the browser itself enforces it.
  out +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:\">\n";
  out += "<link rel=\"icon\" href=\"data:,\">\n";
  out +=
      fmt::format("<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n", title, page_style());
  out += "<a class=\"skip\" href=\"#main\">Skip to the result</a>\n";
  out += "<header id=\"head\"></header>\n<nav id=\"nav\" aria-label=\"Sections\"></nav>\n";
  out += "<main id=\"main\" tabindex=\"-1\"></main>\n<footer id=\"foot\"></footer>\n";
  out +=
      "<noscript>This page draws its result with scripts that it carries inside itself; allow "
      "scripts to see it. The data are in result.json beside it.</noscript>\n";
  out += "<script type=\"application/json\" id=\"data\">" + script_data(document) + "</script>\n";
  if (!library.empty()) out += "<script>" + library + "</script>\n";
  out += "<script>\n'use strict';\n" + page_script() + "</script>\n</body>\n</html>\n";
  return out;
}

std::filesystem::path write_report(const std::filesystem::path& folder) {
  std::filesystem::path path = folder / "report.html";
  write_file_atomically(path, to_html(collect(folder), chart_library()));
  return path;
}

}  // namespace athena::report
