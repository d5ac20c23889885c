#pragma once
/// The numbers of a functional run: every region of the program as bytes in its own format, and the
/// instructions' effect on them.
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "exec/bodies.h"
#include "exec/meaning.h"
#include "program/program.h"

namespace athena::exec {

/// Memory and scratchpads of a chip that computes. Scratch buffers hold floats that are rounded to
/// their format whenever they are written.
class NumberStore : public Meaning {
 public:
  /// Throws InputError when the program's memory is too large to compute on this machine.
  /// `bodies.matrix` computes the products of the matrix units (null = plain FP32 sums in order of
  /// K), `bodies.softmax` the softmax of the vector units (null = FP32).
  explicit NumberStore(const program::Program& program, const Bodies& bodies = {});

  void apply(const Place& place, const program::Kernel& kernel,
             const program::Instruction& instruction, const program::Env& env,
             const Slots& slots) override;
  [[nodiscard]] Moved fetch(const Place& place, const program::Kernel& kernel,
                            const program::Instruction& instruction, const program::Env& env,
                            const Slots& slots) override;
  void deliver(const Place& place, const program::Kernel& kernel,
               const program::Instruction& instruction, const program::Env& env, const Slots& slots,
               const Moved& moved) override;

  /// Elements of one copy of a region, row by row.
  [[nodiscard]] std::vector<float> read(int region, std::int64_t repeat = 0) const;
  /// Writes all elements of one copy, rounding to the region's format.
  void write(int region, std::span<const float> values, std::int64_t repeat = 0);

 private:
  struct Tile {
    std::vector<float> values;
    std::int64_t pitch = 0;  ///< elements
    Dtype dtype = Dtype::kFp32;
    [[nodiscard]] float* row(std::int64_t r) { return values.data() + r * pitch; }
  };
  Tile& tile(const Place& place, const program::Kernel& kernel, int buffer, std::int64_t slot);
  [[nodiscard]] std::int64_t address(const program::Region& region, std::int64_t repeat,
                                     std::int64_t row, std::int64_t column) const;
  std::vector<std::uint8_t>& space(const program::Region& region);
  void multiply(const Place& place, const program::Kernel& kernel, const program::Instruction& i,
                const program::Env& env, const Slots& slots);
  void multiply_on(MatrixEngine& engine, const Place& place, const program::Instruction& i,
                   const program::Env& env, Tile& a, Tile& b, Tile& c);
  void vector(const Place& place, const program::Kernel& kernel, const program::Instruction& i,
              const program::Env& env, const Slots& slots);

  const program::Program& program_;
  Bodies bodies_;
  std::vector<std::uint8_t> memory_, shared_;
  std::map<std::vector<std::int64_t>, Tile> tiles_;
};

}  // namespace athena::exec
