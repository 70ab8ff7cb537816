// Keyrings of arbitrary bytes: each is refused with an Error, or is a keyring that is read again as it is.
#include <cstdint>
#include <cstdlib>

#include "util/error.hpp"
#include "util/keyring.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& fingerprint : key_fingerprints(bytes))
    if (fingerprint.size() != 40) std::abort();
  try {
    const std::string keyring = binary_keyring(bytes, "fuzz");
    if (keyring.empty()) std::abort();
    // A binary keyring may have the beginning of an armored text inside.
    if (keyring.find("-----BEGIN PGP ") == std::string::npos && binary_keyring(keyring, "fuzz") != keyring)
      std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Usage) std::abort();
  }
  return 0;
}
