#include <utility>

#include "compiler/emit.h"

namespace athena::compiler {

using program::Engine;
using program::Instruction;
using program::Opcode;

int EmitContext::region(mapping::TensorId id) const {
  return id < 0 ? -1 : (*region_of)[static_cast<std::size_t>(id)];
}

int KernelBuilder::semaphore(const std::string& name, std::int64_t initial) {
  kernel_.semaphores.push_back({name, initial});
  return static_cast<int>(kernel_.semaphores.size()) - 1;
}

int KernelBuilder::buffer(const std::string& name, std::int64_t rows, std::int64_t pitch,
                          std::int64_t stages, Dtype dtype, bool in_registers) {
  program::Buffer buffer;
  buffer.name = name;
  buffer.stage_bytes = round_up<std::int64_t>(rows * pitch, 64);
  buffer.stages = stages;
  buffer.pitch = pitch;
  buffer.dtype = dtype;
  buffer.in_registers = in_registers;
  kernel_.buffers.push_back(buffer);
  full_.push_back(semaphore(name + ".full", 0));
  free_.push_back(semaphore(name + ".free", stages));
  return static_cast<int>(kernel_.buffers.size()) - 1;
}

Instruction& KernelBuilder::add(Engine engine, Instruction instruction) {
  auto& stream = kernel_.streams[static_cast<std::size_t>(engine)];
  stream.push_back(std::move(instruction));
  return stream.back();
}

void KernelBuilder::wait(Engine engine, int semaphore, std::int64_t units) {
  Instruction i;
  i.op = Opcode::kWait;
  i.semaphore = semaphore;
  i.count = units;
  add(engine, std::move(i));
}

void KernelBuilder::set(Engine engine, int semaphore) {
  Instruction i;
  i.op = Opcode::kSet;
  i.semaphore = semaphore;
  add(engine, std::move(i));
}

void KernelBuilder::advance(Engine engine, int buffer) {
  Instruction i;
  i.op = Opcode::kAdvance;
  i.a.buffer = buffer;
  add(engine, std::move(i));
}

void KernelBuilder::wait_kernel(Engine engine, std::int64_t distance) {
  Instruction i;
  i.op = Opcode::kWaitKernel;
  i.count = distance;
  add(engine, std::move(i));
}

void KernelBuilder::loop(Engine engine, program::Var counter, program::Count count,
                         std::int64_t fuse) {
  Instruction i;
  i.op = Opcode::kLoop;
  i.loop = counter;
  i.m = std::move(count);
  i.fuse = fuse;
  add(engine, std::move(i));
}

void KernelBuilder::end(Engine engine) {
  Instruction i;
  i.op = Opcode::kEnd;
  add(engine, std::move(i));
}

Instruction& KernelBuilder::load(Engine engine, const program::Window& window, int into,
                                 program::Multicast multicast) {
  wait(engine, free(into));
  Instruction i;
  i.op = Opcode::kLoad;
  i.window = window;
  i.a = {into, true, 0};
  i.semaphore = full(into);
  i.multicast = multicast;
  return add(engine, std::move(i));
}

Instruction& KernelBuilder::store(const program::Window& window, int from) {
  wait(Engine::kStore, full(from));
  Instruction i;
  i.op = Opcode::kStore;
  i.window = window;
  i.a = {from, true, 0};
  i.semaphore = free(from);
  return add(Engine::kStore, std::move(i));
}

Instruction& KernelBuilder::matmul(int a, int b, int c, program::Count m, program::Count n,
                                   program::Count k, Dtype type) {
  Instruction i;
  i.op = Opcode::kMatmul;
  i.a = {a, false, 0};
  i.b = {b, false, 0};
  i.c = {c, false, 0};
  i.m = std::move(m);
  i.n = std::move(n);
  i.k = std::move(k);
  i.dtype = type;
  return add(Engine::kMatrix, std::move(i));
}

Instruction& KernelBuilder::vector(timing::VectorFn fn, int a, int b, int c, program::Count rows,
                                   program::Count cols) {
  Instruction i;
  i.op = Opcode::kVector;
  i.fn = fn;
  i.a = {a, false, 0};
  i.b = {b, false, 0};
  i.c = {c, false, 0};
  i.m = std::move(rows);
  i.n = std::move(cols);
  i.k = program::Count(1);
  return add(Engine::kVector, std::move(i));
}

program::Kernel KernelBuilder::finish() {
  std::int64_t scratch = 0;
  std::int64_t registers = 0;
  for (program::Buffer& buffer : kernel_.buffers) {
    std::int64_t& top = buffer.in_registers ? registers : scratch;
    buffer.offset = top;
    top += buffer.stage_bytes * buffer.stages;
  }
  kernel_.scratch_bytes = scratch;
  kernel_.register_bytes = registers;
  return std::move(kernel_);
}

}  // namespace athena::compiler
