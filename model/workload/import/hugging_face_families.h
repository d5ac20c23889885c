#pragma once
/// The keys of a config.json and the families of models that read them. Private to import/.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "workload/transformer.h"

namespace athena::workload {

/// Typed access to the keys of one file, with errors that name file and key. Each method takes a
/// key with its aliases; null counts as absent.
class Keys {
 public:
  /// `document` must outlive this.
  Keys(const nlohmann::json& document, std::string file);
  [[nodiscard]] const std::string& file() const { return file_; }
  /// The value under the first name that is present; nullptr when none is.
  [[nodiscard]] const nlohmann::json* find(const std::vector<std::string>& names) const;
  /// A whole number from 0 to kLargest. Throws InputError when missing or of another kind.
  [[nodiscard]] std::int64_t integer(const std::vector<std::string>& names) const;
  [[nodiscard]] std::int64_t integer_or(const std::vector<std::string>& names,
                                        std::int64_t fallback) const;
  [[nodiscard]] bool flag_or(const std::vector<std::string>& names, bool fallback) const;
  [[nodiscard]] double number_or(const std::vector<std::string>& names, double fallback) const;
  [[nodiscard]] std::string text_or(const std::vector<std::string>& names,
                                    const std::string& fallback) const;

 private:
  /// No size of a model comes near it; what is beyond is a slip.
  static constexpr std::int64_t kLargest = 1'000'000'000;
  [[noreturn]] void missing(const std::vector<std::string>& names) const;
  [[noreturn]] void wrong(const std::vector<std::string>& names, std::string_view expected,
                          const nlohmann::json& value) const;
  [[nodiscard]] std::int64_t as_integer(const nlohmann::json& value,
                                        const std::vector<std::string>& names) const;

  const nlohmann::json& document_;
  std::string file_;
};

/// A family of models, and what it fixes beyond the keys of its files (from the reference
/// implementations in the transformers library).
struct Family {
  std::string_view type;          ///< `model_type`
  std::string_view architecture;  ///< prefix of an entry of `architectures`
  void (*fill)(const Keys&, Transformer&);
};

/// The family of a file. Throws InputError naming `model_type` and the families known.
[[nodiscard]] const Family& family_of(const Keys& keys);

}  // namespace athena::workload
