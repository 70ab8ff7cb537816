// A strict JSON parser that records the line of every value, so that errors in a lock name line and field.
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

/// Parses one JSON document (RFC 8259) without repeated keys and with limited depth. Throws Error{Usage} "NAME:LINE:
/// ..." otherwise.
Value parse(std::string_view text, const std::string& name);

}  // namespace k8simg::lock_document
