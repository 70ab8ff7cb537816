// Reads debian.toml, strictly: a key that is unknown or missing is a mistake.
#include "rootfs/debian.hpp"

#include <fmt/format.h>

#include <utility>

#include "toml/schema.hpp"
#include "toml/value_checks.hpp"

namespace k8simg {
std::string_view debian_text();  // made by util/embed.cmake
}

namespace k8simg::rootfs {

namespace {

constexpr const char* debian_file = "src/rootfs/debian.toml";

toml::Field whole_number(const std::string& key, std::uint32_t& target, int least, int most) {
  return {key,
          [=, &target](toml::Reader& reader, const std::string& path, const toml::Member& member) {
            int value = static_cast<int>(target);
            toml::number(key, value, least, most).read(reader, path, member);
            target = static_cast<std::uint32_t>(value);
          },
          {}};
}

/// NAME = NUMBER, each number once.
toml::Field account_numbers(std::map<std::string, std::uint32_t>& target) {
  return {"numbers",
          [&target](toml::Reader& reader, const std::string& path, const toml::Member& member) {
            if (!reader.expect(toml::Kind::Table, "a table", path, member.value)) return;
            std::map<std::uint32_t, std::string> names;
            for (const auto& entry : member.value.members) {
              auto& number = target[entry.key];
              whole_number(entry.key, number, 100, 999).read(reader, toml::join_key(path, entry.key), entry);
              const auto [other, fresh] = names.emplace(number, entry.key);
              if (!fresh && number != 0)
                reader.diagnostics().add(entry.value.position,
                                         fmt::format("{} has the number {} of {}", entry.key, number, other->second));
            }
          },
          {}};
}

enum class PathKind { Folder, Link, File };

toml::Field default_paths(const std::string& key, std::vector<DefaultPath>& target, PathKind kind) {
  return toml::entries<DefaultPath>(
      key, "path", target, &DefaultPath::path,
      [kind](DefaultPath& path) {
        toml::Table table{{toml::text("package", path.package, toml::package_name()),
                           toml::text("beside", path.beside, toml::relative_path())}};
        if (kind == PathKind::Link) {
          table.fields.push_back(toml::text("target", path.target, toml::single_line()).require());
          table.fields.push_back(toml::flag("replaces-folder", path.replaces_folder));
          return table;
        }
        table.fields.push_back(toml::octal("mode", path.mode));
        table.fields.push_back(whole_number("gid", path.gid, 0, 65534));
        if (kind == PathKind::File) table.fields.push_back(toml::text("content", path.content));
        return table;
      },
      toml::relative_path());
}

toml::Table debian_table(Debian& debian, std::vector<std::string>& plain_folders) {
  const auto all = [](const std::string& key, std::vector<std::string>& target, toml::Check check) {
    return toml::list(key, target, toml::Growth::Replace, std::move(check)).require();
  };
  toml::Table base_files{{all("folders", plain_folders, toml::relative_path()),
                          default_paths("folder", debian.base_files.folders, PathKind::Folder),
                          default_paths("link", debian.base_files.links, PathKind::Link),
                          default_paths("file", debian.base_files.files, PathKind::File)}};
  toml::Table default_files{
      {toml::entries<Debian::Copy>(
           "copy", "from", debian.copies, &Debian::Copy::from,
           [](Debian::Copy& copy) { return toml::Table{{toml::text("to", copy.to, toml::relative_path()).require()}}; },
           toml::relative_path()),
       default_paths("link", debian.default_files.links, PathKind::Link),
       default_paths("file", debian.default_files.files, PathKind::File)}};
  return {{
      toml::table("accounts", {{account_numbers(debian.account_numbers).require()}}).require(),
      toml::table("usr-merge", {{all("folders", debian.usr_merge.folders, toml::file_name()),
                                 all("folders-in-usr", debian.usr_merge.folders_in_usr, toml::file_name()),
                                 all("shells", debian.usr_merge.shells, toml::file_name())}})
          .require(),
      toml::table("base-files", base_files).require(),
      toml::table("default-files", default_files).require(),
      toml::entries<Debian::Owner>(
          "owner", "path", debian.owners, &Debian::Owner::path,
          [](Debian::Owner& owner) {
            return toml::Table{{toml::octal("mode", owner.mode).require(),
                                toml::text("user", owner.user, toml::single_line()),
                                toml::text("group", owner.group, toml::single_line()),
                                toml::text("statoverride", owner.statoverride, toml::package_name())}};
          },
          toml::relative_path())
          .require(),
      toml::table("pam", {{all("files", debian.pam_files, toml::file_name())}}).require(),
      toml::entries<Debian::NameService>(
          "name-service", "package", debian.name_services, &Debian::NameService::package,
          [](Debian::NameService& service) {
            return toml::Table{
                {toml::text("service", service.service, toml::single_line()).require(),
                 toml::list("databases", service.databases, toml::Growth::Replace, toml::file_name()).require(),
                 toml::text("before", service.before, toml::file_name())}};
          },
          toml::package_name())
          .require(),
      toml::table("package-database", {{all("folders", debian.dpkg_folders, toml::file_name()),
                                        all("fields", debian.status_fields, toml::single_line())}})
          .require(),
  }};
}

}  // namespace

Debian read_debian(std::string_view text) {
  Debian debian;
  std::vector<std::string> plain_folders;
  toml::Diagnostics diagnostics;
  if (const auto document = toml::parse_document(text, debian_file, diagnostics)) {
    const toml::Table table = debian_table(debian, plain_folders);
    toml::Reader reader(diagnostics);
    reader.read(table, *document);
    reader.complete(table, {debian_file, 1, 1});
  }
  diagnostics.throw_if_any();
  // Those with nothing special come first: others lie in them.
  auto& folders = debian.base_files.folders;
  for (auto folder = plain_folders.rbegin(); folder != plain_folders.rend(); ++folder)
    folders.insert(folders.begin(), DefaultPath{.path = *folder});
  for (auto* paths : {&debian.base_files, &debian.default_files}) {
    for (auto& folder : paths->folders)
      if (folder.mode == 0) folder.mode = 0755;
    for (auto& file : paths->files)
      if (file.mode == 0) file.mode = 0644;
  }
  return debian;
}

const Debian& debian() {
  static const Debian facts = read_debian(debian_text());
  return facts;
}

}  // namespace k8simg::rootfs
