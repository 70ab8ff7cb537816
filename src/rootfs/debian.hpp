// Facts about Debian for the rules, from debian.toml in this folder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg::rootfs {

/// A folder, link or file that a rule creates if the path does not exist.
struct DefaultPath {
  std::string path;
  std::string package;           ///< only if this package is installed; "": always
  std::string beside;            ///< only if this path exists; "": always
  std::uint32_t mode = 0;        ///< of folders and files
  std::uint32_t gid = 0;         ///< of folders and files
  std::string target;            ///< of a link
  bool replaces_folder = false;  ///< the link replaces a folder of a package
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
    std::string user = "root", group;  ///< group: "" stands for the user's
    std::string statoverride;          ///< the package that registers it with dpkg-statoverride
  };
  std::vector<Owner> owners;
  std::vector<std::string> pam_files;
  struct NameService {
    std::string package, service;
    std::vector<std::string> databases;
    std::string before;  ///< the service before which it is inserted; "": at the end of the line
  };
  std::vector<NameService> name_services;
  std::vector<std::string> dpkg_folders, status_fields;
};

/// The parsed debian.toml, which is compiled into the program.
const Debian& debian();
/// Error{Usage} lists every mistake with its line, including duplicate numbers of accounts. For tests.
Debian read_debian(std::string_view text);

}  // namespace k8simg::rootfs
