// Reads the packages that are files of the project: packages.files.
#include <fmt/format.h>

#include <algorithm>

#include "control/paragraph.hpp"
#include "control/relation.hpp"
#include "control/version.hpp"
#include "debian/deb.hpp"
#include "locking/locking.hpp"
#include "tree/origin.hpp"
#include "util/error.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The fields of the control file that the lock has. They become parts of names, so they are checked.
LockedPackage describe_file(const std::string& control, const std::string& file, const std::string& architecture) {
  const auto wrong = [&](const std::string& what) -> Error {
    return Error(ErrorKind::Fetch, fmt::format("{}: its control file {}", file, what),
                 "Build the package again, or take it out of packages.files.");
  };
  const auto paragraph = parse_control(control);
  if (!paragraph)
    throw wrong(fmt::format("is malformed, line {}: {}", paragraph.error().line, paragraph.error().message));
  LockedPackage package;
  package.name = paragraph->get("Package");
  package.version = paragraph->get("Version");
  package.architecture = paragraph->get("Architecture");
  if (!is_package_name(package.name))
    throw wrong(fmt::format("has the Package \"{}\", which is no name of a package", package.name));
  if (const auto version = parse_version(package.version); !version)
    throw wrong(fmt::format("has the Version \"{}\": {}", package.version, version.error().message));
  if (package.architecture != architecture && package.architecture != "all")
    throw Error(ErrorKind::Usage,
                fmt::format("{}, named by packages.files, is for the architecture \"{}\", not for {} or all", file,
                            package.architecture, architecture),
                fmt::format("Use patterns such as \"debs/*_{}.deb\" and \"debs/*_all.deb\".", architecture));
  for (const char* field : {"Filename", "Size", "SHA256"})
    if (paragraph->find(field)) throw wrong(fmt::format("has the field {}, which belongs into an index", field));
  package.source = package.name;
  if (const auto source = split_words(paragraph->get("Source")); !source.empty()) package.source = source[0];
  if (!is_package_name(package.source))
    throw wrong(fmt::format("has the Source \"{}\", which is no name of a package", package.source));
  return package;
}

}  // namespace

std::vector<PackageFile> read_package_files(const Config& config, Store& store) {
  std::vector<PackageFile> files;
  for (const auto& relative : config.package_files) {
    const std::string name = relative.generic_string();
    const Value blob = store.put_file(inside(config.project, relative), false);
    // All of the package is read, so that `lock` reports what a build would refuse.
    const auto deb = read_deb_bytes(store, store.read(blob.digest), Origin::archive(name), name);
    PackageFile file{.package = {}, .control = deb.control_files.at("control")};
    file.package = describe_file(file.control, name, config.arch.debian);
    file.package.path = name;
    file.package.size = blob.size;
    file.package.sha256 = blob.digest;
    const auto twin = std::find_if(files.begin(), files.end(),
                                   [&](const PackageFile& other) { return other.package.name == file.package.name; });
    if (twin != files.end())
      throw Error(ErrorKind::Usage,
                  fmt::format("packages.files has {} twice: {} ({}) and {} ({})", file.package.name, twin->package.path,
                              twin->package.version, name, file.package.version),
                  "Remove one of the files, or name files instead of a pattern.");
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace k8simg
