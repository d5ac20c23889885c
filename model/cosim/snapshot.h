#pragma once
/// Copies of the running process, forked now and then, from which a failing window is run again
/// with a waveform (the way of difftest's LightSSS). The process must be single-threaded.
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>

namespace athena::cosim {

class SnapshotKeeper {
 public:
  SnapshotKeeper() = default;
  ~SnapshotKeeper();
  SnapshotKeeper(const SnapshotKeeper&) = delete;
  SnapshotKeeper& operator=(const SnapshotKeeper&) = delete;

  /// Forks a copy that sleeps. Returns nothing in the parent; in a copy that was woken, the cycle
  /// of the divergence that it is to replay. Keeps the two newest copies. When fork fails, goes on
  /// without (a waveform is a convenience).
  std::optional<std::uint64_t> take(std::uint64_t cycle);
  /// Wakes the newest copy taken at least `lead` cycles before `cycle` (else the oldest) and waits
  /// for it to end. False when there is none or it failed.
  bool replay(std::uint64_t cycle, std::uint64_t lead);

 private:
  struct Copy {
    pid_t pid;
    int pipe;
    std::uint64_t cycle;
  };
  static void dismiss(const Copy& copy);
  std::deque<Copy> copies_;
};

}  // namespace athena::cosim
