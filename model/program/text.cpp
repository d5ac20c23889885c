#include "program/text.h"

#include <fmt/format.h>

#include <array>

namespace athena::program {
namespace {

constexpr std::array<const char*, kVars> kVarNames{"c0", "c1", "c2", "c3", "p0", "p1", "p2", "p3",
                                                   "p4", "p5", "l0", "l1", "x0", "x1", "r",  "1"};
constexpr std::array<const char*, 10> kOpNames{"load", "store",      "matmul",  "vector", "wait",
                                               "set",  "waitkernel", "advance", "loop",   "end"};
constexpr std::array<const char*, 3> kMulticastNames{"none", "row", "column"};

/// base+scale*var*var...
std::string text_of(const Affine& a) {
  std::string text = fmt::format("{}", a.base);
  for (const Affine::Term& term : a.terms) {
    text += fmt::format("+{}*{}", term.scale, kVarNames[static_cast<std::size_t>(term.var)]);
    if (term.times != Var::kOne)
      text += fmt::format("*{}", kVarNames[static_cast<std::size_t>(term.times)]);
  }
  return text;
}

/// value, or clamp(value,divisor,low,high,cap) when anything is limited.
std::string text_of(const Count& c) {
  Count plain;
  plain.value = c.value;
  if (plain == c) return text_of(c.value);
  return fmt::format("clamp({},{},{},{},{})", text_of(c.value), c.divisor, c.low, c.high,
                     text_of(c.cap));
}

std::string text_of(const Operand& o) {
  return fmt::format("b{}{}{}", o.buffer, o.column != 0 ? fmt::format("@{}", o.column) : "",
                     o.release ? "!" : "");
}

std::string text_of(const Window& w) {
  std::string text = fmt::format("region={} row={} col={} rows={} bytes={}", w.region,
                                 text_of(w.row), text_of(w.col), text_of(w.rows), text_of(w.bytes));
  if (w.gather >= 0) text += fmt::format(" gather={}", w.gather);
  return text;
}

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string operands(const Instruction& i) {
  std::string text;
  const std::array<std::pair<const char*, const Operand*>, 4> list{
      {{"a", &i.a}, {"b", &i.b}, {"c", &i.c}, {"d", &i.d}}};
  for (const auto& [key, operand] : list) {
    if (operand->buffer >= 0) text += fmt::format(" {}={}", key, text_of(*operand));
  }
  return text;
}

std::string sizes(const Instruction& i) {
  std::string text = fmt::format(" m={} n={} k={}", text_of(i.m), text_of(i.n), text_of(i.k));
  if (!(i.fresh == Affine(1))) text += fmt::format(" fresh={}", text_of(i.fresh));
  return text;
}

std::string text_of(const Instruction& i) {
  std::string text = kOpNames[static_cast<std::size_t>(i.op)];
  const std::string semaphore = i.semaphore >= 0 ? fmt::format(" sem={}", i.semaphore) : "";
  const std::string rows = i.row_factor != 1 ? fmt::format(" row_factor={}", i.row_factor) : "";
  switch (i.op) {
    case Opcode::kLoad:
    case Opcode::kStore:
      text += " " + text_of(i.window) + operands(i) + semaphore + rows;
      if (i.multicast != Multicast::kNone)
        text +=
            fmt::format(" multicast={}", kMulticastNames[static_cast<std::size_t>(i.multicast)]);
      return text;
    case Opcode::kMatmul:
      text += operands(i) + sizes(i) + fmt::format(" dtype={}", athena::name(i.dtype));
      if (i.transpose_a) text += " transpose_a=1";
      if (i.transpose_b) text += " transpose_b=1";
      return text;
    case Opcode::kVector:
      text += fmt::format(" fn={}", timing::name(i.fn)) + operands(i) + sizes(i) + rows;
      if (i.scalar != 0.0) text += fmt::format(" scalar={}", i.scalar);
      if (!(i.position == Affine())) text += fmt::format(" position={}", text_of(i.position));
      if (!(i.limit == Affine())) text += fmt::format(" limit={}", text_of(i.limit));
      if (i.causal) text += " causal=1";
      if (i.dtype != Dtype::kBf16) text += fmt::format(" dtype={}", athena::name(i.dtype));
      if (i.transpose_b) text += " transpose_b=1";
      return text;
    case Opcode::kWait:
      return text + semaphore + fmt::format(" count={}", i.count);
    case Opcode::kSet:
      return text + semaphore;
    case Opcode::kWaitKernel:
      return text + fmt::format(" count={}", i.count);
    case Opcode::kAdvance:
      return text + operands(i);
    case Opcode::kLoop:
      return text + fmt::format(" var={} m={} fuse={}", kVarNames[static_cast<std::size_t>(i.loop)],
                                text_of(i.m), i.fuse);
    case Opcode::kEnd:
      return text;
  }
  return text;
}

std::string kernel_text(const Kernel& k) {
  std::string text = fmt::format(
      "  kernel name={} mapping={} order={} core_rows={} core_cols={} flat={} scratch={} "
      "registers={} resident={} depends={} "
      "flops={} host_seconds={}\n",
      quoted(k.name), quoted(k.mapping), k.order.group, k.core_rows, k.core_cols, k.flat ? 1 : 0,
      k.scratch_bytes, k.register_bytes, k.resident, k.depends, k.flops, k.host_seconds);
  for (const std::string& op : k.operators)
    text += fmt::format("    operator name={}\n", quoted(op));
  for (const Part& p : k.parts) {
    text += fmt::format("    part dims={} params={}\n", fmt::join(p.dims, ","),
                        fmt::join(p.params, ","));
  }
  for (const Buffer& b : k.buffers) {
    text += fmt::format(
        "    buffer name={} offset={} stage_bytes={} stages={} pitch={} dtype={} registers={}\n",
        quoted(b.name), b.offset, b.stage_bytes, b.stages, b.pitch, athena::name(b.dtype),
        b.in_registers ? 1 : 0);
  }
  for (const Semaphore& s : k.semaphores)
    text += fmt::format("    semaphore name={} initial={}\n", quoted(s.name), s.initial);
  if (!k.transfer.kind.empty()) {
    text +=
        fmt::format("    transfer kind={} bytes={} ranks={} stride={} region={}\n", k.transfer.kind,
                    k.transfer.bytes, k.transfer.ranks, k.transfer.stride, k.transfer.region);
  }
  for (std::size_t e = 0; e < kEngines; ++e) {
    if (k.streams[e].empty()) continue;
    text += fmt::format("    stream engine={}\n", name(static_cast<Engine>(e)));
    int depth = 0;
    for (const Instruction& i : k.streams[e]) {
      if (i.op == Opcode::kEnd) --depth;
      text += fmt::format("{:{}}{}\n", "", 6 + 2 * depth, text_of(i));
      if (i.op == Opcode::kLoop) ++depth;
    }
  }
  return text;
}

}  // namespace

std::string disassemble(const Program& p) {
  std::string text =
      fmt::format("program chip={} chip_hash={} workload={} memory={} shared={}\n", quoted(p.chip),
                  quoted(p.chip_hash), quoted(p.workload), p.memory_bytes, p.shared_bytes);
  for (std::size_t i = 0; i < p.launch.size(); ++i) {
    text += fmt::format("launch name={} value={}\n", quoted(p.launch[i]), p.launch_value[i]);
  }
  for (const Region& r : p.regions) {
    text += fmt::format(
        "region name={} space={} role={} dtype={} address={} rows={} row_bytes={} pitch={} "
        "repeat_stride={} repeats={} tiled={}\n",
        quoted(r.name), r.space == Space::kShared ? "shared" : "memory", static_cast<int>(r.role),
        athena::name(r.dtype), r.address, r.rows, r.row_bytes, r.pitch, r.repeat_stride, r.repeats,
        r.tiled ? 1 : 0);
  }
  for (const Block& b : p.blocks) {
    text += fmt::format("block name={} repeat={}\n", quoted(b.name), b.repeat);
    for (const Kernel& k : b.kernels) text += kernel_text(k);
  }
  return text;
}

}  // namespace athena::program
