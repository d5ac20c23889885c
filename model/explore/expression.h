#pragma once
/// The small language of sweeps: derived values, conditions between keys, objectives, constraints.
///
///   expression := or [ '?' expression ':' expression ]
///   operators  || && ! == != < <= > >= + - * / ^ and parentheses; functions min max ceil floor
///   round
///              sqrt log2 abs
///   operands   16, 858 mm2, 1.5 GHz, 'word', true, false, and dotted names of axes or result keys
///
/// Numbers carry their units: adding or comparing a time with an area is an error.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "explore/value.h"

namespace athena::explore {

/// What a name stands for; nothing when it is unknown.
using Lookup = std::function<std::optional<Value>(const std::string& name)>;

/// A parsed expression. Copies share the tree.
class Expression {
 public:
  /// Throws InputError with the place of the text in its file and the column inside it.
  [[nodiscard]] static Expression parse(std::string_view text, const Location& where);

  /// Throws InputError for an unknown name and for operands of the wrong kind or unit.
  [[nodiscard]] Value evaluate(const Lookup& lookup) const;
  /// evaluate(), and the result must be a number / truth.
  [[nodiscard]] Value number(const Lookup& lookup) const;
  [[nodiscard]] bool truth(const Lookup& lookup) const;

  /// Every name in it, in order of appearance, each once.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const Location& where() const { return where_; }

  /// For `a <= b` and its kin at the top: how far it is from holding, as a fraction of b (0 = it
  /// holds; 1 when there is no scale). Optimisers descend along it.
  [[nodiscard]] double violation(const Lookup& lookup) const;

  struct Tree;

 private:
  std::string text_;
  Location where_;
  std::shared_ptr<const Tree> tree_;
};

}  // namespace athena::explore
