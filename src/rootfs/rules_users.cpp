// Rule users: the accounts of [[user]], after packages and their scripts have made theirs. Formats: passwd(5),
// shadow(5), group(5), gshadow(5), subuid(5).
#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

constexpr int first_uid = 1000;
constexpr int first_subordinate = 100000, subordinates = 65536;  // as useradd(8)

/// A file of lines with fields between colons; the first field is the name. Its owner and mode stay.
class AccountFile {
 public:
  AccountFile(Assembly& assembly, std::string path) : assembly_(assembly), path_(std::move(path)) {
    for (const auto& line : split(assembly.text(path_), '\n'))
      if (!line.empty()) rows_.push_back(split(line, ':'));
  }

  std::vector<std::string>* find(const std::string& name) {
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const auto& row) { return row[0] == name; });
    return found == rows_.end() ? nullptr : &*found;
  }
  /// The field of the row, which is made if the row is shorter.
  std::string& field(const std::string& name, std::size_t index) {
    auto* row = find(name);
    if (row == nullptr) row = &rows_.emplace_back(1, name);
    if (row->size() <= index) row->resize(index + 1);
    return (*row)[index];
  }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool has_number(int number) const {
    return std::any_of(rows_.begin(), rows_.end(),
                       [&](const auto& row) { return row.size() > 2 && row[2] == std::to_string(number); });
  }

  void write() const {
    std::string text;
    for (const auto& row : rows_) text += join(row, ":") + "\n";
    if (assembly_.from_layer(path_))
      throw Error(ErrorKind::Usage,
                  fmt::format("/{} is from the {}, so [[user]] cannot add accounts", path_,
                              assembly_.tree.find(path_)->origin.text()),
                  "Remove the file from the overlay, or describe all accounts there.");
    const Node* node = assembly_.tree.find(path_);
    assembly_.file("users", path_, text, node ? node->mode : 0644, node ? node->uid : 0, node ? node->gid : 0);
  }

 private:
  Assembly& assembly_;
  std::string path_;
  std::vector<std::vector<std::string>> rows_;
};

class Users {
 public:
  explicit Users(Assembly& assembly)
      : assembly_(assembly),
        passwd_(assembly, "etc/passwd"),
        shadow_(assembly, "etc/shadow"),
        group_(assembly, "etc/group"),
        gshadow_(assembly, "etc/gshadow"),
        subuid_(assembly, "etc/subuid"),
        subgid_(assembly, "etc/subgid") {}

  void add_all() {
    // Given numbers are taken before others are chosen.
    for (const auto& user : assembly_.options.users)
      if (user.uid != 0) given_.insert(user.uid);
    for (const auto& user : assembly_.options.users) {
      const bool is_new = passwd_.find(user.name) == nullptr;
      is_new ? add(user) : change(user);
      for (const auto& name : user.groups) join_group(user, name);
      if (!user.password_hash.empty()) shadow_.field(user.name, 1) = user.password_hash;
      write_home(user, is_new);
    }
    for (const AccountFile* file : {&passwd_, &shadow_, &group_, &gshadow_, &subuid_, &subgid_}) file->write();
  }

 private:
  [[noreturn]] static void fail(const AccountConfig& user, const std::string& what, const std::string& hint) {
    throw Error(ErrorKind::Usage, fmt::format("user {}: {}", user.name, what), hint).about_setting("user", user.name);
  }

  int number_for(const AccountConfig& user) const {
    const auto taken = [&](int number) { return passwd_.has_number(number) || group_.has_number(number); };
    if (user.uid != 0) {
      if (taken(user.uid)) fail(user, fmt::format("the number {} is taken", user.uid), "Choose another uid.");
      return user.uid;
    }
    int number = first_uid;
    while (taken(number) || given_.contains(number)) ++number;
    return number;
  }

  std::string shell_of(const AccountConfig& user) const {
    if (user.shell.empty()) return assembly_.exists("usr/bin/bash") ? "/bin/bash" : "/bin/sh";
    if (!assembly_.exists(relative(user.shell)))
      fail(user, fmt::format("the shell {} is not in the root filesystem", user.shell),
           "Add its package to packages.install.");
    return user.shell;
  }

  void add(const AccountConfig& user) {
    if (group_.find(user.name) != nullptr)
      fail(user, "there is a group of this name already", "Choose another name; to join the group, use `groups`.");
    const std::string number = std::to_string(number_for(user));
    const std::string day = std::to_string(assembly_.options.source_date_epoch / 86400);
    passwd_.add({user.name, "x", number, number, user.comment, "/home/" + user.name, shell_of(user)});
    // "*": no password, but keys work. sshd refuses the keys of an account with "!".
    shadow_.add({user.name, "*", day, "0", "99999", "7", "", "", ""});
    group_.add({user.name, "x", number, ""});
    gshadow_.add({user.name, "*", "", ""});
    const std::string range = std::to_string(first_subordinate + added_++ * subordinates);
    for (AccountFile* file : {&subuid_, &subgid_}) file->add({user.name, range, std::to_string(subordinates)});
  }

  void change(const AccountConfig& user) {
    if (user.uid != 0 && passwd_.field(user.name, 2) != std::to_string(user.uid))
      fail(user, fmt::format("the account is there already, with the number {}", passwd_.field(user.name, 2)),
           "Remove uid, or choose another name.");
    if (!user.comment.empty()) passwd_.field(user.name, 4) = user.comment;
    if (!user.shell.empty()) passwd_.field(user.name, 6) = shell_of(user);
  }

  void join_group(const AccountConfig& user, const std::string& name) {
    if (group_.find(name) == nullptr)
      fail(user, fmt::format("the root filesystem has no group {}", name),
           "Add the package that makes it, or correct the name.");
    for (AccountFile* file : {&group_, &gshadow_}) {
      std::string& members = file->field(name, 3);
      const auto list = split(members, ',');
      if (std::find(list.begin(), list.end(), user.name) == list.end())
        members += (members.empty() ? "" : ",") + user.name;
    }
  }

  void write_home(const AccountConfig& user, bool is_new) {
    const std::string home = relative(passwd_.field(user.name, 5));
    const auto number = [&](std::size_t index) {
      return static_cast<std::uint32_t>(std::stoul(passwd_.field(user.name, index)));
    };
    const std::uint32_t uid = number(2), gid = number(3);
    if (is_new) {
      assembly_.folder_if_absent("users", home, 0700, uid, gid);
      const std::string skeleton = "etc/skel/";
      std::vector<std::pair<std::string, Node>> copies;
      for (const auto& [path, node] : assembly_.tree.nodes())
        if (path.starts_with(skeleton)) copies.emplace_back(home + "/" + path.substr(skeleton.size()), node);
      for (const auto& [path, node] : copies) {
        if (assembly_.tree.find(path) != nullptr) continue;
        if (node.type == NodeType::Directory) assembly_.folder("users", path, node.mode, uid, gid);
        if (node.type == NodeType::Symlink) assembly_.link("users", path, node.target);
        if (node.type == NodeType::File)
          assembly_.file("users", path, assembly_.store.read(node.content), node.mode, uid, gid);
      }
    }
    if (user.authorized_keys.empty()) return;
    const std::string file = home + "/.ssh/authorized_keys";
    std::string keys = assembly_.text(file);
    if (!keys.empty() && !keys.ends_with('\n')) keys += '\n';
    if (assembly_.from_layer(file))
      fail(user, fmt::format("/{} is from the {}", file, assembly_.tree.find(file)->origin.text()),
           "Put all keys there, or remove the file from the overlay.");
    assembly_.folder_if_absent("users", home + "/.ssh", 0700, uid, gid);
    assembly_.file("users", file, keys + join(user.authorized_keys, "\n") + "\n", 0600, uid, gid);
  }

  Assembly& assembly_;
  AccountFile passwd_, shadow_, group_, gshadow_, subuid_, subgid_;
  std::set<int> given_;
  int added_ = 0;
};

}  // namespace

void users(Assembly& assembly) {
  if (!assembly.options.users.empty()) Users(assembly).add_all();
}

}  // namespace k8simg::rootfs
