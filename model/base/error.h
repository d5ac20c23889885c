#pragma once
/// The ways in which athena refuses to go on. Each is one clear sentence; `cli` turns the type into
/// the exit code. Assertions are for our own mistakes, never for the user's input.
#include <stdexcept>
#include <string>

namespace athena {

/// Process exit codes that scripts may rely on.
enum class ExitCode : int {
  kOk = 0,
  kFinding = 1,        ///< the answer is "no": does not fit, SLO missed, claim not reproduced
  kBadInput = 2,       ///< the user's input is wrong
  kContradiction = 3,  ///< the model contradicts the RTL or itself: divergence, hazard, deadlock
  kMachine = 4,        ///< the machine failed us: no Slurm, full disk, interrupted
  kInternal = 5,       ///< our own bug
};

/// Base of all errors that carry an exit code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  [[nodiscard]] ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Where in a user's file something stands; line and column count from 1, 0 = unknown.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
  /// "file:line:column", leaving out what is unknown.
  [[nodiscard]] std::string text() const;
};

/// The user's input is wrong. The sentence says where, what was expected and the remedy.
class InputError : public Error {
 public:
  explicit InputError(const std::string& sentence) : Error(ExitCode::kBadInput, sentence) {}
  InputError(const Location& where, const std::string& sentence)
      : Error(ExitCode::kBadInput, where.text() + ": " + sentence) {}
};

/// A well-formed question whose answer is no (does not fit, limit exceeded).
class Finding : public Error {
 public:
  explicit Finding(const std::string& sentence) : Error(ExitCode::kFinding, sentence) {}
};

/// The model contradicts the RTL or itself.
class Contradiction : public Error {
 public:
  explicit Contradiction(const std::string& sentence) : Error(ExitCode::kContradiction, sentence) {}
};

/// The machine we run on could not do its part.
class MachineError : public Error {
 public:
  explicit MachineError(const std::string& sentence) : Error(ExitCode::kMachine, sentence) {}
};

/// A state that our own code should never reach.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& sentence) : Error(ExitCode::kInternal, sentence) {}
};

}  // namespace athena
