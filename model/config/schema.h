#pragma once
/// One table per struct: key, member, doc, range. The table drives loading, checking, defaults,
/// `explain`, the JSON Schema of editors and the reference page.
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/codec.h"
#include "config/node.h"
#include "config/value_type.h"

namespace athena::config {

/// What a field needs of its member's type, without the type. One set per type, not per field:
/// tables are long, and code per field would make them slow to compile.
struct MemberAccess {
  ValueType (*type)();
  void (*read)(const Node&, const std::string& path, const Constraint&, void* member);
  Node (*write)(const void* member, const Constraint&);
};

template <class M>
inline constexpr MemberAccess kMemberAccess{
    [] { return Codec<M>::type(); },
    [](const Node& node, const std::string& path, const Constraint& constraint, void* member) {
      Codec<M>::read(node, path, constraint, *static_cast<M*>(member));
    },
    [](const void* member, const Constraint& constraint) {
      return Codec<M>::write(*static_cast<const M*>(member), constraint);
    }};

/// One key of a struct.
struct Field {
  std::string key;
  std::string doc;
  ValueType type;
  Constraint constraint;
  std::ptrdiff_t offset = 0;  ///< of the member in the struct, bytes
  const MemberAccess* access = nullptr;

  /// Reads `node` into the member of the struct at `object`; `path` names it in errors.
  void read(const Node& node, const std::string& path, void* object) const {
    access->read(node, path, constraint, static_cast<char*>(object) + offset);
  }
  [[nodiscard]] Node write(const void* object) const {
    return access->write(static_cast<const char*>(object) + offset, constraint);
  }
};

/// The table of one struct, without its C++ type.
class StructSchema {
 public:
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& doc() const { return doc_; }
  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] const Field* find(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;
  /// A fresh object with the struct's defaults.
  [[nodiscard]] std::shared_ptr<void> make() const { return make_(); }
  /// First violated rule between fields as a sentence, "" when all hold.
  [[nodiscard]] std::string violation(const void* object) const;

 private:
  template <class T>
  friend class SchemaBuilder;
  void add(std::string_view key, std::string_view doc, std::ptrdiff_t offset,
           const MemberAccess& access, std::initializer_list<const Option*> options);

  std::string name_;
  std::string doc_;
  std::vector<Field> fields_;
  std::function<std::shared_ptr<void>()> make_;
  std::vector<std::function<std::string(const void*)>> checks_;
};

/// Fills the table of T; see chip_schema.cpp for its use.
template <class T>
class SchemaBuilder {
 public:
  /// `name` heads the struct's section of the reference page.
  SchemaBuilder(std::string name, std::string doc) {
    schema_.name_ = std::move(name);
    schema_.doc_ = std::move(doc);
    schema_.make_ = [] { return std::make_shared<T>(); };
  }

  /// A key bound to a member. Its default is what a fresh T holds.
  template <class M>
  SchemaBuilder& field(std::string_view key, M T::*member, std::string_view doc,
                       const Option& first = kNoOption, const Option& second = kNoOption,
                       const Option& third = kNoOption, const Option& fourth = kNoOption) {
    const char* const base = reinterpret_cast<const char*>(&sample_);
    const char* const place = reinterpret_cast<const char*>(&(sample_.*member));
    schema_.add(key, doc, place - base, kMemberAccess<M>, {&first, &second, &third, &fourth});
    return *this;
  }

  /// A rule between fields: returns a sentence when it is broken, "" when it holds.
  SchemaBuilder& check(std::function<std::string(const T&)> rule) {
    schema_.checks_.push_back([rule = std::move(rule)](const void* object) {
      return rule(*static_cast<const T*>(object));
    });
    return *this;
  }

  [[nodiscard]] StructSchema build() { return std::move(schema_); }

 private:
  T sample_{};  ///< tells where the members stand
  StructSchema schema_;
};

/// A T from a document. Throws InputError: place, what was expected, nearest key.
template <class T>
[[nodiscard]] T bind(const Node& node) {
  T out{};
  Codec<T>::read(node, "", Constraint{}, out);
  return out;
}

/// The document of a T with every key; bind(dump(x)) equals x.
template <class T>
[[nodiscard]] Node dump(const T& value) {
  return Codec<T>::write(value, Constraint{});
}

}  // namespace athena::config
