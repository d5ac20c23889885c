#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "validate/measured.h"

namespace athena::validate {
namespace {

constexpr double kSize = 640.0;
constexpr double kMargin = 60.0;
constexpr std::array<const char*, 10> kColours = {"#1f77b4", "#ff7f0e", "#2ca02c", "#d62728",
                                                  "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
                                                  "#bcbd22", "#17becf"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string op_of(const Figure& figure) {
  return figure.groups.empty() ? std::string() : figure.groups.front().second;
}

/// Both axes logarithmic with the same range, so that the diagonal is agreement.
struct Axes {
  double low = 1e300;
  double high = 1e-300;
  explicit Axes(const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) {
      low = std::min({low, figure.measured, figure.model});
      high = std::max({high, figure.measured, figure.model});
    }
    low = std::pow(10.0, std::floor(std::log10(low)));
    high = std::pow(10.0, std::ceil(std::log10(high)));
    if (high <= low) high = low * 10.0;
  }
  [[nodiscard]] double at(double value) const {
    return kMargin + (kSize - 2 * kMargin) * std::log(value / low) / std::log(high / low);
  }
};

std::string drawing(const std::vector<Figure>& figures) {
  if (figures.empty()) return "<p>No figures.</p>";
  const Axes axes(figures);
  std::string svg = fmt::format(
      "<svg width=\"{0}\" height=\"{0}\" role=\"img\"><line x1=\"{1}\" y1=\"{2}\" x2=\"{2}\" "
      "y2=\"{1}\" stroke=\"#888\"/>",
      kSize, kMargin, kSize - kMargin);
  for (double tick = axes.low; tick <= axes.high * 1.001; tick *= 10.0) {
    const double x = axes.at(tick);
    svg += fmt::format(
        "<text x=\"{:.1f}\" y=\"{}\" font-size=\"11\" text-anchor=\"middle\">{:g}</text>"
        "<text x=\"{}\" y=\"{:.1f}\" font-size=\"11\" text-anchor=\"end\">{:g}</text>",
        x, kSize - kMargin + 18, tick, kMargin - 8, kSize - x, tick);
  }
  std::map<std::string, std::size_t> colours;
  for (const Figure& figure : figures) {
    const std::size_t colour = colours.try_emplace(op_of(figure), colours.size()).first->second;
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\" fill-opacity=\"0.6\"><title>{}: "
        "measured {:.4g}, model {:.4g} ({})</title></circle>",
        axes.at(figure.measured), kSize - axes.at(figure.model), kColours[colour % kColours.size()],
        escaped(figure.id), figure.measured, figure.model, escaped(figure.explanation));
  }
  svg += fmt::format(
      "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">measured (unit of the "
      "figure)</text></svg><p>",
      kSize / 2, kSize - 12);
  for (const auto& [op, colour] : colours) {
    svg += fmt::format("<span style=\"color:{}\">&#9679; {}</span> ",
                       kColours[colour % kColours.size()], escaped(op));
  }
  return svg + "</p>";
}

}  // namespace

std::string scatter_page(const ErrorTable& table) {
  std::string page = fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>body{{"
      "font-family:sans-serif;margin:2em}}td,th{{padding:2px 10px;text-align:right}}"
      "</style><h1>{0}</h1>{1}<table><tr><th>by</th><th>group</th><th>n</th><th>mean error</th>"
      "<th>median</th><th>bias</th><th>largest</th><th>rank correlation</th></tr>",
      escaped(table.title), drawing(table.figures));
  for (const Group& group : table.groups) {
    const ErrorStats& s = group.stats;
    page += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1f} %</td><td>{:.1f} %</td><td>{:+.1f} "
        "%</td><td>{:.0f} %</td><td>{:.3f}</td></tr>",
        escaped(group.by), escaped(group.key), s.n, 100 * s.mape, 100 * s.median_ape, 100 * s.bias,
        100 * s.max_ape, s.spearman);
  }
  page += fmt::format("</table><p>{} rows skipped.</p><ul>", table.skipped.size());
  for (const Skipped& row : table.skipped)
    page += fmt::format("<li>line {}: {}</li>", row.line, escaped(row.reason));
  return page + "</ul></html>\n";
}

}  // namespace athena::validate
