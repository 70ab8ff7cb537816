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
Check suite_name();      ///< a suite of a repository, or the folder of a flat one: "trixie", "./", "folder/"
Check deb_glob();        ///< a relative path or glob, without "**", that ends in ".deb"
Check image_name();      ///< NAME:TAG of a container image
Check image_tag();       ///< OCI Distribution Specification, "Pulling manifests"
Check unit_name();       ///< systemd.unit(5), with its suffix
Check host_name();       ///< a label of RFC 1123
Check keymap_name();     ///< layouts of XKB: "de", "de(nodeadkeys)", "us,ru"
Check locale_name();     ///< "de_DE.UTF-8", "sr_RS@latin"
Check account_name();    ///< adduser.conf(5), NAME_REGEX
Check password_hash();   ///< crypt(5): yescrypt, SHA-512, SHA-256 or bcrypt
Check comment_field();   ///< the comment of passwd(5)
Check http_url();        ///< "https://mirror.example:5000/path", without a user or a query
Check proxy_url();       ///< the same, but it may have a user
Check no_proxy_entry();  ///< "example.com", ".svc", "10.0.0.0/8"
Check registry_name();   ///< "docker.io", "registry.example:5000"; "*" for all others
Check single_line();     ///< not empty, no line breaks
Check kernel_symbol();   ///< "CONFIG_OVERLAY_FS"
Check hex_digest();      ///< SHA-256 as 64 lower-case digits

}  // namespace k8simg::toml
