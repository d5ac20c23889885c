#pragma once
/// A worker: a fork of this process, made before anything is elaborated, that evaluates points sent
/// to it over a socket until the socket closes.
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "jobs/excerpt.h"
#include "jobs/wire.h"

namespace athena::jobs {

/// What a worker is asked to do with each point of a message.
enum class Errand : char {
  kKeys = 'k',  ///< resolve it: key and elaboration key
  kRun = 'r',   ///< evaluate it
};

/// A worker's answer for one point, in the order of the points of the message.
struct Reply {
  ExitCode code = ExitCode::kOk;
  std::string error;
  bool out_of_memory = false;   ///< the worker is of no more use and leaves after this reply
  std::string key;              ///< kKeys
  std::string elaboration_key;  ///< kKeys
  double host_cpu_s = 0.0;      ///< of the worker and its children, for this point
  Bytes host_max_rss{0};        ///< kRun: peak of the worker so far
  std::string result;           ///< kRun: JSON text
  std::string excerpt;          ///< kRun: JSON text of what was asked for; "" = the whole result
};

/// The parent's handle of one worker process. Kills and reaps it when destroyed.
class WorkerProcess {
 public:
  /// Forks. `close_in_child`: parent-side sockets of other workers, which the child must not keep
  /// open (they would never see the end of their stream). Throws MachineError.
  WorkerProcess(Bytes memory_limit, const std::vector<int>& close_in_child);
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();

  /// Sends an errand; `points` are canonical texts, `excerpt` what is wanted of results (empty: all
  /// of it). False when the worker is gone.
  [[nodiscard]] bool send(Errand errand, const std::vector<std::string_view>& points,
                          const std::vector<Alternatives>& excerpt);
  /// Takes in what has come; false when the worker has left (its last replies are still to read).
  [[nodiscard]] bool fill();
  [[nodiscard]] std::optional<Reply> next_reply();

  void kill();
  /// Waits for the end of the process and says how it ended: a signal's number, or 0.
  [[nodiscard]] int reap();
  /// The last line the worker wrote on standard error; "" when none.
  [[nodiscard]] std::string last_words() const;
  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
  int stderr_file_ = -1;
  MessageReader reader_;
};

}  // namespace athena::jobs
