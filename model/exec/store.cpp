#include "exec/store.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "exec/vector_meaning.h"
#include "numerics/convert.h"

namespace athena::exec {
namespace {

using program::Env;
using program::Instruction;
using program::Kernel;
using program::Opcode;
using program::Region;

constexpr std::int64_t kLargest = std::int64_t{4} << 30;

std::int64_t elements_in(std::int64_t bytes, Dtype type) {
  return bytes * 8 / storage_bits(type);
}

}  // namespace

NumberStore::NumberStore(const program::Program& program, const Bodies& bodies)
    : program_(program), bodies_(bodies) {
  if (program.memory_bytes > kLargest) {
    throw InputError("--functional computes every number: '" + program.workload + "' needs " +
                     binary(Bytes(program.memory_bytes)) + ", the limit is " +
                     binary(Bytes(kLargest)) + "; take a smaller model or fewer --layers.");
  }
  memory_.resize(static_cast<std::size_t>(program.memory_bytes));
  shared_.resize(static_cast<std::size_t>(program.shared_bytes));
}

std::vector<std::uint8_t>& NumberStore::space(const Region& region) {
  return region.space == mapping::Space::kShared ? shared_ : memory_;
}

std::int64_t NumberStore::address(const Region& region, std::int64_t repeat, std::int64_t row,
                                  std::int64_t column) const {
  const std::int64_t copy = region.repeats > 1 ? repeat * region.repeat_stride : 0;
  return region.address + copy + row * region.pitch + column;
}

std::vector<float> NumberStore::read(int index, std::int64_t repeat) const {
  const Region& region = program_.regions[static_cast<std::size_t>(index)];
  const auto& bytes = region.space == mapping::Space::kShared ? shared_ : memory_;
  const auto begin = static_cast<std::size_t>(address(region, repeat, 0, 0));
  const auto size = static_cast<std::size_t>(region.rows * region.row_bytes);
  return numerics::decode_array(
      region.dtype, std::span(bytes).subspan(begin, size),
      static_cast<std::size_t>(elements_in(region.rows * region.row_bytes, region.dtype)));
}

void NumberStore::write(int index, std::span<const float> values, std::int64_t repeat) {
  const Region& region = program_.regions[static_cast<std::size_t>(index)];
  const std::vector<std::uint8_t> bytes = numerics::encode_array(region.dtype, values);
  std::copy(bytes.begin(), bytes.end(), space(region).begin() + address(region, repeat, 0, 0));
}

NumberStore::Tile& NumberStore::tile(const Place& place, const Kernel& kernel, int buffer,
                                     std::int64_t slot) {
  const program::Buffer& shape = kernel.buffers[static_cast<std::size_t>(buffer)];
  Tile& tile = tiles_[{place.core, place.context, buffer, slot}];
  const auto elements = static_cast<std::size_t>(elements_in(shape.stage_bytes, shape.dtype));
  tile.pitch = elements_in(shape.pitch, shape.dtype);
  tile.dtype = shape.dtype;
  if (tile.values.size() < elements) tile.values.resize(elements, 0.0F);
  return tile;
}

void NumberStore::apply(const Place& place, const Kernel& kernel, const Instruction& i,
                        const Env& env, const Slots& slots) {
  switch (i.op) {
    case Opcode::kLoad:
    case Opcode::kStore:
      deliver(place, kernel, i, env, slots, fetch(place, kernel, i, env, slots));
      return;
    case Opcode::kMatmul:
      multiply(place, kernel, i, env, slots);
      return;
    case Opcode::kVector:
      vector(place, kernel, i, env, slots);
      return;
    default:
      return;
  }
}

Moved NumberStore::fetch(const Place& place, const Kernel& kernel, const Instruction& i,
                         const Env& env, const Slots& slots) {
  const Region& region = program_.regions[static_cast<std::size_t>(i.window.region)];
  const bool gather = i.window.gather >= 0;
  const std::int64_t row = i.window.row.at(env);
  const std::int64_t column = i.window.col.at(env);
  Moved moved;
  moved.rows = std::min(i.window.rows.at(env), gather ? region.rows : region.rows - row);
  moved.row_bytes = std::min(i.window.bytes.at(env), region.row_bytes - column);
  moved.rows = std::max<std::int64_t>(0, moved.rows);
  moved.row_bytes = std::max<std::int64_t>(0, moved.row_bytes);
  moved.bytes.reserve(static_cast<std::size_t>(moved.rows * moved.row_bytes));
  if (i.op == Opcode::kStore) {
    Tile& source = tile(place, kernel, i.a.buffer, slots[0]);
    const std::int64_t count = elements_in(moved.row_bytes, region.dtype);
    const std::int64_t first = elements_in(i.a.column, source.dtype);
    for (std::int64_t r = 0; r < moved.rows; ++r) {
      const float* begin = source.values.data() + first + r * i.row_factor * source.pitch;
      const std::vector<std::uint8_t> row_bytes =
          numerics::encode_array(region.dtype, std::span(begin, static_cast<std::size_t>(count)));
      moved.bytes.insert(moved.bytes.end(), row_bytes.begin(), row_bytes.end());
    }
    return moved;
  }
  std::vector<float> rows_from;
  if (gather) rows_from = read(i.window.gather, place.repeat);
  for (std::int64_t r = 0; r < moved.rows; ++r) {
    const std::int64_t from =
        gather ? static_cast<std::int64_t>(rows_from[static_cast<std::size_t>(row + r)]) : row + r;
    const auto begin = space(region).begin() + address(region, place.repeat, from, column);
    moved.bytes.insert(moved.bytes.end(), begin, begin + moved.row_bytes);
  }
  return moved;
}

void NumberStore::deliver(const Place& place, const Kernel& kernel, const Instruction& i,
                          const Env& env, const Slots& slots, const Moved& moved) {
  const Region& region = program_.regions[static_cast<std::size_t>(i.window.region)];
  const auto row_bytes = static_cast<std::size_t>(moved.row_bytes);
  const auto row_of = [&](std::int64_t r) {
    return std::span(moved.bytes).subspan(static_cast<std::size_t>(r) * row_bytes, row_bytes);
  };
  if (i.op == Opcode::kStore) {
    const std::int64_t row = i.window.row.at(env);
    const std::int64_t column = i.window.col.at(env);
    for (std::int64_t r = 0; r < moved.rows; ++r) {
      const auto bytes = row_of(r);
      std::copy(bytes.begin(), bytes.end(),
                space(region).begin() + address(region, place.repeat, row + r, column));
    }
    return;
  }
  Tile& target = tile(place, kernel, i.a.buffer, slots[0]);
  const std::int64_t count = elements_in(moved.row_bytes, region.dtype);
  const std::int64_t first = elements_in(i.a.column, target.dtype);
  for (std::int64_t r = 0; r < moved.rows; ++r) {
    const std::vector<float> values =
        numerics::decode_array(region.dtype, row_of(r), static_cast<std::size_t>(count));
    std::copy(values.begin(), values.end(),
              target.values.begin() + first + r * i.row_factor * target.pitch);
  }
}

void NumberStore::multiply(const Place& place, const Kernel& kernel, const Instruction& i,
                           const Env& env, const Slots& slots) {
  Tile& a = tile(place, kernel, i.a.buffer, slots[0]);
  Tile& b = tile(place, kernel, i.b.buffer, slots[1]);
  Tile& c = tile(place, kernel, i.c.buffer, slots[2]);
  if (bodies_.matrix != nullptr && i.op == Opcode::kMatmul) {
    multiply_on(*bodies_.matrix, place, i, env, a, b, c);
    return;
  }
  const std::int64_t m = i.m.at(env);
  const std::int64_t n = i.n.at(env);
  const std::int64_t k = i.k.at(env);
  const bool fresh = i.fresh.at(env) == 0;
  for (std::int64_t r = 0; r < m; ++r) {
    for (std::int64_t col = 0; col < n; ++col) {
      float sum = fresh ? 0.0F : c.row(r)[col];
      for (std::int64_t d = 0; d < k; ++d) {
        const float left = i.transpose_a ? a.row(d)[r] : a.row(r)[d];
        const float right = i.transpose_b ? b.row(col)[d] : b.row(d)[col];
        sum += left * right;
      }
      c.row(r)[col] = sum;
    }
  }
}

void NumberStore::multiply_on(MatrixEngine& engine, const Place& place, const Instruction& i,
                              const Env& env, Tile& a, Tile& b, Tile& c) {
  Product product;
  product.core = place.core;
  product.type = i.dtype;
  product.m = i.m.at(env);
  product.n = i.n.at(env);
  product.k = i.k.at(env);
  product.fresh = i.fresh.at(env) == 0;
  if (product.m <= 0 || product.n <= 0 || product.k <= 0) return;
  const auto packed = [](Tile& tile, bool transposed, std::int64_t rows, std::int64_t cols) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t col = 0; col < cols; ++col) {
        values[static_cast<std::size_t>(r * cols + col)] =
            transposed ? tile.row(col)[r] : tile.row(r)[col];
      }
    }
    return values;
  };
  const std::vector<float> left = packed(a, i.transpose_a, product.m, product.k);
  const std::vector<float> right = packed(b, i.transpose_b, product.k, product.n);
  std::vector<float> sums = packed(c, false, product.m, product.n);
  product.a = left;
  product.b = right;
  product.c = sums;
  engine.multiply(product);
  for (std::int64_t r = 0; r < product.m; ++r) {
    std::copy_n(sums.begin() + r * product.n, product.n, c.row(r));
  }
}

void NumberStore::vector(const Place& place, const Kernel& kernel, const Instruction& i,
                         const Env& env, const Slots& slots) {
  if (i.fn == timing::VectorFn::kDotProducts) {
    multiply(place, kernel, i, env, slots);
    return;
  }
  const auto view = [&](const program::Operand& operand, std::size_t slot) -> VectorOperand {
    if (operand.buffer < 0) return {};
    Tile& t = tile(place, kernel, operand.buffer, slots[slot]);
    return {t.values.data(), t.pitch, t.dtype};
  };
  VectorCall call;
  call.rows = i.m.at(env);
  call.cols = i.n.at(env);
  call.extra = i.k.at(env);
  call.a = view(i.a, 0);
  call.b = view(i.b, 1);
  call.c = view(i.c, 2);
  call.d = view(i.d, 3);
  call.scalar = i.scalar;
  call.position = i.position.at(env);
  call.limit = i.limit.at(env);
  call.row_factor = i.row_factor;
  call.causal = i.causal;
  call.fresh = i.fresh.at(env) == 0;
  call.part_rows =
      call.extra > 0 && i.a.buffer >= 0
          ? elements_in(kernel.buffers[static_cast<std::size_t>(i.a.buffer)].stage_bytes,
                        call.a.dtype) /
                std::max<std::int64_t>(1, call.a.pitch) / std::max<std::int64_t>(1, call.extra)
          : 0;
  call.softmax = bodies_.softmax;
  call.core = place.core;
  run_vector(i.fn, call);
}

}  // namespace athena::exec
