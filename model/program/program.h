#pragma once
/// The Program: what the compiler makes and the chip executes, the same for every fidelity.
///
/// A Program is a list of blocks, each a list of kernels that is repeated (identical layers). A
/// kernel is a grid of work items with one body; a body is one instruction stream per engine of a
/// core. The streams of an item run side by side and meet only at semaphores, so that double
/// buffering is what it is in hardware: the load engine runs ahead of the matrix unit until no
/// buffer is free.
///
/// Addresses are real. A Region is a row-major matrix at an address of memory; DMA instructions
/// name windows of regions (three nested strides: repeat, row, byte), clipped at the region's
/// border as hardware does. A Buffer is a ring of stages in the core's scratchpad.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/units.h"
#include "mapping/mapping.h"
#include "timing/vector_unit.h"

namespace athena::program {

/// Values known when an item runs. Coordinates are the item's place in the grid, parameters belong
/// to its part of the grid, loops are counted by the stream, launch values are bound when the
/// Program starts (context length of a decode step), repeat is the number of the enclosing block's
/// repetition.
enum class Var : std::uint8_t {
  kCoord0,
  kCoord1,
  kCoord2,
  kCoord3,
  kParam0,
  kParam1,
  kParam2,
  kParam3,
  kParam4,
  kParam5,
  kLoop0,
  kLoop1,
  kLaunch0,
  kLaunch1,
  kRepeat,
  kOne,  ///< always 1: the second factor of an ordinary term
};
inline constexpr std::size_t kVars = 16;
/// One value per Var.
using Env = std::array<std::int64_t, kVars>;

/// base + sum of scale * variable (* second variable: sequence number times sequence length).
struct Affine {
  struct Term {
    Var var = Var::kCoord0;
    std::int64_t scale = 0;
    Var times = Var::kOne;
    bool operator==(const Term&) const = default;
  };
  std::int64_t base = 0;
  std::vector<Term> terms;

  Affine() = default;
  Affine(std::int64_t constant) : base(constant) {}  // NOLINT: a constant is an affine form
  Affine(std::int64_t constant, std::vector<Term> list) : base(constant), terms(std::move(list)) {}
  [[nodiscard]] std::int64_t at(const Env& env) const {
    std::int64_t value = base;
    for (const Term& term : terms) {
      value += term.scale * env[static_cast<std::size_t>(term.var)] *
               env[static_cast<std::size_t>(term.times)];
    }
    return value;
  }
  bool operator==(const Affine&) const = default;
};
[[nodiscard]] inline Affine operator*(std::int64_t scale, Var var) {
  return Affine(0, {{var, scale}});
}
/// scale * x * y.
[[nodiscard]] inline Affine product(std::int64_t scale, Var x, Var y) {
  return Affine(0, {{x, scale, y}});
}
[[nodiscard]] inline Affine operator+(Affine a, const Affine& b) {
  a.base += b.base;
  a.terms.insert(a.terms.end(), b.terms.begin(), b.terms.end());
  return a;
}

/// clamp(ceil(min(value, cap) / divisor), low, high): sizes of edge tiles and numbers of
/// iterations.
struct Count {
  Affine value;
  std::int64_t divisor = 1;
  std::int64_t low = 0;
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  Affine cap = Affine(std::numeric_limits<std::int64_t>::max());

  Count() = default;
  Count(std::int64_t constant) : value(constant) {}  // NOLINT: a constant is a count
  Count(Affine form, std::int64_t div, std::int64_t lo, std::int64_t hi)
      : value(std::move(form)), divisor(div), low(lo), high(hi) {}
  [[nodiscard]] std::int64_t at(const Env& env) const {
    std::int64_t v = std::min(value.at(env), cap.at(env));
    if (divisor != 1) v = v > 0 ? (v + divisor - 1) / divisor : 0;
    return v < low ? low : (v > high ? high : v);
  }
  bool operator==(const Count&) const = default;
};

using mapping::Space;
enum class Role : std::uint8_t {
  kWeight,
  kActivation,
  kKvCache,
  kInput,
  kOutput,
  kWorkspace,
  kOptimizer
};

/// A row-major matrix in memory. Bytes, not elements: element (r, c) of `dtype` starts at
/// address + repeat * repeat_stride + r * pitch + c * storage_bits / 8.
struct Region {
  std::string name;
  Space space = Space::kMemory;
  Role role = Role::kActivation;
  Dtype dtype = Dtype::kBf16;
  std::int64_t address = 0;
  std::int64_t rows = 0;
  std::int64_t row_bytes = 0;
  std::int64_t pitch = 0;
  std::int64_t repeat_stride =
      0;  ///< bytes between the copies that successive repeats of a block use
  std::int64_t repeats = 1;
  /// Stored tile by tile in the order in which its kernel reads them, so that a window is one
  /// burst. Rows and columns keep their meaning; only the physical order of the bytes differs.
  bool tiled = false;
  [[nodiscard]] std::int64_t span() const { return rows > 0 ? (rows - 1) * pitch + row_bytes : 0; }
  [[nodiscard]] std::int64_t end() const {
    return address + (repeats - 1) * repeat_stride + span();
  }
};

/// A rectangle of a region: `rows` rows of `bytes` bytes from (row, byte column `col`).
struct Window {
  int region = -1;
  Affine row;
  Affine col;
  Count rows;
  Count bytes;
  int gather = -1;  ///< region of int32 row numbers that replace `row` (embedding, expert dispatch)
};

/// A ring of `stages` equal buffers in the core's scratchpad (or registers: accumulators).
struct Buffer {
  std::string name;
  std::int64_t offset = 0;  ///< from the start of the item's scratch allocation, bytes
  std::int64_t stage_bytes = 0;
  std::int64_t stages = 1;
  std::int64_t pitch = 0;  ///< bytes from row to row
  Dtype dtype = Dtype::kBf16;
  bool in_registers = false;
};

/// Use of a buffer by an instruction; `release` moves the stream's cursor to the next stage after
/// it.
struct Operand {
  int buffer = -1;
  bool release = false;
  std::int64_t column = 0;  ///< byte offset inside a row: parts of a wide buffer
};

/// A counting semaphore of an item's streams.
struct Semaphore {
  std::string name;
  std::int64_t initial = 0;
};

using timing::VectorFn;

enum class Opcode : std::uint8_t {
  kLoad,        ///< window -> buffer; sets `semaphore` when the last byte has arrived
  kStore,       ///< buffer -> window; sets `semaphore` when the buffer may be overwritten
  kMatmul,      ///< c += a x b, c zeroed first when `fresh` is 0
  kVector,      ///< fn over rows x cols
  kWait,        ///< takes `count` units of `semaphore`, in order
  kSet,         ///< adds a unit to `semaphore`
  kWaitKernel,  ///< until all items of the kernel `count` places back are done
  kAdvance,     ///< moves the stream's cursor of buffer `a` to its next stage
  kLoop,        ///< repeats until the matching kEnd; counts in `loop`
  kEnd,
};

/// Which cores receive one load: operand broadcast over the core grid.
enum class Multicast : std::uint8_t { kNone, kRow, kColumn };

struct Instruction {
  Opcode op = Opcode::kSet;
  Window window;  ///< load, store
  Multicast multicast = Multicast::kNone;
  int semaphore = -1;           ///< load, store, wait, set
  std::int64_t count = 1;       ///< wait: units; waitkernel: distance
  Count m, n, k;                ///< matmul: m x n x k; vector: m rows, n columns, k = extra extent
  std::int64_t row_factor = 1;  ///< load, store, vector: buffer rows per row (heads of a group)
  Operand a, b, c, d;           ///< matmul: c += a b; vector: c = fn(a, b, d); load, store: a
  bool transpose_a = false;     ///< a is stored k x m
  bool transpose_b = false;     ///< b is stored n x k
  Affine fresh = Affine(1);     ///< matmul: zero c first when this is 0
  VectorFn fn = VectorFn::kConvert;
  double scalar = 0.0;         ///< vector: epsilon, scale, base
  Affine position, limit;      ///< vector: first row and column number (rope, causal mask)
  bool causal = false;         ///< softmax: mask columns beyond the row's own position
  Dtype dtype = Dtype::kBf16;  ///< matmul: format of the products
  Var loop = Var::kLoop0;      ///< loop: its counter
  std::int64_t fuse = 1;       ///< loop: iterations the simulator may treat as one transaction
};

/// The engines of a core, one stream each.
enum class Engine : std::uint8_t { kLoad0, kLoad1, kMatrix, kVector, kStore };
inline constexpr std::size_t kEngines = 5;
[[nodiscard]] std::string_view name(Engine engine);

/// A stretch of the grid whose items differ only in their coordinates.
struct Part {
  std::array<std::int64_t, 4> dims{1, 1, 1, 1};
  std::array<std::int64_t, 6> params{};
  [[nodiscard]] std::int64_t items() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
};

/// In which order the items of a part are handed out: coordinate 0 fastest inside groups of
/// `group` values, then coordinate 1, then the next group; coordinates 2 and 3 outermost.
struct Order {
  std::int64_t group = 1;
};

/// A collective or point-to-point transfer between chips, instead of a grid.
struct Transfer {
  std::string kind;  ///< all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send_recv;
                     ///< "" = none
  std::int64_t bytes = 0;  ///< per rank, as the collective's definition counts them
  int ranks = 1;
  int stride = 1;   ///< between neighbouring ranks of the group, in chips
  int region = -1;  ///< what is reduced or gathered (functional mode)
};

struct Kernel {
  std::string name;
  std::vector<std::string> operators;  ///< the workload's operators that it performs
  std::vector<Part> parts;
  Order order;
  std::int64_t core_rows =
      1;  ///< static binding: cores form core_rows x core_cols; item (i, j) runs on
  std::int64_t core_cols = 1;  ///< the core at (i mod core_rows, j mod core_cols)
  bool flat = false;           ///< static binding: items are dealt to the cores one by one instead
  std::int64_t scratch_bytes = 0;   ///< of one item
  std::int64_t register_bytes = 0;  ///< of one item
  std::int64_t resident = 1;        ///< items that share a core
  std::vector<Buffer> buffers;
  std::vector<Semaphore> semaphores;
  std::array<std::vector<Instruction>, kEngines> streams;
  Transfer transfer;
  std::int64_t depends = 1;  ///< distance to the kernel whose results it needs (1 = the one before)
  double flops = 0;          ///< useful work, for utilisation
  double host_seconds = 0;   ///< time the host needs to issue it (stack)
  std::string mapping;       ///< one line for people: tile, grid, order, fused operators

  [[nodiscard]] std::int64_t items() const {
    std::int64_t total = 0;
    for (const Part& part : parts) total += part.items();
    return total;
  }
};

/// Kernels repeated with regions shifted by their repeat_stride.
struct Block {
  std::string name;
  std::int64_t repeat = 1;
  std::vector<Kernel> kernels;
};

struct Program {
  std::string chip;       ///< name of the chip it was compiled for
  std::string chip_hash;  ///< content hash of the resolved configuration
  std::string workload;
  std::vector<std::string> launch;         ///< names of the launch values
  std::vector<std::int64_t> launch_value;  ///< their default
  std::vector<Region> regions;
  std::vector<Block> blocks;
  std::int64_t memory_bytes = 0;  ///< end of the last region in memory
  std::int64_t shared_bytes = 0;

  [[nodiscard]] double flops() const;
  [[nodiscard]] std::size_t kernel_count() const;
};

}  // namespace athena::program
