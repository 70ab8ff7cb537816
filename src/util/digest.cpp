// SHA-256 through OpenSSL's EVP interface, which uses the CPU's SHA instructions where there are any.
#include "util/digest.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

void check(int evp_result) {
  if (evp_result != 1) throw Error(ErrorKind::Internal, "OpenSSL cannot compute SHA-256 here");
}

}  // namespace

std::string Digest::hex() const { return to_hex(bytes); }

std::optional<Digest> Digest::parse(std::string_view hex) {
  if (hex.size() != 64) return std::nullopt;
  const auto raw = from_hex(hex);
  if (!raw) return std::nullopt;
  Digest digest;
  std::copy(raw->begin(), raw->end(), digest.bytes.begin());
  return digest;
}

namespace {

// Fetched once: EVP_sha256() makes OpenSSL 3 look up the implementation for each message, which costs more than hashing
// a small file.
const EVP_MD* algorithm() {
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool started = false;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
  void start() {
    if (started) return;
    check(context != nullptr && algorithm() != nullptr ? EVP_DigestInit_ex(context, algorithm(), nullptr) : 0);
    started = true;
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::string_view bytes) {
  state_->start();
  check(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
  return *this;
}

Digest Sha256::finish() {
  state_->start();
  Digest digest;
  state_->started = false;
  check(EVP_DigestFinal_ex(state_->context, digest.bytes.data(), nullptr));
  return digest;
}

std::string crypto_library() { return OpenSSL_version(OPENSSL_VERSION); }

Digest sha256(std::string_view bytes) { return Sha256().update(bytes).finish(); }

namespace {

void add_zeros(Sha256& hash, off_t count) {
  static constexpr std::array<char, 1 << 16> zeros{};
  for (; count > 0; count -= static_cast<off_t>(zeros.size()))
    hash.update({zeros.data(), std::min(zeros.size(), static_cast<std::size_t>(count))});
}

}  // namespace

Digest sha256_file(const std::filesystem::path& file) {
  const Fd fd = Fd::open(file, O_RDONLY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno("cannot read", file.string(), errno);
  const off_t size = S_ISREG(status.st_mode) ? status.st_size : 0;
  // Most files are small: a large buffer for each would cost more than its hash.
  constexpr off_t most = 1 << 17, block = 512;
  const auto length =
      static_cast<std::size_t>(S_ISREG(status.st_mode) ? std::clamp<off_t>(size + 1, block, most) : most);
  const auto memory = std::make_unique_for_overwrite<char[]>(length);
  const std::span<char> buffer(memory.get(), length);
  Sha256 hash;
  off_t at = 0;
  if (status.st_blocks * block < size) {
    // About half of a disk image is holes. Their zeros are hashed without reading them from the file.
    while (const auto data = next_data(fd.get(), at, size, file)) {
      add_zeros(hash, data->start - at);
      read_range(fd.get(), *data, file, buffer, [&](std::string_view bytes, off_t) { hash.update(bytes); });
      at = data->end;
    }
    add_zeros(hash, size - at);
    if (::lseek(fd.get(), size, SEEK_SET) != size) throw_errno("cannot read", file.string(), errno);
    at = size;
  }
  // Files without holes are read here completely, and other files from `size` on, since they may have grown. Files
  // without a size, such as those of /proc, are read to their end.
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot read", file.string(), errno);
    if (count == 0) break;
    hash.update({buffer.data(), static_cast<std::size_t>(count)});
    at += count;
  }
  if (at < size) throw_shorter(file);
  return hash.finish();
}

}  // namespace k8simg
