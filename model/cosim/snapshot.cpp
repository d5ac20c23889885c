#include "cosim/snapshot.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace athena::cosim {
namespace {
constexpr std::size_t kCopies = 2;
}

SnapshotKeeper::~SnapshotKeeper() {
  for (const Copy& c : copies_) dismiss(c);
}

void SnapshotKeeper::dismiss(const Copy& copy) {
  close(copy.pipe);  // the sleeping copy reads end-of-file and leaves
  waitpid(copy.pid, nullptr, 0);
}

std::optional<std::uint64_t> SnapshotKeeper::take(std::uint64_t cycle) {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) {
    close(ends[0]);
    close(ends[1]);
    return std::nullopt;
  }
  if (pid == 0) {
    // Writing ends of older copies were inherited: drop them, or those would never see their end.
    for (const Copy& c : copies_) close(c.pipe);
    copies_.clear();
    close(ends[1]);
    std::uint64_t target = 0;
    ssize_t got = 0;
    do {
      got = read(ends[0], &target, sizeof target);
    } while (got < 0 && errno == EINTR);
    close(ends[0]);
    if (got != static_cast<ssize_t>(sizeof target)) _exit(0);
    return target;
  }
  close(ends[0]);
  copies_.push_back({pid, ends[1], cycle});
  if (copies_.size() > kCopies) {
    dismiss(copies_.front());
    copies_.pop_front();
  }
  return std::nullopt;
}

bool SnapshotKeeper::replay(std::uint64_t cycle, std::uint64_t lead) {
  if (copies_.empty()) return false;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (copies_[i].cycle + lead <= cycle) chosen = i;
  }
  const Copy copy = copies_[chosen];
  copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(chosen));
  const bool sent = write(copy.pipe, &cycle, sizeof cycle) == static_cast<ssize_t>(sizeof cycle);
  close(copy.pipe);
  int status = 0;
  waitpid(copy.pid, &status, 0);
  return sent && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace athena::cosim
