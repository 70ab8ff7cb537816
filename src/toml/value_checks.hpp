// Checks of single strings: paths, package names, unit names and others.
#pragma once

#include "toml/schema.hpp"

namespace k8simg::toml {

Check absolute_path();   ///< "/usr/local/bin/kubelet": no "..", no "//"
Check octal_mode();      ///< "0600": four octal digits
Check owner_names();     ///< "user:group", each a name or a number
Check target_glob();     ///< an absolute path that may contain *, ? and [...]
Check relative_path();   ///< no "..", so it stays in its base folder
Check file_name();       ///< one path part
Check package_name();    ///< Debian Policy 5.6.1
Check package_choice();  ///< as apt: NAME, NAME=VERSION or NAME/SUITE
Check image_name();      ///< NAME:TAG of a container image
Check image_tag();       ///< OCI Distribution Specification, "Pulling manifests"
Check unit_name();       ///< systemd.unit(5), with its suffix
Check host_name();       ///< a label of RFC 1123
Check single_line();     ///< not empty, no line breaks
Check kernel_symbol();   ///< "CONFIG_OVERLAY_FS"
Check hex_digest();      ///< SHA-256 as 64 lower-case digits

}  // namespace k8simg::toml
