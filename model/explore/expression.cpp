#include "explore/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "explore/expression_tree.h"

namespace athena::explore {
namespace {

using Tree = Expression::Tree;

std::string kind_of(const Value& value) {
  if (value.is_word()) return fmt::format("the word '{}'", value.word());
  if (value.is_truth()) return "a truth value";
  if (value.dimensions.bare()) return "a number without unit";
  return "a value in " + value.dimensions.text();
}

double expect_number(const Value& value, const std::string& of) {
  if (!value.is_number())
    throw InputError(fmt::format("{} needs numbers, got {}", of, kind_of(value)));
  return value.number();
}

bool expect_truth(const Value& value, const std::string& of) {
  if (!value.is_truth()) {
    throw InputError(fmt::format("{} needs true or false, got {}", of, kind_of(value)));
  }
  return value.truth();
}

/// Same unit on both sides; a bare zero fits every unit.
Dimensions common(const Value& a, const Value& b, const std::string& of) {
  expect_number(a, of);
  expect_number(b, of);
  if (a.dimensions == b.dimensions) return a.dimensions;
  if (a.dimensions.bare() && a.number() == 0.0) return b.dimensions;
  if (b.dimensions.bare() && b.number() == 0.0) return a.dimensions;
  throw InputError(
      fmt::format("{} has {} on one side and {} on the other", of, kind_of(a), kind_of(b)));
}

Value equality(const std::string& op, const Value& a, const Value& b) {
  bool equal = false;
  if (a.is_word() && b.is_word()) {
    equal = a.word() == b.word();
  } else if (a.is_truth() && b.is_truth()) {
    equal = a.truth() == b.truth();
  } else {
    static_cast<void>(common(a, b, "'" + op + "'"));
    equal = a.number() == b.number();
  }
  return truth_value(equal == (op == "=="));
}

Value compare(const std::string& op, const Value& a, const Value& b) {
  static_cast<void>(common(a, b, "'" + op + "'"));
  const double x = a.number();
  const double y = b.number();
  if (op == "<") return truth_value(x < y);
  if (op == "<=") return truth_value(x <= y);
  if (op == ">") return truth_value(x > y);
  return truth_value(x >= y);
}

Value power(const Value& a, const Value& b) {
  const double base = expect_number(a, "'^'");
  const double exponent = expect_number(b, "'^'");
  if (!b.dimensions.bare()) throw InputError("'^' needs an exponent without unit");
  Dimensions out;
  if (!a.dimensions.bare()) {
    if (exponent != std::floor(exponent)) {
      throw InputError("'^' of a value with a unit needs a whole exponent");
    }
    for (std::size_t i = 0; i < Dimensions::kCount; ++i) {
      out.exponents[i] = a.dimensions.exponents[i] * static_cast<int>(exponent);
    }
  }
  return number_value(std::pow(base, exponent), out);
}

Value arithmetic(const std::string& op, const Value& a, const Value& b) {
  if (op == "+" || op == "-") {
    const Dimensions same = common(a, b, "'" + op + "'");
    return number_value(op == "+" ? a.number() + b.number() : a.number() - b.number(), same);
  }
  if (op == "^") return power(a, b);
  const double x = expect_number(a, "'" + op + "'");
  const double y = expect_number(b, "'" + op + "'");
  if (op == "*") return number_value(x * y, a.dimensions * b.dimensions);
  return number_value(x / y, a.dimensions / b.dimensions);
}

Value binary(const Tree& tree, const Lookup& lookup) {
  const std::string& op = tree.word;
  const Value a = evaluate_tree(*tree.parts[0], lookup);
  if (op == "&&" || op == "||") {
    const bool left = expect_truth(a, "'" + op + "'");
    if (left == (op == "||")) return truth_value(left);
    return truth_value(expect_truth(evaluate_tree(*tree.parts[1], lookup), "'" + op + "'"));
  }
  const Value b = evaluate_tree(*tree.parts[1], lookup);
  if (op == "==" || op == "!=") return equality(op, a, b);
  if (op[0] == '<' || op[0] == '>') return compare(op, a, b);
  return arithmetic(op, a, b);
}

Value call(const Tree& tree, const Lookup& lookup) {
  const std::string& name = tree.word;
  Value out = evaluate_tree(*tree.parts[0], lookup);
  const double x = expect_number(out, name);
  if (name == "min" || name == "max") {
    for (std::size_t i = 1; i < tree.parts.size(); ++i) {
      const Value next = evaluate_tree(*tree.parts[i], lookup);
      const Dimensions same = common(out, next, name);
      const bool better =
          name == "min" ? next.number() < out.number() : next.number() > out.number();
      if (better) out = next;
      out.dimensions = same;
    }
    return out;
  }
  if (name == "abs") return number_value(std::abs(x), out.dimensions);
  if (!out.dimensions.bare()) {
    throw InputError(fmt::format("{} needs a number without unit, got {}", name, kind_of(out)));
  }
  if (name == "ceil") return number_value(std::ceil(x));
  if (name == "floor") return number_value(std::floor(x));
  if (name == "round") return number_value(std::round(x));
  if (name == "sqrt") return number_value(std::sqrt(x));
  return number_value(std::log2(x));
}

void collect_names(const Tree& tree, std::vector<std::string>& names) {
  if (tree.kind == Tree::Kind::kName &&
      std::find(names.begin(), names.end(), tree.word) == names.end()) {
    names.push_back(tree.word);
  }
  for (const TreePtr& part : tree.parts) collect_names(*part, names);
}

}  // namespace

Value evaluate_tree(const Tree& tree, const Lookup& lookup) {
  switch (tree.kind) {
    case Tree::Kind::kLiteral:
      return tree.literal;
    case Tree::Kind::kName: {
      auto value = lookup(tree.word);
      if (!value) throw InputError(fmt::format("there is no '{}'", tree.word));
      return *std::move(value);
    }
    case Tree::Kind::kUnary: {
      Value value = evaluate_tree(*tree.parts[0], lookup);
      if (tree.word == "!") return truth_value(!expect_truth(value, "'!'"));
      return number_value(-expect_number(value, "'-'"), value.dimensions);
    }
    case Tree::Kind::kBinary:
      return binary(tree, lookup);
    case Tree::Kind::kCall:
      return call(tree, lookup);
    case Tree::Kind::kChoice:
      return expect_truth(evaluate_tree(*tree.parts[0], lookup), "'?'")
                 ? evaluate_tree(*tree.parts[1], lookup)
                 : evaluate_tree(*tree.parts[2], lookup);
  }
  throw InternalError("an expression has a node of no kind");
}

Expression Expression::parse(std::string_view text, const Location& where) {
  Expression out;
  out.text_ = std::string(text);
  out.where_ = where;
  try {
    out.tree_ = parse_tree(text);
  } catch (const InputError& error) {
    throw InputError(where, error.what());
  }
  return out;
}

Value Expression::evaluate(const Lookup& lookup) const {
  try {
    return evaluate_tree(*tree_, lookup);
  } catch (const InputError& error) {
    throw InputError(where_, fmt::format("in '{}': {}", text_, error.what()));
  }
}

Value Expression::number(const Lookup& lookup) const {
  Value value = evaluate(lookup);
  if (!value.is_number()) {
    throw InputError(where_, fmt::format("'{}' is {}, not a number", text_, kind_of(value)));
  }
  return value;
}

bool Expression::truth(const Lookup& lookup) const {
  const Value value = evaluate(lookup);
  if (!value.is_truth()) {
    throw InputError(where_, fmt::format("'{}' is {}, expected a condition such as 'a <= b'", text_,
                                         kind_of(value)));
  }
  return value.truth();
}

std::vector<std::string> Expression::names() const {
  std::vector<std::string> out;
  collect_names(*tree_, out);
  return out;
}

double Expression::violation(const Lookup& lookup) const {
  if (truth(lookup)) return 0.0;
  const bool inequality =
      tree_->kind == Tree::Kind::kBinary && (tree_->word[0] == '<' || tree_->word[0] == '>');
  if (!inequality) return 1.0;
  const double a = evaluate_tree(*tree_->parts[0], lookup).number();
  const double b = evaluate_tree(*tree_->parts[1], lookup).number();
  const double distance = std::abs(a - b);
  if (b == 0.0 || !std::isfinite(distance / b)) return 1.0;
  return std::max(distance / std::abs(b), 1e-12);  // a missed strict bound is still missed
}

}  // namespace athena::explore
