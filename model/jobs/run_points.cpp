#include "jobs/run_points.h"

namespace athena::jobs {

std::vector<Outcome> run_points(std::span<const PointSpec> points, const Options& options) {
  return Pool(options).run(points);
}

nlohmann::ordered_json run_point(const PointSpec& point, const Options& options) {
  Options one = options;
  one.workers = 1;
  Outcome outcome = std::move(run_points({&point, 1}, one).front());
  switch (outcome.code) {
    case ExitCode::kOk:
      return std::move(outcome.result);
    case ExitCode::kBadInput:
      throw InputError(outcome.error);
    case ExitCode::kFinding:
      throw Finding(outcome.error);
    case ExitCode::kContradiction:
      throw Contradiction(outcome.error);
    case ExitCode::kMachine:
      throw MachineError(outcome.error);
    case ExitCode::kInternal:
      break;
  }
  throw InternalError(outcome.error);
}

}  // namespace athena::jobs
