#include "serving/child_timer.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace athena::serving {
namespace {

using nlohmann::json;

/// Lines of text over a pair of pipe ends.
class Lines {
 public:
  Lines(int in, int out) : in_(in), out_(out) {}
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines() {
    ::close(in_);
    ::close(out_);
  }
  bool write(std::string line) const {
    line += '\n';
    std::size_t done = 0;
    while (done < line.size()) {
      const ssize_t n = ::write(out_, line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  }
  bool read(std::string& line) {
    while (true) {
      const std::size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return true;
      }
      std::array<char, 4096> part{};
      const ssize_t n = ::read(in_, part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      buffer_.append(part.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  int in_;
  int out_;
  std::string buffer_;
};

json to_json(const StepMeasurement& m) {
  json operators = json::array();
  for (const OperatorTime& op : m.operators) {
    operators.push_back({op.name, static_cast<int>(op.kind), op.time.value(), op.energy.value(),
                         terms_json(op.terms)});
  }
  return {{"total", m.total.value()},
          {"energy", m.energy.value()},
          {"terms", terms_json(m.terms)},
          {"operators", operators}};
}

StepMeasurement measurement_of(const json& row) {
  StepMeasurement m;
  m.total = Seconds(row.at("total").get<double>());
  m.energy = Joules(row.at("energy").get<double>());
  m.terms = terms_from_json(row.at("terms"));
  for (const json& op : row.at("operators")) {
    m.operators.push_back({op.at(0).get<std::string>(),
                           static_cast<OperatorKind>(op.at(1).get<int>()),
                           Seconds(op.at(2).get<double>()), Joules(op.at(3).get<double>()),
                           terms_from_json(op.at(4))});
  }
  return m;
}

json question(const StepShape& shape) {
  json groups = json::array();
  for (const auto& g : shape.groups) groups.push_back({g.q_len, g.kv_len, g.count});
  return {{"groups", groups}, {"sampled", shape.sampled}};
}

StepShape shape_of(const json& row) {
  StepShape shape;
  for (const json& g : row.at("groups")) {
    shape.groups.push_back(
        {g.at(0).get<std::int64_t>(), g.at(1).get<std::int64_t>(), g.at(2).get<std::int64_t>()});
  }
  shape.sampled = row.at("sampled").get<std::int64_t>();
  return shape;
}

json answer(OperatorTimer& timer, const std::string& line) {
  try {
    return to_json(timer.measure(shape_of(json::parse(line))));
  } catch (const Error& error) {
    return {{"code", static_cast<int>(error.code())}, {"error", error.what()}};
  } catch (const std::exception& error) {
    return {{"code", static_cast<int>(ExitCode::kInternal)}, {"error", error.what()}};
  }
}

/// Life of the child: questions until an empty one, or until the parent is gone. (The end of the
/// pipe alone would not do: a child forked later holds the same ends open.) Errors while making the
/// timer are the answer to the first question.
[[noreturn]] void serve_questions(Lines& lines,
                                  const std::function<std::unique_ptr<OperatorTimer>()>& make) {
  std::unique_ptr<OperatorTimer> timer = make();
  std::string line;
  while (lines.read(line) && !line.empty()) {
    if (!lines.write(answer(*timer, line).dump())) break;
  }
  ::_exit(0);
}

class ChildTimer final : public OperatorTimer {
 public:
  ChildTimer(std::unique_ptr<OperatorTimer> front,
             std::function<std::unique_ptr<OperatorTimer>()> make)
      : front_(std::move(front)), make_(std::move(make)) {}
  ~ChildTimer() override {
    if (lines_) (void)lines_->write("");
    lines_.reset();
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  ChildTimer(const ChildTimer&) = delete;
  ChildTimer& operator=(const ChildTimer&) = delete;

  std::string identity() const override { return front_->identity(); }
  Watts idle_power() const override { return front_->idle_power(); }
  Seconds host_time() const override { return front_->host_time(); }
  StepCost settle(const StepTerms& terms) const override { return front_->settle(terms); }
  StepMeasurement measure(const StepShape& shape) override {
    if (!lines_) start();
    std::string line;
    if (!lines_->write(question(shape).dump()) || !lines_->read(line)) {
      throw MachineError("the process that simulates steps has died.");
    }
    const json row = json::parse(line);
    if (!row.contains("error")) return measurement_of(row);
    const auto sentence = row.at("error").get<std::string>();
    const auto code = static_cast<ExitCode>(row.at("code").get<int>());
    if (code == ExitCode::kFinding) throw Finding(sentence);
    if (code == ExitCode::kBadInput) throw InputError(sentence);
    throw Error(code, sentence);
  }

 private:
  void start() {
    std::array<int, 2> down{}, up{};
    if (::pipe(down.data()) != 0) throw MachineError("no pipe can be made.");
    if (::pipe(up.data()) != 0) {
      ::close(down[0]);
      ::close(down[1]);
      throw MachineError("no pipe can be made.");
    }
    child_ = ::fork();
    if (child_ < 0) throw MachineError("no process can be started.");
    if (child_ == 0) {
      ::close(down[1]);
      ::close(up[0]);
      try {
        Lines lines(down[0], up[1]);
        serve_questions(lines, make_);
      } catch (...) {
        ::_exit(static_cast<int>(ExitCode::kInternal));
      }
    }
    ::close(down[0]);
    ::close(up[1]);
    lines_ = std::make_unique<Lines>(up[0], down[1]);
  }

  std::unique_ptr<OperatorTimer> front_;
  std::function<std::unique_ptr<OperatorTimer>()> make_;
  std::unique_ptr<Lines> lines_;
  pid_t child_ = -1;
};

}  // namespace

std::unique_ptr<OperatorTimer> in_child(std::unique_ptr<OperatorTimer> front,
                                        std::function<std::unique_ptr<OperatorTimer>()> make) {
  return std::make_unique<ChildTimer>(std::move(front), std::move(make));
}

}  // namespace athena::serving
