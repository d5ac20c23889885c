#pragma once
/// Mapping -> Program, one kernel at a time. Each emitter writes the streams of one kind of plan;
/// all of them use the same ring buffers: the producer waits for a free stage, the consumer for a
/// full one, and both advance in step.
#include <string>
#include <vector>

#include "config/chip.h"
#include "mapping/mapping.h"
#include "program/program.h"

namespace athena::compiler {

/// What the emitters need to know about the chip and the placed tensors.
struct EmitContext {
  const config::ChipConfig* chip = nullptr;
  const workload::Graph* graph = nullptr;
  const std::vector<int>* region_of =
      nullptr;         ///< per tensor: index into Program::regions, -1 = none
  bool exact = false;  ///< no fused loop iterations (functional mode, oracles)

  [[nodiscard]] int region(mapping::TensorId id) const;
  [[nodiscard]] bool queue() const { return chip->binding == config::Binding::kWorkQueue; }
};

/// Builds the body of a kernel: buffers with their pair of semaphores, and streams.
class KernelBuilder {
 public:
  explicit KernelBuilder(std::string name) { kernel_.name = std::move(name); }

  /// A ring in the scratchpad (or registers) with semaphores NAME.full and NAME.free.
  int buffer(const std::string& name, std::int64_t rows, std::int64_t pitch, std::int64_t stages,
             Dtype dtype, bool in_registers = false);
  [[nodiscard]] int full(int buffer) const { return full_[static_cast<std::size_t>(buffer)]; }
  [[nodiscard]] int free(int buffer) const { return free_[static_cast<std::size_t>(buffer)]; }

  void wait(program::Engine engine, int semaphore, std::int64_t units = 1);
  void set(program::Engine engine, int semaphore);
  void advance(program::Engine engine, int buffer);
  void wait_kernel(program::Engine engine, std::int64_t distance);
  void loop(program::Engine engine, program::Var counter, program::Count count,
            std::int64_t fuse = 1);
  void end(program::Engine engine);
  /// Waits for a free stage of `into`, then loads; sets NAME.full on arrival.
  program::Instruction& load(program::Engine engine, const program::Window& window, int into,
                             program::Multicast multicast = program::Multicast::kNone);
  /// Waits for a full stage, stores it, frees it when it has left.
  program::Instruction& store(const program::Window& window, int from);
  program::Instruction& matmul(int a, int b, int c, program::Count m, program::Count n,
                               program::Count k, Dtype type);
  program::Instruction& vector(timing::VectorFn fn, int a, int b, int c, program::Count rows,
                               program::Count cols);
  program::Instruction& add(program::Engine engine, program::Instruction instruction);

  [[nodiscard]] program::Kernel& kernel() { return kernel_; }
  /// Lays the buffers out and returns the kernel.
  [[nodiscard]] program::Kernel finish();

 private:
  int semaphore(const std::string& name, std::int64_t initial);
  program::Kernel kernel_;
  std::vector<int> full_, free_;
};

/// Kernels of one plan, in order (split-K and split-context plans bring a second kernel).
[[nodiscard]] program::Kernel emit_gemm(const EmitContext& context,
                                        const mapping::KernelPlan& plan);
[[nodiscard]] program::Kernel emit_attention(const EmitContext& context,
                                             const mapping::KernelPlan& plan);
[[nodiscard]] program::Kernel emit_rows(const EmitContext& context, const mapping::KernelPlan& plan,
                                        const std::vector<const workload::Op*>& ops);
[[nodiscard]] program::Kernel emit_collective(const EmitContext& context,
                                              const mapping::KernelPlan& plan);

}  // namespace athena::compiler
