#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "serving/trace.h"
#include "serving/trace_line.h"

namespace athena::serving {
namespace {

/// Mooncake's published traces hash the prompt in blocks of 512 tokens (Qin et al., "Mooncake: a
/// KVCache-centric disaggregated architecture for LLM serving", 2024).
constexpr std::int64_t kBlockTokens = 512;

class MooncakeReader final : public TraceReader {
 public:
  explicit MooncakeReader(const std::filesystem::path& path) : file_(path) {}

  bool next(Request& request) override {
    if (!file_.next(line_)) return false;
    const auto row = nlohmann::json::parse(line_, nullptr, false);
    if (!row.is_object()) file_.fail("a JSON object was expected.");
    request = Request{};
    request.arrival = Seconds(number(row, "timestamp") / 1e3);
    request.input_tokens = integer(row, "input_length");
    request.output_tokens = integer(row, "output_length");
    if (row.contains("priority")) request.priority = static_cast<int>(integer(row, "priority"));
    if (row.contains("hash_ids")) read_hashes(row["hash_ids"], request);
    file_.check(request);
    return true;
  }
  std::int64_t hash_block_tokens() const override { return kBlockTokens; }

 private:
  const nlohmann::json& member(const nlohmann::json& row, const char* key) const {
    const auto found = row.find(key);
    if (found == row.end()) file_.fail(fmt::format("the key '{}' is missing.", key));
    return *found;
  }
  double number(const nlohmann::json& row, const char* key) const {
    const auto& value = member(row, key);
    if (!value.is_number()) file_.fail(fmt::format("'{}' must be a number.", key));
    return value.get<double>();
  }
  std::int64_t integer(const nlohmann::json& row, const char* key) const {
    const auto& value = member(row, key);
    if (!value.is_number_integer()) file_.fail(fmt::format("'{}' must be a whole number.", key));
    return value.get<std::int64_t>();
  }
  void read_hashes(const nlohmann::json& list, Request& request) const {
    if (!list.is_array()) file_.fail("'hash_ids' must be a list of whole numbers.");
    request.hashes.reserve(list.size());
    for (const auto& id : list) {
      if (!id.is_number_integer()) file_.fail("'hash_ids' must be a list of whole numbers.");
      request.hashes.push_back(id.get<std::uint64_t>());
    }
    const auto blocks = static_cast<std::int64_t>(request.hashes.size());
    if (request.input_tokens > 0 && blocks != ceil_div(request.input_tokens, kBlockTokens)) {
      file_.fail(fmt::format("{} hash_ids do not cover {} input tokens in blocks of {}.", blocks,
                             request.input_tokens, kBlockTokens));
    }
  }

  LineFile file_;
  std::string line_;
};

}  // namespace

std::unique_ptr<TraceReader> open_mooncake_jsonl(const std::filesystem::path& path) {
  return std::make_unique<MooncakeReader>(path);
}

}  // namespace athena::serving
