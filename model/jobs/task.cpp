#include "jobs/task.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <unordered_set>

#include "base/file.h"

namespace athena::jobs {
namespace {

/// Appends whole lines with one write each: a kill tears at most the last.
class LineFile {
 public:
  explicit LineFile(const std::filesystem::path& file)
      : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)), file_(file) {
    if (fd_ < 0) fail();
  }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  ~LineFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  void add(const std::string& line) {
    const char* data = line.data();
    std::size_t left = line.size();
    while (left > 0) {
      const ssize_t written = ::write(fd_, data, left);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail();
      data += written;
      left -= static_cast<std::size_t>(written);
    }
  }
  /// On the disk, whatever happens next.
  void sync() {
    if (::fsync(fd_) != 0) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw MachineError(fmt::format("cannot write {}: {}", file_.string(), std::strerror(errno)));
  }
  int fd_;
  std::filesystem::path file_;
};

std::vector<PointSpec> read_points(const std::filesystem::path& file) {
  std::vector<PointSpec> points;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) points.push_back(point_from_text(line));
  return points;
}

}  // namespace

TaskFiles task_files(const std::filesystem::path& folder, std::size_t number) {
  const std::filesystem::path stem = folder / std::to_string(number);
  return {stem.string() + ".points", stem.string() + ".partial", stem.string() + ".results"};
}

void write_task(const TaskFiles& files, const std::vector<PointSpec>& points) {
  std::string text;
  for (const PointSpec& point : points) text += canonical_text(point) + "\n";
  write_file_atomically(files.points, text);
}

std::vector<StoredPoint> read_results(const std::filesystem::path& file) {
  std::vector<StoredPoint> out;
  if (!std::filesystem::exists(file)) return out;
  const std::string text = read_file(file);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn by a kill
    out.push_back(stored_point_from_line(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

void run_task(const TaskFiles& files, const Options& options) {
  if (std::filesystem::exists(files.results)) return;
  std::vector<StoredPoint> known = read_results(files.partial);
  std::unordered_set<std::string> done;
  std::string kept;
  for (const StoredPoint& point : known) {
    done.insert(point.spec);
    kept += to_line(point);
  }
  // Also removes a torn last line, so that the next one starts on its own.
  write_file_atomically(files.partial, kept);
  std::vector<PointSpec> points;
  for (PointSpec& point : read_points(files.points)) {
    if (done.count(canonical_text(point)) == 0) points.push_back(std::move(point));
  }
  LineFile partial(files.partial);
  Options mine = options;
  mine.store = nullptr;
  mine.keep_results = false;
  mine.on_outcome = [&](std::size_t i, const Outcome& outcome) {
    StoredPoint row{outcome.key, canonical_text(points[i]), outcome.code,        outcome.error,
                    "",          outcome.host_cpu_s,        outcome.host_max_rss};
    if (outcome.ok()) row.result = outcome.result.dump();
    partial.add(to_line(row));
  };
  static_cast<void>(run_points(points, mine));
  if (mine.stop != nullptr && mine.stop->load()) throw MachineError("the task was interrupted");
  partial.sync();
  std::filesystem::rename(files.partial, files.results);
}

}  // namespace athena::jobs
