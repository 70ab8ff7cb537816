// Facts about Debian that the rules use, as debian.toml of this folder has them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg::rootfs {

/// A folder, link or file that a rule makes where nothing is there yet.
struct DefaultPath {
  std::string path;
  std::string package;           ///< only if it is installed; "": always
  std::string beside;            ///< only if this path is there; "": always
  std::uint32_t mode = 0;        ///< of folders and files
  std::uint32_t gid = 0;         ///< likewise
  std::string target;            ///< of a link
  bool replaces_folder = false;  ///< a link that takes the place of a folder which a package ships
  std::string content;           ///< of a file
};
struct DefaultPaths {
  std::vector<DefaultPath> folders, links, files;
};

struct Debian {
  std::map<std::string, std::uint32_t> account_numbers;
  struct UsrMerge {
    std::vector<std::string> folders, folders_in_usr, shells;
  };
  UsrMerge usr_merge;
  DefaultPaths base_files, default_files;
  struct Copy {
    std::string from, to;
  };
  std::vector<Copy> copies;
  struct Owner {
    std::string path;
    std::uint32_t mode = 0;
    std::string user = "root", group;  ///< group "": the user's
    std::string statoverride;          ///< the package that registers it with dpkg
  };
  std::vector<Owner> owners;
  std::vector<std::string> pam_files;
  struct NameService {
    std::string package, service;
    std::vector<std::string> databases;
    std::string before;  ///< another service; "": at the end of the line
  };
  std::vector<NameService> name_services;
  std::vector<std::string> dpkg_folders, status_fields;
};

/// The file that is compiled into the program.
const Debian& debian();
/// Error{Usage} with every mistake and its line, also for a number that two accounts have. For tests.
Debian read_debian(std::string_view text);

}  // namespace k8simg::rootfs
