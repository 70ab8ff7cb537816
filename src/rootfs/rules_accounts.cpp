// Rule accounts: users and groups of base-passwd's masters, sysusers.d and calls of adduser, with numbers that do not
// depend on the order of packages. Formats: passwd(5), group(5), shadow(5), gshadow(5), sysusers.d(5).
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "rootfs/debian.hpp"
#include "rootfs/rules.hpp"
#include "rootfs/shell_words.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

constexpr std::uint32_t nogroup = 65534;

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Accounts {
 public:
  explicit Accounts(Assembly& assembly) : assembly_(assembly) {}

  bool has_user(std::string_view name) const {
    return std::any_of(assembly_.users.begin(), assembly_.users.end(),
                       [&](const User& user) { return user.name == name; });
  }
  Group* group(std::string_view name) {
    const auto found = std::find_if(assembly_.groups.begin(), assembly_.groups.end(),
                                    [&](const Group& each) { return each.name == name; });
    return found == assembly_.groups.end() ? nullptr : &*found;
  }

  /// The number that is set aside for the name, or one that is derived from it.
  std::uint32_t number_of(const std::string& name) {
    if (const auto fixed = fixed_number(name)) return *fixed;
    if (const auto* known = group(name)) return known->gid;
    return derived_number(name, [&](std::uint32_t number) {
      const auto& reserved = debian().account_numbers;
      return std::any_of(reserved.begin(), reserved.end(), [&](const auto& each) { return each.second == number; }) ||
             std::any_of(assembly_.users.begin(), assembly_.users.end(),
                         [&](const User& user) { return user.uid == number && user.name != name; }) ||
             std::any_of(assembly_.groups.begin(), assembly_.groups.end(),
                         [&](const Group& each) { return each.gid == number && each.name != name; });
    });
  }

  void add_group(const std::string& name, std::optional<std::uint32_t> gid) {
    if (group(name) != nullptr) return;
    assembly_.groups.push_back({name, gid ? *gid : number_of(name), {}});
  }

  void add_user(User user, std::optional<std::uint32_t> uid) {
    if (has_user(user.name)) return;
    user.uid = uid ? *uid : number_of(user.name);
    assembly_.users.push_back(std::move(user));
  }

 private:
  Assembly& assembly_;
};

void read_masters(Assembly& assembly) {
  for (const auto& line : split(assembly.text("usr/share/base-passwd/passwd.master"), '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 7) continue;
    assembly.users.push_back({fields[0], number(fields[2]).value_or(nogroup), number(fields[3]).value_or(nogroup),
                              fields[4], fields[5], fields[6], "*", true, false});
  }
  for (const auto& line : split(assembly.text("usr/share/base-passwd/group.master"), '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    assembly.groups.push_back({fields[0], number(fields[2]).value_or(nogroup), {}});
  }
  if (assembly.users.empty())
    throw Error(ErrorKind::Usage, "no package has the accounts that every system needs",
                "Add base-passwd to the defconfig's packages.");
}

struct Line {
  std::vector<std::string> words;
  std::string source;
};

/// sysusers.d(5): a file in /etc replaces the file of the same name in /usr/lib. Files are sorted by name.
std::vector<Line> sysusers_lines(const Assembly& assembly) {
  std::map<std::string, std::string> files;
  for (const auto* folder : {"usr/lib/sysusers.d", "etc/sysusers.d"}) {
    for (const auto& path : assembly.tree.children(folder)) {
      if (path.ends_with(".conf")) files[path.substr(path.rfind('/') + 1)] = path;
    }
  }
  std::vector<Line> lines;
  for (const auto& [name, path] : files) {
    for (const auto& line : split(assembly.text(path), '\n')) {
      auto words = shell_words(line);
      if (words.size() >= 2) lines.push_back({std::move(words), "/" + path});
    }
  }
  return lines;
}

/// "N", "N:GROUP", "-:GROUP", "/path" (the number of that file's owner; packages do not use it), "-".
struct Identifier {
  std::optional<std::uint32_t> uid;
  std::string group;
};
Identifier identifier(const std::vector<std::string>& words) {
  if (words.size() < 3 || words[2] == "-") return {};
  const auto parts = split(words[2], ':');
  return {number(parts[0]), parts.size() > 1 ? parts[1] : std::string()};
}

std::string word_or(const std::vector<std::string>& words, std::size_t index, const std::string& otherwise) {
  return index < words.size() && words[index] != "-" && !words[index].empty() ? words[index] : otherwise;
}

void read_sysusers(Assembly& assembly, Accounts& accounts) {
  const auto lines = sysusers_lines(assembly);
  // A number takes precedence over "-" for the same name in another file, so that an overlay can set it.
  std::map<std::string, std::uint32_t> said;
  for (const auto& [words, source] : lines) {
    if (const auto id = identifier(words); id.uid) said.emplace(words[1], *id.uid);
  }
  const auto number_of = [&](const std::string& name) -> std::optional<std::uint32_t> {
    const auto found = said.find(name);
    return found == said.end() ? std::nullopt : std::optional(found->second);
  };
  for (const auto& [words, source] : lines) {
    if (words[0] == "g") accounts.add_group(words[1], number_of(words[1]));
  }
  for (const auto& [words, source] : lines) {
    if (words[0] != "u" && words[0] != "u!") continue;
    const auto& name = words[1];
    if (accounts.has_user(name)) continue;
    const auto id = identifier(words);
    User user{.name = name,
              .comment = word_or(words, 3, ""),
              .home = word_or(words, 4, "/"),
              .shell = word_or(words, 5, "/usr/sbin/nologin"),
              .password = "!*",
              .expired = words[0] == "u!"};
    if (const auto gid = number(id.group)) {
      user.gid = *gid;
    } else if (!id.group.empty()) {
      accounts.add_group(id.group, number_of(id.group));
      user.gid = accounts.group(id.group)->gid;
    } else {
      accounts.add_group(name, number_of(name));
      user.gid = accounts.group(name)->gid;
    }
    accounts.add_user(std::move(user), number_of(name));
  }
  for (const auto& [words, source] : lines) {
    if (words[0] != "m" || words.size() < 3) continue;
    accounts.add_group(words[2], number_of(words[2]));
    auto& members = accounts.group(words[2])->members;
    if (std::find(members.begin(), members.end(), words[1]) == members.end()) members.push_back(words[1]);
  }
}

/// adduser --system and addgroup --system as in adduser(8): group nogroup without --group, no shell, locked.
void read_adduser_calls(const Assembly& assembly, Accounts& accounts) {
  for (const auto& package : assembly.packages) {
    if (assembly.evaluates(package.name)) continue;  // the evaluation makes them
    const auto& script = package.postinst.remainder;
    for (const std::string program : {"addgroup", "adduser"}) {
      for (const auto& call : calls_of(script, program)) {
        User user{.home = "/nonexistent", .shell = "/usr/sbin/nologin", .password = "!"};
        bool system = false, own_group = program == "addgroup";
        std::string group_name;
        for (std::size_t i = 1; i < call.size(); ++i) {
          const auto value = [&] { return i + 1 < call.size() ? call[++i] : std::string(); };
          if (call[i] == "--system")
            system = true;
          else if (call[i] == "--group")
            own_group = true;
          else if (call[i] == "--home")
            user.home = value();
          else if (call[i] == "--shell")
            user.shell = value();
          else if (call[i] == "--gecos" || call[i] == "--comment")
            user.comment = value();
          else if (call[i] == "--ingroup")
            group_name = value();
          else if (call[i] == "--uid" || call[i] == "--gid")
            value();
          else if (!call[i].starts_with('-') && call[i].find('$') == std::string::npos && user.name.empty())
            user.name = call[i];
        }
        if (!system || user.name.empty()) continue;
        if (own_group) accounts.add_group(user.name, std::nullopt);
        if (program == "addgroup") continue;
        if (!group_name.empty()) accounts.add_group(group_name, std::nullopt);
        user.gid = own_group            ? accounts.group(user.name)->gid
                   : group_name.empty() ? nogroup
                                        : accounts.group(group_name)->gid;
        accounts.add_user(std::move(user), std::nullopt);
      }
    }
  }
}

void check_numbers(const Assembly& assembly) {
  std::map<std::uint32_t, std::string> seen;
  for (const auto& user : assembly.users) {
    const auto [place, fresh] = seen.emplace(user.uid, user.name);
    if (!fresh)
      throw Error(ErrorKind::Resolve,
                  fmt::format("the users {} and {} both have the number {}", place->second, user.name, user.uid),
                  "Give one of them another number in its sysusers.d file.");
  }
  seen.clear();
  for (const auto& group : assembly.groups) {
    const auto [place, fresh] = seen.emplace(group.gid, group.name);
    if (!fresh)
      throw Error(ErrorKind::Resolve,
                  fmt::format("the groups {} and {} both have the number {}", place->second, group.name, group.gid),
                  "Give one of them another number in its sysusers.d file.");
  }
}

}  // namespace

std::optional<std::uint32_t> fixed_number(std::string_view name) {
  const auto& reserved = debian().account_numbers;
  const auto found = reserved.find(std::string(name));
  return found == reserved.end() ? std::nullopt : std::optional(found->second);
}

std::uint32_t derived_number(std::string_view name, const std::function<bool(std::uint32_t)>& taken) {
  constexpr std::uint32_t first = 200, count = 700;
  const auto digest = sha256(name).hex();
  const auto start = static_cast<std::uint32_t>(std::stoul(digest.substr(0, 8), nullptr, 16)) % count;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto number = first + (start + i) % count;
    if (!taken(number)) return number;
  }
  throw Error(ErrorKind::Resolve, fmt::format("no number is left for the account {}", name));
}

void accounts(Assembly& assembly) {
  const std::string rule = "accounts";
  read_masters(assembly);
  Accounts accounts(assembly);
  read_sysusers(assembly, accounts);
  read_adduser_calls(assembly, accounts);
  check_numbers(assembly);
  // The order of the masters, then by number: adding or removing a package does not move other lines.
  std::stable_sort(assembly.users.begin(), assembly.users.end(),
                   [](const User& a, const User& b) { return a.aged != b.aged ? a.aged : !a.aged && a.uid < b.uid; });

  const auto day = assembly.options.source_date_epoch / 86400;
  std::string passwd, shadow, group, gshadow;
  for (const auto& user : assembly.users) {
    passwd += fmt::format("{}:x:{}:{}:{}:{}:{}\n", user.name, user.uid, user.gid, user.comment, user.home, user.shell);
    // No account has a password. root logs in with a key.
    shadow += fmt::format("{}:{}:{}:{}:{}:\n", user.name, user.password, day,
                          user.aged ? "0:99999:7" : "::", user.expired ? ":1" : ":");
  }
  std::stable_sort(assembly.groups.begin(), assembly.groups.end(), [](const Group& a, const Group& b) {
    const bool first = a.gid >= 100 && a.gid < 1000 && a.name != "users",
               second = b.gid >= 100 && b.gid < 1000 && b.name != "users";
    return first != second ? second : first && a.gid < b.gid;
  });
  for (const auto& each : assembly.groups) {
    group += fmt::format("{}:x:{}:{}\n", each.name, each.gid, join(each.members, ","));
    gshadow += fmt::format("{}:*::{}\n", each.name, join(each.members, ","));
  }
  const auto shadow_group = assembly.group("shadow").gid;
  assembly.file(rule, "etc/passwd", passwd);
  assembly.file(rule, "etc/group", group);
  assembly.file(rule, "etc/shadow", shadow, 0640, 0, shadow_group);
  assembly.file(rule, "etc/gshadow", gshadow, 0640, 0, shadow_group);
  assembly.file_if_absent(rule, "etc/subuid", "");
  assembly.file_if_absent(rule, "etc/subgid", "");
}

}  // namespace k8simg::rootfs
