// Tests debian.toml: its values, and errors for mistakes.
#include "rootfs/debian.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::rootfs;

namespace {

/// The mistakes after `from`, which must exist, is replaced by `to`.
std::string mistakes_with(const std::string& from, const std::string& to) {
  const std::string text = read_file(std::filesystem::path(K8SIMG_SOURCE_DIR) / "src/rootfs/debian.toml"),
                    changed = replace_all(text, from, to);
  REQUIRE(changed != text);
  try {
    read_debian(changed);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const DefaultPath& path_of(const std::vector<DefaultPath>& paths, const std::string& path) {
  const auto found =
      std::find_if(paths.begin(), paths.end(), [&](const DefaultPath& each) { return each.path == path; });
  REQUIRE(found != paths.end());
  return *found;
}

}  // namespace

TEST_CASE("the numbers of accounts are those of earlier images") {
  const auto& numbers = debian().account_numbers;
  CHECK(numbers.at("_rpc") == 100);
  CHECK(numbers.at("nut") == 120);
  CHECK(numbers.at("systemd-journal") == 130);
  CHECK(numbers.at("etcd") == 148);
  CHECK(numbers.at("containerd") == 149);
  std::set<std::uint32_t> different;
  for (const auto& [name, number] : numbers) different.insert(number);
  CHECK(different.size() == numbers.size());
}

TEST_CASE("paths have modes, also where the table does not say them") {
  const auto& folders = debian().base_files.folders;
  CHECK(folders.front().path == "boot");
  CHECK(path_of(folders, "usr/local/share/man").mode == 0755);
  CHECK(path_of(folders, "var/tmp").mode == 01777);
  CHECK(path_of(folders, "root").mode == 0700);
  CHECK(path_of(folders, "var/mail").mode == 02775);
  CHECK(path_of(folders, "var/mail").gid == 8);
  CHECK(path_of(debian().base_files.files, "var/log/btmp").mode == 0660);
  CHECK(path_of(debian().default_files.files, "etc/networks").mode == 0644);
  CHECK(path_of(debian().base_files.links, "var/run").replaces_folder);
  CHECK_FALSE(path_of(debian().base_files.links, "etc/mtab").replaces_folder);
  // A folder comes before its contents, which would otherwise create it with another mode.
  for (auto folder = folders.begin(); folder != folders.end(); ++folder)
    for (auto later = folder; later != folders.end(); ++later) CHECK_FALSE(folder->path.starts_with(later->path + "/"));
}

TEST_CASE("an owner is root unless the table says otherwise") {
  for (const auto& owner : debian().owners) {
    INFO(owner.path);
    CHECK(owner.mode != 0);
    CHECK_FALSE(owner.user.empty());
    // dpkg's file has both.
    if (!owner.statoverride.empty()) CHECK_FALSE(owner.group.empty());
  }
}

TEST_CASE("a mistake in the table is named with its line") {
  CHECK(mistakes_with("statd = 101\n", "statd = 100\n") ==
        "src/rootfs/debian.toml:9:9: statd has the number 100 of _rpc");
  CHECK(mistakes_with("statd = 101\n", "statd = 99\n") ==
        "src/rootfs/debian.toml:9:9: accounts.numbers.statd must be from 100 to 999, not 99");
  CHECK(holds(mistakes_with("statd = 101\n", "statd = \"101\"\n"), "must be a whole number, not a string"));
  CHECK(holds(mistakes_with("[pam]\nfiles", "[pam]\nfile"), "unknown key pam.file (did you mean \"files\"?)"));
  CHECK(holds(mistakes_with("[pam]\nfiles", "[pam]\nfile"), "pam.files is missing"));
  CHECK(holds(mistakes_with("mode = \"2775\"", "mode = \"rwx\""),
              "base-files.folder.\"var/mail\".mode must be a mode of four octal digits"));
  CHECK(holds(mistakes_with("path = \"var/mail\"", "path = \"/var/mail\""), "must be a relative path"));
  CHECK(holds(mistakes_with("path = \"var/mail\"", "path = \"var/tmp\""), "\"var/tmp\" is defined twice"));
  CHECK(holds(mistakes_with("target = \"share/man\"\n", ""), "base-files.link.\"usr/local/man\".target is missing"));
  CHECK(holds(mistakes_with("target = \"share/man\"", "content = \"x\""), "unknown key base-files.link"));
  CHECK(holds(mistakes_with("package = \"libnss-systemd\"", "package = \"Libnss\""), "name of a Debian package"));
  CHECK(holds(mistakes_with("[usr-merge]", "[usr-merge"), "src/rootfs/debian.toml:"));
}
