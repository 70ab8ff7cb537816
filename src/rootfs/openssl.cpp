// Computes MD5 sums and hashes of certificates with OpenSSL.
#include "rootfs/openssl.hpp"

#include <memory>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "util/bytes.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"

namespace k8simg::rootfs {

namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate read_certificate(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      BIO_free);
  return {bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr, X509_free};
}

}  // namespace

std::string md5_hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) != 1) {
    throw Error(ErrorKind::Internal, "OpenSSL refuses MD5, which dpkg's database needs",
                "Check whether the OpenSSL configuration allows only FIPS algorithms.");
  }
  return to_hex(std::span<const std::uint8_t>(digest, length));
}

std::optional<std::string> subject_hash(std::string_view pem) {
  const auto certificate = read_certificate(pem);
  if (!certificate) return std::nullopt;
  return fmt::format("{:08x}", X509_subject_name_hash(certificate.get()));
}

std::string fingerprint(std::string_view pem) {
  const auto certificate = read_certificate(pem);
  if (!certificate) return {};
  unsigned char* der = nullptr;
  const int length = i2d_X509(certificate.get(), &der);
  if (length < 0) return {};
  const auto digest = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)}).hex();
  OPENSSL_free(der);
  return digest;
}

}  // namespace k8simg::rootfs
