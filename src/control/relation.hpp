// Relations between packages: fields such as Depends, Conflicts and Provides of binary packages.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "control/paragraph.hpp"

namespace k8simg {

enum class VersionOperator { None, Earlier, EarlierOrEqual, Equal, LaterOrEqual, Later };  ///< << <= = >= >>

/// One package of a relation, as views into the field.
struct Relation {
  std::string_view name;
  std::string_view qualifier;  ///< "any", an architecture, or ""
  VersionOperator op = VersionOperator::None;
  std::string_view version;  ///< "" if op is None
};

/// "a (>= 1) | b": any of them satisfies the dependency.
using Alternatives = std::vector<Relation>;

/// Format: Debian Policy 7.1 for binary packages: architecture lists `[...]` and build profiles `<...>` are refused.
/// The old operators `<` and `>` mean <= and >=, as in dpkg. An empty field is an empty list; superfluous commas are
/// accepted, as by apt.
tl::expected<std::vector<Alternatives>, ParseError> parse_relations(std::string_view field);

/// Whether `version` satisfies the relation. With op None every version does; an empty `version` (an unversioned
/// Provides) satisfies only op None.
bool satisfies(std::string_view version, const Relation& relation);

std::string to_string(const Relation& relation);          ///< "libc6 (>= 2.38)"
std::string to_string(const Alternatives& alternatives);  ///< "a | b (>= 2)"

/// Debian Policy 5.6.1, plus upper-case letters, which a few older packages outside of Debian's archive have.
bool is_package_name(std::string_view name);

}  // namespace k8simg
