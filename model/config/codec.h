#pragma once
/// How each C++ type is read from a node, written to one, and described. A new type becomes usable
/// in every schema by one specialisation of Codec.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/units.h"
#include "config/node.h"
#include "config/value_type.h"

namespace athena::config {

class StructSchema;

// Readers that need no template; `path` is the key's dotted name for the error sentence.
[[noreturn]] void refuse(const Node& node, const std::string& path, const std::string& problem);
[[nodiscard]] bool read_bool(const Node& node, const std::string& path);
[[nodiscard]] std::int64_t read_integer(const Node& node, const std::string& path,
                                        const ValueType& type, const Constraint& constraint);
[[nodiscard]] double read_number(const Node& node, const std::string& path, const ValueType& type,
                                 const Constraint& constraint);
[[nodiscard]] std::string read_text(const Node& node, const std::string& path);
[[nodiscard]] long double read_quantity(const Node& node, const std::string& path,
                                        const ValueType& type, const Constraint& constraint);
[[nodiscard]] std::size_t read_choice(const Node& node, const std::string& path,
                                      const std::vector<std::string>& choices);
void expect_list(const Node& node, const std::string& path, const Constraint& constraint);
void expect_map(const Node& node, const std::string& path);
void check_whole(long double value, const Node& node, const std::string& path,
                 const ValueType& type);
void check_integer_fits(bool fits, const Node& node, const std::string& path);
[[nodiscard]] std::string write_number(double value, const Constraint& constraint);
void read_struct(const StructSchema& schema, const Node& node, const std::string& path,
                 void* object);
[[nodiscard]] Node write_struct(const StructSchema& schema, const void* object);

/// A struct with a table: `const StructSchema& schema_of(const T*)` beside it.
template <class T>
concept HasSchema = std::is_class_v<T> && requires {
  schema_of(static_cast<const T*>(nullptr));
};

/// An enum with names: `enum_names(const E*)` beside it, a range of pairs (value, word).
template <class E>
concept HasNames = std::is_enum_v<E> && requires {
  enum_names(static_cast<const E*>(nullptr));
};

template <class T>
struct Codec;

template <>
struct Codec<bool> {
  static ValueType type() { return {.form = ValueType::Form::kBool}; }
  static void read(const Node& node, const std::string& path, const Constraint&, bool& out) {
    out = read_bool(node, path);
  }
  static Node write(bool value, const Constraint&) { return scalar_node(value ? "true" : "false"); }
};

template <class I>
requires std::is_integral_v<I>
struct Codec<I> {
  static ValueType type() { return {.form = ValueType::Form::kInteger}; }
  static void read(const Node& node, const std::string& path, const Constraint& c, I& out) {
    const std::int64_t value = read_integer(node, path, type(), c);
    check_integer_fits(std::in_range<I>(value), node, path);
    out = static_cast<I>(value);
  }
  static Node write(I value, const Constraint&) { return scalar_node(std::to_string(value)); }
};

template <>
struct Codec<double> {
  static ValueType type() { return {.form = ValueType::Form::kNumber}; }
  static void read(const Node& node, const std::string& path, const Constraint& c, double& out) {
    out = read_number(node, path, type(), c);
  }
  static Node write(double value, const Constraint& c) {
    return scalar_node(write_number(value, c));
  }
};

template <>
struct Codec<std::string> {
  static ValueType type() { return {.form = ValueType::Form::kText}; }
  static void read(const Node& node, const std::string& path, const Constraint&, std::string& out) {
    out = read_text(node, path);
  }
  static Node write(const std::string& value, const Constraint&) { return scalar_node(value); }
};

/// A part whose meaning only its user knows.
template <>
struct Codec<Node> {
  static ValueType type() { return {.form = ValueType::Form::kAny}; }
  static void read(const Node& node, const std::string&, const Constraint&, Node& out) {
    out = node;
  }
  static Node write(const Node& value, const Constraint&) { return value; }
};

template <class Tag, class Rep>
struct Codec<Quantity<Tag, Rep>> {
  using Q = Quantity<Tag, Rep>;
  static ValueType type() {
    return {.form = ValueType::Form::kQuantity, .dimension = &dimension_of<Q>()};
  }
  static void read(const Node& node, const std::string& path, const Constraint& c, Q& out) {
    const long double value = read_quantity(node, path, type(), c);
    if constexpr (std::is_integral_v<Rep>) check_whole(value, node, path, type());
    out = Q(static_cast<Rep>(value));
  }
  static Node write(Q value, const Constraint&) {
    return scalar_node(format_quantity(value.value(), dimension_of<Q>()));
  }
};

template <HasNames E>
struct Codec<E> {
  static std::vector<std::string> words() {
    std::vector<std::string> out;
    for (const auto& [value, word] : enum_names(static_cast<const E*>(nullptr)))
      out.emplace_back(word);
    return out;
  }
  static ValueType type() { return {.form = ValueType::Form::kChoice, .choices = words()}; }
  static void read(const Node& node, const std::string& path, const Constraint&, E& out) {
    std::size_t index = read_choice(node, path, words());
    for (const auto& [value, word] : enum_names(static_cast<const E*>(nullptr))) {
      if (index-- == 0) out = value;
    }
  }
  static Node write(E value, const Constraint&) {
    for (const auto& [known, word] : enum_names(static_cast<const E*>(nullptr))) {
      if (known == value) return scalar_node(std::string(word));
    }
    return Node{};
  }
};

/// Number formats by their lower-case names.
[[nodiscard]] const std::vector<std::string>& dtype_words();

template <>
struct Codec<Dtype> {
  static ValueType type() { return {.form = ValueType::Form::kChoice, .choices = dtype_words()}; }
  static void read(const Node& node, const std::string& path, const Constraint&, Dtype& out) {
    out = *dtype_from_name(dtype_words()[read_choice(node, path, dtype_words())]);
  }
  static Node write(Dtype value, const Constraint&) {
    return scalar_node(std::string(name(value)));
  }
};

template <HasSchema T>
struct Codec<T> {
  static ValueType type() {
    return {.form = ValueType::Form::kStruct, .structure = []() -> const StructSchema& {
              return schema_of(static_cast<const T*>(nullptr));
            }};
  }
  static void read(const Node& node, const std::string& path, const Constraint&, T& out) {
    read_struct(schema_of(static_cast<const T*>(nullptr)), node, path, &out);
  }
  static Node write(const T& value, const Constraint&) {
    return write_struct(schema_of(static_cast<const T*>(nullptr)), &value);
  }
};

template <class X>
struct Codec<std::vector<X>> {
  static ValueType type() {
    return {.form = ValueType::Form::kList,
            .element = std::make_shared<const ValueType>(Codec<X>::type())};
  }
  static void read(const Node& node, const std::string& path, const Constraint& c,
                   std::vector<X>& out) {
    expect_list(node, path, c);
    out.clear();
    for (std::size_t i = 0; i < node.list.size(); ++i) {
      X item{};
      Codec<X>::read(node.list[i], path + "[" + std::to_string(i) + "]", c, item);
      out.push_back(std::move(item));
    }
  }
  static Node write(const std::vector<X>& value, const Constraint& c) {
    Node node = list_node({});
    for (const auto& item : value) node.list.push_back(Codec<X>::write(item, c));
    return node;
  }
};

template <class X, std::size_t N>
struct Codec<std::array<X, N>> {
  static ValueType type() { return Codec<std::vector<X>>::type(); }
  static void read(const Node& node, const std::string& path, const Constraint& c,
                   std::array<X, N>& out) {
    Constraint exact = c;
    exact.min_items = N;
    exact.max_items = N;
    expect_list(node, path, exact);
    for (std::size_t i = 0; i < N; ++i)
      Codec<X>::read(node.list[i], path + "[" + std::to_string(i) + "]", c, out[i]);
  }
  static Node write(const std::array<X, N>& value, const Constraint& c) {
    Node node = list_node({});
    for (const X& item : value) node.list.push_back(Codec<X>::write(item, c));
    return node;
  }
};

/// Keys are anything that reads from one word: text, number formats, enums.
template <class K, class X>
struct Codec<std::map<K, X>> {
  static ValueType type() {
    return {.form = ValueType::Form::kMap,
            .key_choices = Codec<K>::type().choices,
            .element = std::make_shared<const ValueType>(Codec<X>::type())};
  }
  static void read(const Node& node, const std::string& path, const Constraint& c,
                   std::map<K, X>& out) {
    expect_map(node, path);
    out.clear();
    for (const Entry& entry : node.map) {
      Node word = scalar_node(entry.key);
      word.where = entry.where;
      K key{};
      Codec<K>::read(word, path, Constraint{}, key);
      X value{};
      Codec<X>::read(entry.value, path + "." + entry.key, c, value);
      out.insert_or_assign(std::move(key), std::move(value));
    }
  }
  static Node write(const std::map<K, X>& value, const Constraint& c) {
    Node node = map_node();
    for (const auto& [key, item] : value)
      node.set(Codec<K>::write(key, Constraint{}).scalar, Codec<X>::write(item, c));
    return node;
  }
};

template <class X>
struct Codec<std::optional<X>> {
  static ValueType type() {
    return {.form = ValueType::Form::kOptional,
            .element = std::make_shared<const ValueType>(Codec<X>::type())};
  }
  static void read(const Node& node, const std::string& path, const Constraint& c,
                   std::optional<X>& out) {
    if (node.is_null()) {
      out.reset();
      return;
    }
    if (!out) out.emplace();
    Codec<X>::read(node, path, c, *out);
  }
  static Node write(const std::optional<X>& value, const Constraint& c) {
    return value ? Codec<X>::write(*value, c) : Node{};
  }
};

}  // namespace athena::config
