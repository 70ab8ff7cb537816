// OpenPGP keyrings: public keys as `gpg --export` writes them, binary or armored (RFC 9580).
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace k8simg {

/// The keyring in the binary form that gpgv reads: armor is removed; binary keyrings and GnuPG's keyboxes stay as they
/// are. Error{Usage} that begins with `name` if it is no keyring of public keys.
std::string binary_keyring(std::string_view bytes, const std::string& name);

/// The fingerprints of the keys and subkeys of version 4 in a binary keyring: 40 upper-case digits each.
std::set<std::string, std::less<>> key_fingerprints(std::string_view keyring);

}  // namespace k8simg
