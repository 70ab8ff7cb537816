// Parses and formats relation fields.
#include "control/relation.hpp"

#include "control/version.hpp"

namespace k8simg {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' || c == '.';
}
bool is_qualifier_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

/// Reads a field from left to right.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip_blanks();
    return position_ >= text_.size();
  }
  bool take(char c) {
    skip_blanks();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  template <class Predicate>
  std::string_view take_while(Predicate predicate) {
    const std::size_t start = position_;
    while (position_ < text_.size() && predicate(text_[position_])) ++position_;
    return text_.substr(start, position_ - start);
  }
  void skip_blanks() {
    while (position_ < text_.size() && is_space(text_[position_])) ++position_;
  }
  bool next_is(char c) const { return position_ < text_.size() && text_[position_] == c; }
  std::string here() const {
    std::string rest;
    for (char c : text_.substr(position_, 30)) rest += c >= ' ' && c <= '~' ? c : '?';
    return rest.empty() ? "at the end" : "at \"" + rest + "\"";
  }

 private:
  std::string_view text_;
  std::size_t position_ = 0;
};

VersionOperator parse_operator(std::string_view text) {
  if (text == "<<") return VersionOperator::Earlier;
  if (text == "<=" || text == "<") return VersionOperator::EarlierOrEqual;
  if (text == "=" || text == "==") return VersionOperator::Equal;
  if (text == ">=" || text == ">") return VersionOperator::LaterOrEqual;
  if (text == ">>") return VersionOperator::Later;
  return VersionOperator::None;
}

tl::expected<Relation, ParseError> parse_relation(FieldReader& reader) {
  const auto fail = [&](const std::string& what) {
    return tl::make_unexpected(ParseError{0, what + " " + reader.here()});
  };
  Relation relation;
  reader.skip_blanks();
  relation.name = reader.take_while(is_name_character);
  if (!is_package_name(relation.name)) return fail("a package name is missing or malformed");
  if (reader.next_is(':')) {
    reader.take(':');
    relation.qualifier = reader.take_while(is_qualifier_character);
    if (relation.qualifier.empty()) return fail("an architecture is missing after ':'");
  }
  if (reader.take('(')) {
    reader.skip_blanks();
    const std::string_view op = reader.take_while([](char c) { return c == '<' || c == '=' || c == '>'; });
    relation.op = parse_operator(op);
    if (relation.op == VersionOperator::None) return fail("a version without an operator (<< <= = >= >>)");
    reader.skip_blanks();
    relation.version =
        reader.take_while([](char c) { return !is_space(c) && c != ')' && c != '(' && c != ',' && c != '|'; });
    if (relation.version.empty()) return fail("a version is missing");
    if (!reader.take(')')) return fail("')' is missing after the version");
  }
  return relation;
}

std::string_view to_text(VersionOperator op) {
  switch (op) {
    case VersionOperator::Earlier:
      return "<<";
    case VersionOperator::EarlierOrEqual:
      return "<=";
    case VersionOperator::Equal:
      return "=";
    case VersionOperator::LaterOrEqual:
      return ">=";
    case VersionOperator::Later:
      return ">>";
    case VersionOperator::None:
      break;
  }
  return "";
}

}  // namespace

bool is_package_name(std::string_view name) {
  if (name.empty() || name.front() == '+' || name.front() == '-' || name.front() == '.') return false;
  for (char c : name)
    if (!is_name_character(c)) return false;
  return true;
}

tl::expected<std::vector<Alternatives>, ParseError> parse_relations(std::string_view field) {
  std::vector<Alternatives> relations;
  FieldReader reader(field);
  while (!reader.at_end()) {
    if (reader.take(',')) continue;
    Alternatives alternatives;
    do {
      auto relation = parse_relation(reader);
      if (!relation) return tl::make_unexpected(relation.error());
      alternatives.push_back(*relation);
    } while (reader.take('|'));
    relations.push_back(std::move(alternatives));
    if (!reader.at_end() && !reader.take(','))
      return tl::make_unexpected(ParseError{0, "',' or '|' expected " + reader.here()});
  }
  return relations;
}

bool satisfies(std::string_view version, const Relation& relation) {
  if (relation.op == VersionOperator::None) return true;
  if (version.empty()) return false;
  const int order = compare_versions(version, relation.version);
  switch (relation.op) {
    case VersionOperator::Earlier:
      return order < 0;
    case VersionOperator::EarlierOrEqual:
      return order <= 0;
    case VersionOperator::Equal:
      return order == 0;
    case VersionOperator::LaterOrEqual:
      return order >= 0;
    case VersionOperator::Later:
      return order > 0;
    case VersionOperator::None:
      break;
  }
  return true;
}

std::string to_string(const Relation& relation) {
  std::string text(relation.name);
  if (!relation.qualifier.empty()) text.append(":").append(relation.qualifier);
  if (relation.op != VersionOperator::None)
    text.append(" (").append(to_text(relation.op)).append(" ").append(relation.version).append(")");
  return text;
}

std::string to_string(const Alternatives& alternatives) {
  std::string text;
  for (const Relation& relation : alternatives) text.append(text.empty() ? "" : " | ").append(to_string(relation));
  return text;
}

}  // namespace k8simg
