// Functions of OpenSSL: MD5 sums for dpkg's database, and hashes of certificates.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8simg::rootfs {

std::string md5_hex(std::string_view bytes);

/// The eight digits of `openssl x509 -subject_hash` for the first certificate of a PEM text; nullopt if there is none.
std::optional<std::string> subject_hash(std::string_view pem);
/// SHA-256 of the first certificate's DER, to find equal certificates among those with the same subject; "" if there is
/// none.
std::string fingerprint(std::string_view pem);

}  // namespace k8simg::rootfs
