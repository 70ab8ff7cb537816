// Analyses maintainer scripts: recognises debhelper's blocks, and normalises and hashes the remainder.
#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

#include "rootfs/rootfs.hpp"
#include "rootfs/shell_words.hpp"
#include "util/digest.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using rootfs::shell_words;

constexpr std::string_view begin_marker = "# Automatically added by ";
constexpr std::string_view end_marker = "# End automatically added section";

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The delimiter of a here-document that begins on this line, otherwise nullopt. `strips_tabs`: "<<-".
std::optional<std::string> here_document(std::string_view line, bool& strips_tabs) {
  for (auto at = line.find("<<"); at != line.npos; at = line.find("<<", at + 2)) {
    auto rest = line.substr(at + 2);
    if (rest.starts_with('<')) {  // a here-string
      at += 1;
      continue;
    }
    strips_tabs = rest.starts_with('-');
    if (strips_tabs) rest.remove_prefix(1);
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
    const bool quoted = !rest.empty() && (rest.front() == '\'' || rest.front() == '"' || rest.front() == '\\');
    if (quoted) rest.remove_prefix(1);
    std::size_t length = 0;
    while (length < rest.size() && (std::isalnum(static_cast<unsigned char>(rest[length])) || rest[length] == '_'))
      ++length;
    // `$((1 << 2))` is arithmetic; a delimiter does not begin with a digit.
    if (length == 0 || std::isdigit(static_cast<unsigned char>(rest.front()))) continue;
    return std::string(rest.substr(0, length));
  }
  return std::nullopt;
}

bool scaffolding(const std::vector<std::string>& words, std::string_view line) {
  if (words.empty() || line.starts_with('#')) return true;
  if (is_one_of(words[0], {"if", "elif"})) {
    return words.size() > 1 && (is_one_of(words[1], {"[", "test", "command", "!"}) || words[1] == "deb-systemd-helper");
  }
  return is_one_of(words[0], {"else", "fi", "then", "set"}) || words[0].starts_with("_dh_action=");
}

struct Command {
  std::string kind;
  std::vector<std::string> arguments;
};

std::vector<std::string> names_only(const std::vector<std::string>& words, std::size_t first) {
  std::vector<std::string> names;
  for (auto i = first; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word == "||" || word == "&&" || word.starts_with('>') || word.starts_with("2>")) break;
    if (!word.starts_with('-') && !word.starts_with('$')) names.push_back(word);
  }
  return names;
}

/// The meaning of a command in a debhelper block; nullopt if debhelper does not write such a command.
std::optional<Command> recognise(const std::vector<std::string>& words) {
  const auto& program = words[0];
  if (program == "deb-systemd-helper") {
    const bool user = std::find(words.begin(), words.end(), "--user") != words.end();
    auto names = names_only(words, 1);
    if (names.empty()) return std::nullopt;
    const auto verb = names.front();
    names.erase(names.begin());
    if (verb == "enable") return Command{user ? "enable-user" : "enable", names};
    if (is_one_of(verb, {"unmask", "update-state", "purge", "disable"})) return Command{"unit-state", names};
    return std::nullopt;
  }
  if (program == "systemctl" && std::find(words.begin(), words.end(), "daemon-reload") != words.end())
    return Command{"service", {}};
  if (is_one_of(program, {"deb-systemd-invoke", "invoke-rc.d"})) return Command{"service", {}};
  if (program == "systemd-sysusers") return Command{"sysusers", names_only(words, 1)};
  if (program == "systemd-tmpfiles") return Command{"tmpfiles", names_only(words, 1)};
  if (program == "update-rc.d") return Command{"sysv", names_only(words, 1)};
  if (program == "chmod" && words.size() > 2 && words[2].starts_with("/etc/init.d/")) return Command{"sysv", {}};
  if (program == "dpkg-maintscript-helper") return Command{"conffile", names_only(words, 1)};
  if (program == "update-alternatives") return Command{"alternatives", names_only(words, 1)};
  if (program == "ldconfig") return Command{"ldconfig", {}};
  if (program == "dpkg-trigger") return Command{"triggers", names_only(words, 1)};
  if (is_one_of(program, {"py3compile", "pycompile", "pypy3compile"})) return Command{"py3compile", {}};
  if (program == "update-menus") return Command{"menu", {}};
  if (is_one_of(program, {"ucf", "ucfr"})) return Command{"ucf", names_only(words, 1)};
  return std::nullopt;
}

/// Lines of a block for runit, which is never the init system of an image.
bool is_runit(const std::vector<std::string>& words) {
  return words[0] == "echo" ||
         (words[0].starts_with("NAME=") && words.size() > 3 && words[3].ends_with("/runit-helper"));
}

/// The meaning of a block; nullopt if debhelper does not write one of its lines.
std::optional<std::vector<ScriptBlock>> recognise_block(const std::string& tool,
                                                        const std::vector<std::string>& lines) {
  std::vector<ScriptBlock> blocks;
  const auto found = [&](const std::string& kind) -> ScriptBlock& {
    const auto known =
        std::find_if(blocks.begin(), blocks.end(), [&](const ScriptBlock& block) { return block.kind == kind; });
    return known != blocks.end() ? *known : blocks.emplace_back(ScriptBlock{kind, tool, {}});
  };
  bool only_updates =
      false;  // "debian-installed": units that a new installation does not enable (dh_installsystemd --no-enable)
  std::string command;
  for (const auto& line : lines) {
    command += command.empty() ? line : ' ' + line;
    if (command.ends_with('\\')) {
      command.pop_back();
      continue;
    }
    const auto words = shell_words(command);
    const std::string whole(trim(command));
    command.clear();
    if (whole.find("debian-installed") != whole.npos) only_updates = true;
    if (scaffolding(words, whole)) continue;
    if (tool.starts_with("dh_runit/") && is_runit(words)) {
      found("runit");
      continue;
    }
    const auto recognised = recognise(words);
    if (!recognised) return std::nullopt;
    auto kind = recognised->kind;
    if (only_updates && (kind == "enable" || kind == "enable-user")) kind = "unit-state";
    auto& block = found(kind);
    for (const auto& argument : recognised->arguments) {
      if (kind != "enable" && kind != "enable-user" && kind != "unit-state") {
        block.units.push_back(argument);
      } else if (std::find(block.units.begin(), block.units.end(), argument) == block.units.end()) {
        block.units.push_back(argument);
      }
    }
  }
  return blocks;
}

class Normaliser {
 public:
  void line(std::string_view raw) {
    if (!delimiter_.empty()) {  // comments in a here-document are content
      keep(raw);
      auto candidate = raw;
      if (strips_tabs_) candidate.remove_prefix(std::min(candidate.find_first_not_of('\t'), candidate.size()));
      if (candidate == delimiter_) delimiter_.clear();
      return;
    }
    const auto text = trim(raw);
    if (text.empty() || text.starts_with('#') || text == "set -e" || text == "exit 0" || text == "exit 0;") return;
    std::string_view shown = raw;
    while (!shown.empty() && std::isspace(static_cast<unsigned char>(shown.back()))) shown.remove_suffix(1);
    keep(shown);
    if (auto delimiter = here_document(text, strips_tabs_)) delimiter_ = *delimiter;
  }
  bool in_document() const { return !delimiter_.empty(); }
  std::string take() { return std::move(text_); }

 private:
  void keep(std::string_view line) { text_.append(line).append("\n"); }
  std::string text_, delimiter_;
  bool strips_tabs_ = false;
};

}  // namespace

ScriptAnalysis analyse_script(std::string_view text, const std::string& package, const std::string& script) {
  (void)package, (void)script;
  ScriptAnalysis analysis;
  Normaliser remainder;
  const auto lines = split(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto line = trim(lines[i]);
    if (!remainder.in_document() && line.starts_with(begin_marker)) {
      const auto end = std::find_if(lines.begin() + static_cast<std::ptrdiff_t>(i), lines.end(),
                                    [](const std::string& each) { return trim(each) == end_marker; });
      if (end != lines.end()) {
        const auto last = static_cast<std::size_t>(end - lines.begin());
        const std::vector<std::string> body(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1, end);
        if (auto blocks = recognise_block(std::string(line.substr(begin_marker.size())), body)) {
          analysis.blocks.insert(analysis.blocks.end(), blocks->begin(), blocks->end());
          i = last;
          continue;
        }
      }
    }
    remainder.line(lines[i]);
  }
  analysis.remainder = remainder.take();
  // The tuples of Debian's release architectures (dpkg-architecture -L). A longer one comes before its prefix.
  for (const char* tuple : {"aarch64-linux-gnu", "arm-linux-gnueabihf", "arm-linux-gnueabi", "i386-linux-gnu",
                            "powerpc64le-linux-gnu", "riscv64-linux-gnu", "s390x-linux-gnu", "x86_64-linux-gnu"}) {
    analysis.remainder = replace_all(analysis.remainder, tuple, "MULTIARCH");
  }
  if (!analysis.remainder.empty()) analysis.remainder_sha256 = sha256(analysis.remainder).hex();
  return analysis;
}

}  // namespace k8simg
