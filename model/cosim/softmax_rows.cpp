#include "cosim/softmax_rows.h"

#include "base/error.h"

namespace athena::cosim {
namespace {

constexpr std::int64_t kPatience = 100'000;  ///< cycles without a beat at the output

}  // namespace

std::int64_t run_softmax_rows(timing::Block& unit, const timing::SoftmaxRtlParams& params,
                              std::span<const SoftmaxRow> rows, std::vector<SoftmaxRow>* results) {
  const timing::Ports& ports = unit.ports();
  std::vector<std::uint32_t> in(static_cast<std::size_t>(ports.input_words()));
  std::vector<std::uint32_t> out(static_cast<std::size_t>(ports.output_words()));
  const auto pin = [&](const char* n) { return static_cast<std::size_t>(ports.input(n).word); };
  const auto see = [&](const char* n) { return static_cast<std::size_t>(ports.output(n).word); };
  const std::size_t in_valid = pin("in_valid"), in_last = pin("in_last"), in_data = pin("in_data");
  const std::size_t in_ready = see("in_ready"), out_valid = see("out_valid"),
                    out_last = see("out_last"), out_data = see("out_data");
  in[pin("out_ready")] = 1;
  const auto lanes = static_cast<std::size_t>(params.lanes);
  std::size_t row = 0, at = 0, finished = 0;
  SoftmaxRow result;
  std::int64_t quiet = 0;
  for (std::int64_t cycle = 0;; ++cycle) {
    in[in_valid] = row < rows.size();
    if (row < rows.size()) {
      in[in_last] = at + lanes >= rows[row].size();
      for (std::size_t l = 0; l < lanes; ++l)
        timing::put_bits(&in[in_data], static_cast<int>(l) * 16, 16, rows[row][at + l]);
    }
    unit.cycle(in.data(), out.data());
    quiet = out[out_valid] != 0 ? 0 : quiet + 1;
    if (quiet > kPatience) throw Contradiction("vector_softmax: rows never came out");
    if (out[out_valid] != 0) {
      for (std::size_t l = 0; results != nullptr && l < lanes; ++l) {
        result.push_back(static_cast<std::uint16_t>(
            timing::get_bits(&out[out_data], static_cast<int>(l) * 16, 16)));
      }
      if (out[out_last] != 0) {
        if (results != nullptr) results->push_back(std::move(result));
        result.clear();
        if (++finished == rows.size()) return cycle;
      }
    }
    if (row < rows.size() && out[in_ready] != 0 && (at += lanes) >= rows[row].size()) {
      at = 0;
      ++row;
    }
  }
}

}  // namespace athena::cosim
