#pragma once
/// Inside of expression.h: the tree that the parser makes and the evaluator walks.
#include <memory>
#include <string>
#include <vector>

#include "explore/expression.h"

namespace athena::explore {

struct Expression::Tree {
  enum class Kind { kLiteral, kName, kUnary, kBinary, kCall, kChoice };
  Kind kind = Kind::kLiteral;
  std::string word;  ///< name, operator or function
  Value literal;
  std::vector<std::shared_ptr<const Tree>> parts;
};

using TreePtr = std::shared_ptr<const Expression::Tree>;

/// Throws InputError (without place: Expression::parse adds it).
[[nodiscard]] TreePtr parse_tree(std::string_view text);
[[nodiscard]] Value evaluate_tree(const Expression::Tree& tree, const Lookup& lookup);

}  // namespace athena::explore
