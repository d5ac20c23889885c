#include "timing/block.h"

#include <algorithm>

#include "base/error.h"
#include "base/units.h"

namespace athena::timing {
namespace {

const Signal& find(const std::vector<Signal>& list, std::string_view name) {
  for (const Signal& s : list) {
    if (s.name == name) return s;
  }
  throw InternalError("block port: no signal '" + std::string(name) + "'");
}

}  // namespace

int Ports::words(const std::vector<Signal>& list) {
  return list.empty() ? 0 : list.back().word + list.back().words;
}

int Ports::add(std::vector<Signal>& list, std::string name, int bits, std::string_view valid) {
  Signal s;
  s.name = std::move(name);
  s.bits = bits;
  s.word = words(list);
  s.words = ceil_div(bits, 32);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == valid) s.valid = static_cast<int>(i);
  }
  if (!valid.empty() && s.valid < 0) {
    throw InternalError("block port: '" + s.name + "' is qualified by an unknown signal");
  }
  list.push_back(std::move(s));
  return list.back().word;
}

int Ports::add_input(std::string name, int bits, std::string_view valid) {
  return add(inputs_, std::move(name), bits, valid);
}
int Ports::add_output(std::string name, int bits, std::string_view valid) {
  return add(outputs_, std::move(name), bits, valid);
}
const Signal& Ports::input(std::string_view name) const {
  return find(inputs_, name);
}
const Signal& Ports::output(std::string_view name) const {
  return find(outputs_, name);
}

std::uint32_t get_bits(const std::uint32_t* words, int at, int bits) {
  const int word = at / 32;
  const int shift = at % 32;
  std::uint64_t pair = words[word];
  if (shift + bits > 32) pair |= static_cast<std::uint64_t>(words[word + 1]) << 32;
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  return static_cast<std::uint32_t>((pair >> shift) & mask);
}

void put_bits(std::uint32_t* words, int at, int bits, std::uint32_t value) {
  for (int done = 0; done < bits;) {
    const int word = (at + done) / 32;
    const int shift = (at + done) % 32;
    const int take = std::min(bits - done, 32 - shift);
    const std::uint32_t mask = (take == 32 ? ~0U : (1U << take) - 1) << shift;
    words[word] = (words[word] & ~mask) | (((value >> done) << shift) & mask);
    done += take;
  }
}

}  // namespace athena::timing
