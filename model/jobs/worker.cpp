#include "jobs/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "jobs/evaluator.h"

namespace athena::jobs {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kBytesPerRusageUnit = 1024;  // ru_maxrss counts KiB on Linux

double cpu_seconds() {
  double total = 0.0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    for (const timeval& part : {usage.ru_utime, usage.ru_stime}) {
      total += static_cast<double>(part.tv_sec) + 1e-6 * static_cast<double>(part.tv_usec);
    }
  }
  return total;
}

std::int64_t max_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * kBytesPerRusageUnit;
}

/// A sentence may quote bytes of a broken file: what is not UTF-8 is replaced, or no JSON could
/// hold it later.
std::string as_utf8(const std::string& text) {
  if (text.empty()) return text;
  const std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(quoted).get<std::string>();
}

std::string encode(const Reply& reply) {
  FieldWriter out;
  out.number(static_cast<std::int64_t>(reply.code)).text(as_utf8(reply.error));
  out.number(static_cast<std::int64_t>(reply.out_of_memory));
  out.text(reply.key).text(reply.elaboration_key);
  out.number(reply.host_cpu_s).number(reply.host_max_rss.value());
  out.text(reply.result).text(reply.excerpt);
  return out.message();
}

Reply decode(const std::string& message) {
  FieldReader in(message);
  Reply reply;
  reply.code = static_cast<ExitCode>(in.integer());
  reply.error = in.text();
  reply.out_of_memory = in.integer() != 0;
  reply.key = in.text();
  reply.elaboration_key = in.text();
  reply.host_cpu_s = in.real();
  reply.host_max_rss = Bytes(in.integer());
  reply.result = in.text();
  reply.excerpt = in.text();
  return reply;
}

/// One message to a worker.
struct Order {
  Errand errand = Errand::kRun;
  std::vector<Alternatives> excerpt;
  Json points;
};

Order decode_order(const std::string& message) {
  FieldReader in(message);
  Order order;
  order.errand = static_cast<Errand>(in.integer());
  for (std::int64_t wanted = in.integer(); wanted > 0; --wanted) {
    Alternatives& paths = order.excerpt.emplace_back();
    for (std::int64_t left = in.integer(); left > 0; --left) paths.push_back(in.text());
  }
  order.points = Json::array();
  for (std::int64_t left = in.integer(); left > 0; --left) {
    order.points.push_back(Json::parse(in.text()));
  }
  return order;
}

void do_errand(Evaluator& evaluator, const Order& order, const PointSpec& spec, Reply& reply) {
  const double before = cpu_seconds();
  try {
    if (order.errand == Errand::kKeys) {
      reply.key = evaluator.key(spec);
      reply.elaboration_key = evaluator.elaboration_key(spec);
    } else {
      const Json result = evaluator.evaluate(spec);
      reply.result = result.dump();
      if (!order.excerpt.empty()) reply.excerpt = excerpt_of(result, order.excerpt).dump();
    }
  } catch (...) {
    reply.host_cpu_s = cpu_seconds() - before;
    throw;
  }
  reply.host_cpu_s = cpu_seconds() - before;
}

Reply answer(std::unique_ptr<Evaluator>& evaluator, const Order& order, const Json& point) {
  Reply reply;
  try {
    if (!evaluator) evaluator = make_evaluator();
    do_errand(*evaluator, order, point_from_json(point), reply);
  } catch (const Error& error) {
    reply.code = error.code();
    reply.error = error.what();
  } catch (const std::bad_alloc&) {
    reply.code = ExitCode::kMachine;
    reply.out_of_memory = true;
  } catch (const std::exception& error) {
    reply.code = ExitCode::kInternal;
    reply.error = fmt::format("unexpected failure: {}", error.what());
  }
  reply.host_max_rss = Bytes(max_rss_bytes());
  return reply;
}

[[noreturn]] void serve(int socket) {
  MessageReader reader;
  std::unique_ptr<Evaluator> evaluator;
  while (auto message = receive_message(socket, reader)) {
    const Order order = decode_order(*message);
    for (const Json& point : order.points) {
      const Reply reply = answer(evaluator, order, point);
      if (!send_message(socket, encode(reply)) || reply.out_of_memory) _exit(0);
    }
  }
  _exit(0);  // no destructors, no flushing: they belong to the parent
}

void set_limit(decltype(RLIMIT_AS) resource, rlim_t value) {
  const rlimit limit{value, value};
  setrlimit(resource, &limit);
}

/// Makes the forked child a worker: quiet, limited, and gone when its parent is.
void settle_child(pid_t parent, int stderr_file, Bytes memory_limit,
                  const std::vector<int>& close_in_child) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // the parent died before the line above took hold
  for (const int fd : close_in_child) ::close(fd);
  for (const int sig : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGTERM}) {
    std::signal(sig, SIG_DFL);
  }
  std::signal(SIGINT, SIG_IGN);  // the parent decides what an interrupt means
  // Standard output belongs to the parent's one JSON object; standard error is kept for last words.
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
  }
  dup2(stderr_file >= 0 ? stderr_file : null, STDERR_FILENO);
  set_limit(RLIMIT_CORE, 0);
  if (memory_limit.value() > 0) set_limit(RLIMIT_AS, static_cast<rlim_t>(memory_limit.value()));
}

}  // namespace

WorkerProcess::WorkerProcess(Bytes memory_limit, const std::vector<int>& close_in_child) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw MachineError(
        fmt::format("cannot open a socket for a worker process: {}", std::strerror(errno)));
  }
  stderr_file_ = memfd_create("worker-stderr", MFD_CLOEXEC);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    ::close(pair[0]);
    settle_child(parent, stderr_file_, memory_limit, close_in_child);
    serve(pair[1]);
  }
  const int fork_error = errno;
  ::close(pair[1]);
  if (pid_ < 0) {
    ::close(pair[0]);
    if (stderr_file_ >= 0) ::close(stderr_file_);
    throw MachineError(fmt::format("cannot start a worker process: {}", std::strerror(fork_error)));
  }
  socket_ = pair[0];
  fcntl(socket_, F_SETFD, FD_CLOEXEC);
}

WorkerProcess::~WorkerProcess() {
  if (pid_ > 0) {
    kill();
    static_cast<void>(reap());
  }
  if (socket_ >= 0) ::close(socket_);
  if (stderr_file_ >= 0) ::close(stderr_file_);
}

bool WorkerProcess::send(Errand errand, const std::vector<std::string_view>& points,
                         const std::vector<Alternatives>& excerpt) {
  FieldWriter out;
  out.number(static_cast<std::int64_t>(errand));
  out.number(static_cast<std::int64_t>(excerpt.size()));
  for (const Alternatives& paths : excerpt) {
    out.number(static_cast<std::int64_t>(paths.size()));
    for (const std::string& path : paths) out.text(path);
  }
  out.number(static_cast<std::int64_t>(points.size()));
  for (const std::string_view point : points) out.text(point);
  return send_message(socket_, out.message());
}

bool WorkerProcess::fill() {
  return reader_.fill(socket_);
}

std::optional<Reply> WorkerProcess::next_reply() {
  auto message = reader_.next();
  if (!message) return std::nullopt;
  return decode(*message);
}

void WorkerProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int WorkerProcess::reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

std::string WorkerProcess::last_words() const {
  constexpr off_t kTail = 2048;
  const off_t size = stderr_file_ >= 0 ? lseek(stderr_file_, 0, SEEK_END) : 0;
  if (size <= 0) return "";
  std::string text(static_cast<std::size_t>(std::min(size, kTail)), '\0');
  const ssize_t got =
      pread(stderr_file_, text.data(), text.size(), std::max(off_t{0}, size - kTail));
  text.resize(static_cast<std::size_t>(std::max(ssize_t{0}, got)));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  const std::size_t line = text.rfind('\n');
  return line == std::string::npos ? text : text.substr(line + 1);
}

}  // namespace athena::jobs
