#include "program/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace athena::program {
namespace {

class KernelChecker {
 public:
  KernelChecker(const Program& program, const Kernel& kernel, std::vector<std::string>& faults)
      : program_(program), kernel_(kernel), faults_(faults) {}

  void run() {
    semaphores();
    buffers();
    for (std::size_t e = 0; e < kEngines; ++e) loops(kernel_.streams[e], static_cast<Engine>(e));
    for (const Part& part : kernel_.parts) corners(part);
  }

 private:
  void fault(const std::string& text) {
    faults_.push_back(fmt::format("kernel '{}': {}", kernel_.name, text));
  }

  void semaphores() {
    std::vector<bool> set(kernel_.semaphores.size(), false);
    for (std::size_t s = 0; s < set.size(); ++s) set[s] = kernel_.semaphores[s].initial > 0;
    for (const auto& stream : kernel_.streams) {
      for (const Instruction& i : stream) {
        const bool sets = i.op == Opcode::kSet || i.op == Opcode::kLoad || i.op == Opcode::kStore;
        if (i.semaphore >= static_cast<int>(set.size())) {
          fault(fmt::format("semaphore {} does not exist", i.semaphore));
        } else if (sets && i.semaphore >= 0) {
          set[static_cast<std::size_t>(i.semaphore)] = true;
        }
      }
    }
    for (const auto& stream : kernel_.streams) {
      for (const Instruction& i : stream) {
        if (i.op != Opcode::kWait || i.semaphore < 0 || i.semaphore >= static_cast<int>(set.size()))
          continue;
        const auto index = static_cast<std::size_t>(i.semaphore);
        if (!set[index])
          fault(fmt::format("waits for semaphore '{}', which nothing ever sets",
                            kernel_.semaphores[index].name));
      }
    }
  }

  void buffers() {
    std::set<int> written;
    for (const auto& stream : kernel_.streams) {
      for (const Instruction& i : stream) {
        if (i.op == Opcode::kLoad) written.insert(i.a.buffer);
        if (i.op == Opcode::kMatmul || i.op == Opcode::kVector) written.insert(i.c.buffer);
        // A running softmax makes its own statistics beside its result.
        if (i.op == Opcode::kVector && i.fn == VectorFn::kSoftmaxOnline) written.insert(i.b.buffer);
      }
    }
    std::set<int> missing;
    const auto read = [&](const Operand& operand) {
      if (operand.buffer >= static_cast<int>(kernel_.buffers.size())) {
        fault(fmt::format("buffer {} does not exist", operand.buffer));
      } else if (operand.buffer >= 0 && written.count(operand.buffer) == 0 &&
                 missing.insert(operand.buffer).second) {
        fault(fmt::format("reads buffer '{}' before anything writes it",
                          kernel_.buffers[static_cast<std::size_t>(operand.buffer)].name));
      }
    };
    for (const auto& stream : kernel_.streams) {
      for (const Instruction& i : stream) {
        if (i.op == Opcode::kStore) read(i.a);
        if (i.op != Opcode::kMatmul && i.op != Opcode::kVector) continue;
        read(i.a);
        read(i.b);
        read(i.d);
      }
    }
    std::int64_t scratch = 0;
    for (const Buffer& buffer : kernel_.buffers) {
      if (!buffer.in_registers)
        scratch = std::max(scratch, buffer.offset + buffer.stages * buffer.stage_bytes);
    }
    if (scratch > kernel_.scratch_bytes) {
      fault(fmt::format("its buffers end at byte {} of a scratch allocation of {}", scratch,
                        kernel_.scratch_bytes));
    }
  }

  void loops(const std::vector<Instruction>& stream, Engine engine) {
    int depth = 0;
    for (const Instruction& i : stream) {
      if (i.op == Opcode::kLoop) ++depth;
      if (i.op == Opcode::kEnd && --depth < 0) break;
    }
    if (depth != 0)
      fault(fmt::format("the {} stream has loops and ends that do not match", name(engine)));
  }

  /// Windows at the first and last coordinates of a part, first and last iteration.
  void corners(const Part& part) {
    Env env{};
    env[static_cast<std::size_t>(Var::kOne)] = 1;
    for (std::size_t i = 0; i < part.params.size(); ++i)
      env[static_cast<std::size_t>(Var::kParam0) + i] = part.params[i];
    for (int corner = 0; corner < 16; ++corner) {
      for (std::size_t d = 0; d < 4; ++d) {
        env[d] = (corner >> d & 1) != 0 ? part.dims[d] - 1 : 0;
      }
      for (const auto& stream : kernel_.streams) walk(stream, env);
    }
  }

  void walk(const std::vector<Instruction>& stream, Env env) {
    bool empty = false;
    for (const Instruction& i : stream) {
      if (i.op == Opcode::kLoop) {
        const std::int64_t count = i.m.at(env);
        empty = count <= 0;
        env[static_cast<std::size_t>(i.loop)] = std::max<std::int64_t>(0, count - 1);
      }
      if (i.op == Opcode::kEnd) empty = false;
      if (!empty && (i.op == Opcode::kLoad || i.op == Opcode::kStore)) window(i, env);
    }
  }

  void window(const Instruction& i, const Env& env) {
    if (i.window.region < 0 || i.window.region >= static_cast<int>(program_.regions.size())) {
      fault(fmt::format("names region {}, which does not exist", i.window.region));
      return;
    }
    const Region& region = program_.regions[static_cast<std::size_t>(i.window.region)];
    const std::int64_t row = i.window.row.at(env);
    const std::int64_t column = i.window.col.at(env);
    const std::int64_t rows = i.window.rows.at(env);
    const std::int64_t bytes = i.window.bytes.at(env);
    if (rows <= 0 || bytes <= 0) return;
    const bool rows_fit = i.window.gather >= 0 || (row >= 0 && row + rows <= region.rows);
    if (rows_fit && column >= 0 && column + bytes <= region.row_bytes) return;
    if (!reported_.insert(i.window.region).second) return;
    fault(fmt::format(
        "a {} reaches rows {}..{} and bytes {}..{} of region '{}', which has {} rows of {} bytes",
        i.op == Opcode::kLoad ? "load" : "store", row, row + rows, column, column + bytes,
        region.name, region.rows, region.row_bytes));
  }

  const Program& program_;
  const Kernel& kernel_;
  std::vector<std::string>& faults_;
  std::set<int> reported_;
};

void check_regions(const Program& program, std::vector<std::string>& faults) {
  for (const Space space : {Space::kMemory, Space::kShared}) {
    std::vector<const Region*> list;
    for (const Region& region : program.regions) {
      if (region.space == space) list.push_back(&region);
    }
    std::sort(list.begin(), list.end(),
              [](const Region* a, const Region* b) { return a->address < b->address; });
    const std::int64_t limit =
        space == Space::kMemory ? program.memory_bytes : program.shared_bytes;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i]->end() > limit) {
        faults.push_back(fmt::format("region '{}' ends at {}, beyond the {} bytes of its memory",
                                     list[i]->name, list[i]->end(), limit));
      }
      if (i + 1 < list.size() && list[i]->end() > list[i + 1]->address) {
        faults.push_back(
            fmt::format("regions '{}' and '{}' overlap", list[i]->name, list[i + 1]->name));
      }
    }
  }
}

}  // namespace

std::vector<std::string> check(const Program& program) {
  std::vector<std::string> faults;
  check_regions(program, faults);
  for (const Block& block : program.blocks) {
    for (const Kernel& kernel : block.kernels) KernelChecker(program, kernel, faults).run();
  }
  return faults;
}

}  // namespace athena::program
