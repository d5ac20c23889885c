#pragma once
/// One port for a block's two bodies: the cycle-stepped model and the Verilated RTL both implement
/// `Block`, so whatever drives one drives the other, and a checker can walk them side by side.
///
/// Values travel as 32-bit words, least significant first, each signal from a word of its own; bits
/// above a signal's width are 0. Names are those of the RTL ports without their `_i`/`_o`.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace athena::timing {

struct Signal {
  std::string name;
  int bits = 1;
  int word = 0;  ///< first word in the block's input or output array
  int words = 1;
  int valid = -1;  ///< index of the signal (same direction) that must be 1 for this one to count
};

/// The signals of a block, in the order in which they were added.
class Ports {
 public:
  /// Adds a signal and returns its first word. `valid` names the qualifying signal, "" for none.
  int add_input(std::string name, int bits, std::string_view valid = "");
  int add_output(std::string name, int bits, std::string_view valid = "");
  [[nodiscard]] const std::vector<Signal>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<Signal>& outputs() const { return outputs_; }
  [[nodiscard]] int input_words() const { return words(inputs_); }
  [[nodiscard]] int output_words() const { return words(outputs_); }
  /// Throws InternalError when there is no such signal.
  [[nodiscard]] const Signal& input(std::string_view name) const;
  [[nodiscard]] const Signal& output(std::string_view name) const;

 private:
  static int add(std::vector<Signal>& list, std::string name, int bits, std::string_view valid);
  static int words(const std::vector<Signal>& list);
  std::vector<Signal> inputs_;
  std::vector<Signal> outputs_;
};

/// A clocked block. `cycle` is one clock period: outputs are those before the rising edge (they may
/// depend on the inputs of the same cycle), then the edge takes effect.
class Block {
 public:
  Block(std::string name, Ports ports) : name_(std::move(name)), ports_(std::move(ports)) {}
  virtual ~Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Ports& ports() const { return ports_; }
  virtual void reset() = 0;
  /// `in` holds ports().input_words() words, `out` receives ports().output_words().
  virtual void cycle(const std::uint32_t* in, std::uint32_t* out) = 0;

 private:
  std::string name_;
  Ports ports_;
};

/// Reads `bits` bits (at most 32) at bit offset `at` of a word array.
[[nodiscard]] std::uint32_t get_bits(const std::uint32_t* words, int at, int bits);
/// Writes them.
void put_bits(std::uint32_t* words, int at, int bits, std::uint32_t value);

}  // namespace athena::timing
