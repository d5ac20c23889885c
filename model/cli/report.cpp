/// athena report: the page of a result folder.
#include "report/report.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "report/assets.h"
#include "report/trace.h"

namespace athena::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ReportFlags {
  std::string folder;
  bool trace = false;
};

void run_report(const ReportFlags& flags, Session& session) {
  const fs::path folder = flags.folder;
  Json out;
  if (flags.trace) {
    const Json run = Json::parse(read_file(folder / "result.json"));
    const report::TraceSummary trace =
        report::write_trace(folder / "trace.json.gz", report::kernel_events(run));
    out["trace"] = (folder / "trace.json.gz").string();
    out["trace_events"] = trace.written;
  }
  const fs::path page = report::write_report(folder);
  const bool charts = fs::exists(report::chart_library_path());
  out["report"] = page.string();
  out["bytes"] = fs::file_size(page);
  out["charts"] = charts;
  std::string text = fmt::format("{} ({}): open it in any browser\n", page.string(),
                                 binary(Bytes(static_cast<std::int64_t>(fs::file_size(page)))));
  if (!charts) {
    text += fmt::format(
        "it has tables only, for the chart library is not at {}: run "
        "scripts/report-assets once, then this command again\n",
        report::chart_library_path().string());
  }
  if (flags.trace) {
    text += fmt::format("{}: {} events; open it at ui.perfetto.dev or chrome://tracing\n",
                        out["trace"].get<std::string>(), out["trace_events"].get<std::size_t>());
  }
  session.print(text);
  session.print_json(out);
}

}  // namespace

void add_report_command(CLI::App& app, Session& session) {
  auto flags = std::make_shared<ReportFlags>();
  CLI::App* command = app.add_subcommand("report", "Write the HTML page of a result folder");
  command->add_option("folder", flags->folder, "folder that --out of run, serve or sweep wrote")
      ->required();
  command->add_flag("--trace", flags->trace,
                    "also write trace.json.gz: the kernels of a run as a timeline for Perfetto");
  command->footer("athena report out/llama --trace");
  run_with(*command, session, [flags, &session] { run_report(*flags, session); });
}

}  // namespace athena::cli
