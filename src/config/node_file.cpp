// Reads node.toml statement by statement, so that one run finds all mistakes, and checks it by the rules of each role.
// components/kubernetes/node/nodefile/nodefile.go does the same on the device, with the same schema.
#include "config/node_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/node_schema.hpp"
#include "toml/document.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

using namespace config;
using namespace toml;
using Replacements = std::vector<std::pair<std::string, std::string>>;

constexpr const char* blank = " \t";

struct Entry {
  int line = 0;
  bool good = false;  ///< passed its checks
};

struct Statement {
  Member member;
  std::size_t lines = 0;
};

class NodeReader {
 public:
  explicit NodeReader(const std::string& file) : file_(file) {}

  NodeFile read(std::string_view text) {
    if (text.size() > schema_.bytes) {
      add(1, "", "too-large", {{"{bytes}", std::to_string(text.size())}, {"{most}", std::to_string(schema_.bytes)}});
    } else if (text.find('\0') != std::string_view::npos) {
      add(1, "", "not-text");
    } else {
      read_statements(text);
      check_role();
      check_networks();
    }
    if (!mistakes_.empty()) throw Error(ErrorKind::Usage, join(mistakes_, "\n"));
    return node_;
  }

 private:
  void tell(int line, const std::string& key, const std::string& text) {
    mistakes_.push_back(fmt::format("{}:{}: {}{}{}", file_, line, key, key.empty() ? "" : ": ", text));
  }

  void add(int line, const std::string& key, const std::string& message, const Replacements& replacements = {}) {
    std::string text = schema_.messages.at(message);
    for (const auto& [from, to] : replacements) text = replace_all(text, from, to);
    tell(line, key, text);
  }

  /// After a line that is not valid TOML, parsing continues at the next line.
  void read_statements(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    auto lines = split(text, '\n');
    std::vector<bool> bad(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].ends_with('\r')) lines[i].pop_back();
      const bool control = holds_control(lines[i]);
      if (control || !valid_utf8(lines[i])) {
        add(static_cast<int>(i) + 1, "", control ? "control" : "not-utf8");
        bad[i] = true;
      }
    }
    bool in_table = false;
    for (std::size_t i = 0; i < lines.size();) {
      const auto start = lines[i].find_first_not_of(blank);
      if (bad[i] || start == std::string::npos || lines[i][start] == '#') {
        if (!bad[i] && lines[i].starts_with(schema_.token_removed)) node_.token_removed = true;
        ++i;
        continue;
      }
      const bool header = lines[i][start] == '[';
      std::string wrong;
      const auto statement = parse_statement(lines, bad, i, header, wrong);
      if (!statement)
        add(static_cast<int>(i) + 1, "", "syntax", {{"{parser}", wrong}});
      else if (header || !in_table)
        read_key(static_cast<int>(i) + 1, statement->member);
      in_table = in_table || header;
      i += statement ? statement->lines : 1;
    }
  }

  /// Parses the statement that begins at line `first`, with as many lines as it needs.
  std::optional<Statement> parse_statement(const std::vector<std::string>& lines, const std::vector<bool>& bad,
                                           std::size_t first, bool header, std::string& wrong) const {
    std::string text = "\n";  // after a newline, toml++ does not accept a byte order mark
    const std::size_t most = header ? 1 : schema_.value_lines;
    for (std::size_t count = 1; count <= most && first + count <= lines.size() && !bad[first + count - 1]; ++count) {
      if (count > 1) text += '\n';
      text += lines[first + count - 1];
      Diagnostics diagnostics;
      auto document = parse_document(text, "", diagnostics);
      if (document && document->members.size() == 1) return Statement{std::move(document->members.front()), count};
      if (wrong.empty() && !diagnostics.empty()) {
        const auto& said = diagnostics.lines().front();  // ":LINE:COLUMN: what"
        wrong = replace_all(said.substr(said.find(": ") + 2), "\n", " ");
      }
    }
    if (wrong.empty()) wrong = "a line holds one key";
    return std::nullopt;
  }

  std::string type_name(const Value& value) const {
    switch (value.kind) {
      case Kind::Integer:
        return schema_.types.at("integer");
      case Kind::Boolean:
        return schema_.types.at("boolean");
      case Kind::Array:
        return schema_.types.at("list");
      case Kind::Table:
        return schema_.types.at("table");
      case Kind::String:
      case Kind::Other:
        break;
    }
    return schema_.types.at(std::string_view(value.other) == "a number with a fraction" ? "float" : "date");
  }

  void read_key(int line, const Member& member) {
    const std::string shown = bare_key(member.key) ? member.key : quote(member.key);
    if (const auto first = entries_.find(member.key); first != entries_.end()) {
      add(line, shown, "twice", {{"{line}", std::to_string(first->second.line)}});
      return;
    }
    Entry& entry = entries_[member.key] = {line, false};
    const NodeKey* key = schema_.find(member.key);
    if (!key) {
      std::vector<std::string> names;
      for (const auto& each : schema_.keys) names.push_back(each.name);
      add(line, shown, "unknown", {{"{keys}", join(names, ", ")}});
      return;
    }
    if (member.value.kind != Kind::String) {
      add(line, shown, "type", {{"{type}", type_name(member.value)}});
      return;
    }
    const auto failed = std::find_if(key->checks.begin(), key->checks.end(),
                                     [&](const NodeCheck& check) { return !passes(check, member.value.text); });
    if (failed != key->checks.end()) {
      tell(line, shown, replace_all(failed->message, "{value}", quote(member.value.text)));
      return;
    }
    entry.good = true;
    target(member.key) = member.value.text;
  }

  std::string& target(const std::string& key) {
    const std::map<std::string_view, std::string*> targets{{"role", &node_.role},
                                                           {"hostname", &node_.hostname},
                                                           {"server", &node_.server},
                                                           {"token", &node_.token},
                                                           {"ca-cert-hash", &node_.ca_cert_hash},
                                                           {"pod-network", &node_.pod_network},
                                                           {"service-network", &node_.service_network},
                                                           {"address", &node_.address},
                                                           {"ntp", &node_.ntp},
                                                           {"ssh-key", &node_.ssh_key}};
    return *targets.at(key);
  }

  int line_of(const std::string& key) const { return entries_.at(key).line; }
  bool good(const std::string& key) const { return entries_.contains(key) && entries_.at(key).good; }

  /// Checks that the role's required keys are set, and that no key is set that the role does not use. Missing keys are
  /// reported only if there is no other mistake, because a key may be in a line that could not be parsed.
  void check_role() {
    if (!entries_.contains("role")) {
      if (mistakes_.empty()) add(1, "role", "role-missing");
      return;
    }
    if (!good("role")) return;
    const auto has_role = [&](const std::vector<std::string>& roles) {
      return std::find(roles.begin(), roles.end(), node_.role) != roles.end();
    };
    for (const auto& key : schema_.keys) {
      if (entries_.contains(key.name) && !key.roles.empty() && !has_role(key.roles))
        add(line_of(key.name), key.name, "no-meaning", {{"{role}", node_.role}, {"{roles}", join(key.roles, ", ")}});
    }
    if (!mistakes_.empty()) return;
    for (const auto& key : schema_.keys) {
      if (entries_.contains(key.name) || !has_role(key.required) || (key.name == "token" && node_.token_removed))
        continue;
      add(line_of("role"), key.name, "missing", {{"{role}", node_.role}});
    }
  }

  void check_networks() {
    const auto value = [&](const std::string& key) { return good(key) ? target(key) : schema_.find(key)->fallback; };
    const std::string pods = value("pod-network"), services = value("service-network");
    if (node_.role != "standalone" && networks_overlap(pods, services)) {
      if (good("service-network"))
        add(line_of("service-network"), "service-network", "overlaps-pods", {{"{network}", pods}});
      else if (good("pod-network"))
        add(line_of("pod-network"), "pod-network", "overlaps-services", {{"{network}", services}});
    }
    if (node_.role == "control-plane" && network_bits(pods) > 23)
      add(line_of("pod-network"), "pod-network", "one-machine", {{"{value}", quote(pods)}});
    if (node_.address.empty() || node_.role == "worker") return;
    if (networks_overlap(pods, node_.address)) add(line_of("address"), "address", "in-pods", {{"{network}", pods}});
    if (node_.role != "standalone" && networks_overlap(services, node_.address))
      add(line_of("address"), "address", "in-services", {{"{network}", services}});
  }

  const std::string& file_;
  const NodeSchema& schema_ = node_schema();
  NodeFile node_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> mistakes_;
};

}  // namespace

NodeFile read_node_file(std::string_view text, const std::string& file) { return NodeReader(file).read(text); }

}  // namespace k8simg
