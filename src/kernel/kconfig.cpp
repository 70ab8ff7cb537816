// Reads Kconfig files and evaluates expressions of them.
#include "kernel/kconfig.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "util/text.hpp"

namespace k8simg {

namespace {

std::size_t indent_of(std::string_view line) {
  std::size_t width = 0;
  for (const char c : line) {
    if (c == '\t')
      width = (width / 8 + 1) * 8;
    else if (c == ' ')
      ++width;
    else
      break;
  }
  return width;
}

using Definitions = KconfigIndex::Definitions;
using Conditions = std::vector<std::string>;

/// "VALUE if CONDITION". An `if` in quotes or parentheses does not occur in Kconfig files.
KconfigClause clause_of(std::string_view text, int line) {
  const auto condition = text.find(" if ");
  if (condition == std::string_view::npos) return {std::string(trim(text)), "", line};
  return {std::string(trim(text.substr(0, condition))), std::string(trim(text.substr(condition + 4))), line};
}

/// Reads files in Kconfig's order and keeps track of the enclosing conditions.
class Reader {
 public:
  Reader(std::string arch, const KconfigIndex::Read& read, Definitions& definitions)
      : arch_(std::move(arch)), read_(read), definitions_(definitions) {}

  /// `outer`: the conditions around the `source` line.
  void file(const std::string& name, const Conditions& outer) {
    if (!seen_.insert(name).second) return;
    const auto text = read_(name);
    if (!text) return;
    std::vector<std::pair<char, Conditions>> enclosing{
        {'f', outer}};  // 'f' for the file, 'i' for if, 'm' for menu, 'c' for choice
    const auto all_conditions = [&] {
      Conditions all;
      for (const auto& [kind, conditions] : enclosing) all.insert(all.end(), conditions.begin(), conditions.end());
      return all;
    };
    KconfigDefinition* current = nullptr;
    bool in_block_header = false;  // after `menu` or `choice`, `depends on` belongs to the block
    std::size_t help_indent = 0;
    bool in_help = false;
    const std::vector<std::string> lines = split(*text, '\n');
    for (std::size_t next = 0; next < lines.size();) {
      const int number = static_cast<int>(next) + 1;
      std::string line = lines[next++];
      if (trim(line).empty()) continue;
      if (in_help) {
        if (help_indent == 0) help_indent = indent_of(line);
        if (indent_of(line) >= help_indent && help_indent > 0) continue;
        in_help = false;
      }
      // Joins continuation lines. In help texts and comments a backslash has no meaning.
      while (trim(line).front() != '#' && line.back() == '\\') {
        line.pop_back();
        if (next < lines.size()) line += lines[next++];
        if (trim(line).empty()) break;
      }
      const std::string_view body = trim(line);
      if (body.empty() || body.front() == '#') continue;
      const auto words = split_words(body);
      const std::string& word = words.front();
      const auto rest = std::string(trim(body.substr(word.size())));
      const auto leave_entry = [&](bool block_header) { current = nullptr, in_block_header = block_header; };
      if ((word == "config" || word == "menuconfig") && words.size() == 2) {
        auto& list = definitions_[words[1]];
        list.push_back({.file = name, .line = number, .depends = all_conditions()});
        current = &list.back();
        in_block_header = false;
      } else if (word == "if") {
        enclosing.emplace_back('i', Conditions{rest});
        leave_entry(false);
      } else if (word == "menu" || word == "choice") {
        enclosing.emplace_back(word.front(), Conditions{});
        leave_entry(true);
      } else if (word == "endif" || word == "endmenu" || word == "endchoice") {
        if (enclosing.size() > 1) enclosing.pop_back();
        leave_entry(false);
      } else if (word == "source") {
        leave_entry(false);
        file(replace_all(replace_all(rest, "\"", ""), "$(SRCARCH)", arch_), all_conditions());
      } else if (word == "comment" || word == "mainmenu") {
        leave_entry(false);
      } else if (word == "depends" && words.size() > 2 && words[1] == "on") {
        std::string expression(trim(std::string_view(rest).substr(2)));
        if (in_block_header)
          enclosing.back().second.push_back(std::move(expression));
        else if (current)
          current->depends.push_back(std::move(expression));
      } else if (word == "help" || word == "---help---") {
        in_help = true;
        help_indent = 0;
      } else if (current && (word == "select" || word == "imply")) {
        (word == "select" ? current->selects : current->implies).push_back(clause_of(rest, number));
      } else if (current && (word == "default" || word == "def_bool" || word == "def_tristate")) {
        current->defaults.push_back(clause_of(rest, number));
      } else if (current && (word == "prompt" || ((word == "bool" || word == "tristate" || word == "int" ||
                                                   word == "hex" || word == "string") &&
                                                  words.size() > 1))) {
        current->has_prompt = true;
      }
    }
  }

 private:
  std::string arch_;
  const KconfigIndex::Read& read_;
  Definitions& definitions_;
  std::set<std::string> seen_;
};

}  // namespace

KconfigIndex::KconfigIndex(const std::string& root, const std::string& arch, const Read& read) {
  Reader(arch, read, definitions_).file(root, {});
}

std::vector<KconfigDefinition> KconfigIndex::find(const std::string& symbol) const {
  const auto found = definitions_.find(symbol);
  return found == definitions_.end() ? std::vector<KconfigDefinition>{} : found->second;
}

namespace {

constexpr int no = 0, module = 1, yes = 2;

int tristate_of(std::string_view value) { return value == "y" ? yes : value == "m" ? module : no; }

/// Evaluates an expression by recursive descent: or, and, not, comparison, operand.
class Expression {
 public:
  Expression(std::string_view text, const std::map<std::string, std::string>& config) : text_(text), config_(config) {}
  int value() {
    int result = both();
    while (take("||")) result = std::max(result, both());
    return result;
  }

 private:
  int both() {
    int result = negated();
    while (take("&&")) result = std::min(result, negated());
    return result;
  }
  int negated() {
    constexpr int most_nested = 100;  // real ones have about five; a damaged file must not exhaust the stack
    if (nested_ > most_nested) return no;
    if (take_not()) {
      ++nested_;
      const int inner = negated();
      --nested_;
      return yes - inner;
    }
    if (take("(")) {
      ++nested_;
      const int inner = value();
      --nested_;
      take(")");
      return inner;
    }
    const std::string left = operand();
    for (const std::string_view op : {"!=", "=", "<=", ">=", "<", ">"})
      if (take(op)) return compares(left, op, operand()) ? yes : no;
    return tristate_of(left);
  }
  static bool compares(const std::string& left, std::string_view op, const std::string& right) {
    if (op == "=") return left == right;
    if (op == "!=") return left != right;
    const auto number = [](const std::string& text) { return std::strtoll(text.c_str(), nullptr, 0); };
    const long long a = number(left), b = number(right);
    return op == "<" ? a < b : op == ">" ? a > b : op == "<=" ? a <= b : a >= b;
  }
  /// The value of a symbol or of a constant. Always moves on, so that no text is read forever.
  std::string operand() {
    skip_space();
    if (at_ == text_.size()) return "n";
    if (text_[at_] == '"' || text_[at_] == '\'') {
      const std::size_t begin = at_ + 1, end = std::min(text_.find(text_[at_], begin), text_.size());
      at_ = std::min(end + 1, text_.size());
      return std::string(text_.substr(begin, end - begin));
    }
    if (text_.substr(at_).starts_with("$(")) {
      int depth = 0;
      do {
        depth += text_[at_] == '(' ? 1 : text_[at_] == ')' ? -1 : 0;
      } while (++at_ < text_.size() && (depth > 0 || text_[at_ - 1] == '$'));
      return "y";
    }
    const std::size_t begin = at_++;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    const std::string name(text_.substr(begin, at_ - begin));
    if (name == "y" || name == "m" || name == "n" || name.starts_with("0x")) return name;
    if (std::none_of(name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c); })) return name;
    const auto found = config_.find("CONFIG_" + name);
    if (found == config_.end()) return "n";
    const std::string& value = found->second;
    const bool quoted = value.size() >= 2 && value.front() == '"';
    return quoted ? value.substr(1, value.size() - 2) : value;
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool take_not() {
    skip_space();
    return !text_.substr(at_).starts_with("!=") && take("!");
  }

  std::string_view text_;
  const std::map<std::string, std::string>& config_;
  std::size_t at_ = 0;
  int nested_ = 0;
};

}  // namespace

int evaluate_kconfig(const std::string& expression, const std::map<std::string, std::string>& config) {
  return trim(expression).empty() ? yes : Expression(expression, config).value();
}

std::string annotate_dependency(const std::string& expression, const std::map<std::string, std::string>& config) {
  std::string result;
  for (std::size_t i = 0; i < expression.size();) {
    const auto is_name = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
    if (expression[i] == '"') {  // a string, not a symbol
      const std::size_t close = std::min(expression.find('"', i + 1), expression.size() - 1);
      result += expression.substr(i, close + 1 - i);
      i = close + 1;
      continue;
    }
    if (!is_name(expression[i])) {
      result += expression[i++];
      continue;
    }
    std::size_t end = i;
    while (end < expression.size() && is_name(expression[end])) ++end;
    const std::string name = expression.substr(i, end - i);
    result += name;
    // Symbols have upper-case letters and may begin with a digit (64BIT); y, m, n and numbers are constants.
    if (!name.starts_with("0x") &&
        std::any_of(name.begin(), name.end(), [](unsigned char c) { return std::isupper(c); })) {
      const auto found = config.find("CONFIG_" + name);
      result += fmt::format(" (={})", found == config.end() ? "n" : found->second);
    }
    i = end;
  }
  return result;
}

}  // namespace k8simg
