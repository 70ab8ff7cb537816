// A strict JSON document that remembers the line of every value, so that a damaged lock can be named by line and field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg::lock_document {

enum class Kind { Null, Boolean, Integer, Other, String, Array, Object };

struct Member;
struct Value {
  Kind kind = Kind::Null;
  int line = 0;                 ///< 1-based line on which the value ends (starts, for arrays and objects)
  std::string text;             ///< String
  std::uint64_t integer = 0;    ///< Integer: never negative; Boolean: 0 or 1
  std::vector<Value> items;     ///< Array
  std::vector<Member> members;  ///< Object, in file order
};
struct Member {
  std::string key;
  Value value;
};

const char* describe(Kind kind);  ///< "a string", "a list", ...

/// Throws Error{Usage} "NAME:LINE: ..." for anything that is not one JSON document (RFC 8259) of objects without
/// repeated keys, nested no deeper than a lock is.
Value parse(std::string_view text, const std::string& name);

}  // namespace k8simg::lock_document
