#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"
#include "explore/expression_tree.h"

namespace athena::explore {
namespace {

using Tree = Expression::Tree;

constexpr int kMaxDepth = 200;  // deeper nesting is a slip, not an expression

bool is_name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool is_name_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

const std::vector<std::string>& functions() {
  static const std::vector<std::string> names = {"min",   "max",  "ceil", "floor",
                                                 "round", "sqrt", "log2", "abs"};
  return names;
}

TreePtr make(Tree::Kind kind, std::string word, std::vector<TreePtr> parts, Value literal = {}) {
  auto tree = std::make_shared<Tree>();
  tree->kind = kind;
  tree->word = std::move(word);
  tree->parts = std::move(parts);
  tree->literal = std::move(literal);
  return tree;
}

/// Recursive descent, one function per level of precedence.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  TreePtr whole() {
    TreePtr tree = choice();
    skip_blanks();
    if (at_ < text_.size()) fail(fmt::format("'{}' is not expected here", text_.substr(at_, 1)));
    return tree;
  }

 private:
  using Level = TreePtr (Parser::*)();

  [[noreturn]] void fail(const std::string& problem) const {
    throw InputError(fmt::format("in '{}' at character {}: {}", text_, at_ + 1, problem));
  }

  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  bool take(std::string_view symbol) {
    skip_blanks();
    if (text_.substr(at_, symbol.size()) != symbol) return false;
    // `<` must not eat the start of `<=`, nor `=` pass for a comparison.
    const char next = at_ + symbol.size() < text_.size() ? text_[at_ + symbol.size()] : ' ';
    if ((symbol == "<" || symbol == ">" || symbol == "!") && next == '=') return false;
    at_ += symbol.size();
    return true;
  }

  TreePtr choice() {
    if (++depth_ > kMaxDepth) fail("nested too deeply");
    TreePtr condition = binary(0);
    if (take("?")) {
      TreePtr yes = choice();
      if (!take(":")) fail("expected ':' of the '?'");
      condition = make(Tree::Kind::kChoice, "?", {condition, yes, choice()});
    }
    --depth_;
    return condition;
  }

  TreePtr binary(std::size_t level) {
    static const std::array<std::vector<std::string>, 5> kLevels = {
        {{"||"}, {"&&"}, {"==", "!=", "<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/"}}};
    if (level == kLevels.size()) return unary();
    TreePtr left = binary(level + 1);
    for (;;) {
      const std::string* found = nullptr;
      for (const std::string& symbol : kLevels[level]) {
        if (take(symbol)) {
          found = &symbol;
          break;
        }
      }
      if (found == nullptr) return left;
      left = make(Tree::Kind::kBinary, *found, {left, binary(level + 1)});
    }
  }

  TreePtr unary() {
    if (++depth_ > kMaxDepth) fail("nested too deeply");
    TreePtr out;
    if (take("-")) {
      out = make(Tree::Kind::kUnary, "-", {unary()});
    } else if (take("!")) {
      out = make(Tree::Kind::kUnary, "!", {unary()});
    } else {
      out = operand();
      if (take("^")) out = make(Tree::Kind::kBinary, "^", {out, unary()});
    }
    --depth_;
    return out;
  }

  TreePtr operand() {
    skip_blanks();
    if (at_ >= text_.size()) fail("something is missing at the end");
    const char c = text_[at_];
    if (take("(")) {
      TreePtr inside = choice();
      if (!take(")")) fail("expected ')'");
      return inside;
    }
    if (c == '\'' || c == '"') return quoted(c);
    if (is_digit(c) || c == '.') return number();
    if (is_name_start(c)) return name();
    fail(fmt::format("'{}' is not expected here", c));
  }

  TreePtr quoted(char quote) {
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("the quote is not closed");
    std::string word(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return make(Tree::Kind::kLiteral, "", {}, word_value(std::move(word)));
  }

  TreePtr number() {
    std::size_t end = at_;
    const auto digits = [&] {
      while (end < text_.size() && is_digit(text_[end])) ++end;
    };
    digits();
    if (end < text_.size() && text_[end] == '.') {
      ++end;
      digits();
    }
    if (end + 1 < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      const std::size_t sign = text_[end + 1] == '-' || text_[end + 1] == '+' ? 1U : 0U;
      if (end + 1 + sign < text_.size() && is_digit(text_[end + 1 + sign])) {
        end += 1 + sign;
        digits();
      }
    }
    const std::string digits_text(text_.substr(at_, end - at_));
    if (digits_text == ".") fail("'.' is not a number");
    at_ = end;
    const UnitScale unit = unit_after_number();
    const double value = std::strtod(digits_text.c_str(), nullptr) * unit.factor;
    return make(Tree::Kind::kLiteral, digits_text, {}, number_value(value, unit.dimensions));
  }

  /// The unit of a literal, if one follows: letters, `$`, and a directly attached `/unit`.
  UnitScale unit_after_number() {
    const std::size_t before = at_;
    skip_blanks();
    std::size_t end = at_;
    const auto unit_part = [&](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '^' || c == '$' ||
             static_cast<unsigned char>(c) >= 0x80;
    };
    if (end >= text_.size() || is_digit(text_[end]) || text_[end] == '^' ||
        !unit_part(text_[end])) {
      at_ = before;
      return {};
    }
    while (end < text_.size() && unit_part(text_[end])) ++end;
    while (end + 1 < text_.size() && text_[end] == '/' && is_name_start(text_[end + 1])) {
      std::size_t further = end + 1;
      while (further < text_.size() && unit_part(text_[further])) ++further;
      if (!find_unit(text_.substr(at_, further - at_))) break;
      end = further;
    }
    const std::string_view word = text_.substr(at_, end - at_);
    const auto unit = find_unit(word);
    if (!unit) fail(fmt::format("'{}' is not a unit.{}", word, nearest_unit(word)));
    at_ = end;
    return *unit;
  }

  TreePtr name() {
    const std::size_t start = at_;
    std::size_t end = at_;
    while (end < text_.size() && is_name_part(text_[end])) ++end;
    std::string word(text_.substr(at_, end - at_));
    at_ = end;
    if (word == "true" || word == "false") {
      return make(Tree::Kind::kLiteral, "", {}, truth_value(word == "true"));
    }
    if (!take("(")) return make(Tree::Kind::kName, std::move(word), {});
    bool known = false;
    for (const std::string& function : functions()) known = known || function == word;
    if (!known) {
      at_ = start;
      fail(fmt::format("there is no function '{}'.{}", word, did_you_mean(word, functions())));
    }
    std::vector<TreePtr> arguments = {choice()};
    while (take(",")) arguments.push_back(choice());
    if (!take(")")) fail("expected ')'");
    const bool many = word == "min" || word == "max";
    if (!many && arguments.size() != 1) fail(word + " takes one argument");
    return make(Tree::Kind::kCall, std::move(word), std::move(arguments));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

TreePtr parse_tree(std::string_view text) {
  return Parser(text).whole();
}

}  // namespace athena::explore
