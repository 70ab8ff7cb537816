// URLs without their secrets: any text is taken, what is told twice is told the same, and no user information is left.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "util/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A secret of letters in a place where URLs have one, with any text around it.
  const std::string_view around(reinterpret_cast<const char*>(data), size);
  const std::string text = std::string(around.substr(0, size / 2)) +
                           " http:/"
                           "/user:qQsecretQq@host/path " +
                           std::string(around.substr(size / 2));
  if (around.find("qQsecretQq") == std::string_view::npos &&
      k8simg::without_secrets(text).find("qQsecretQq") != std::string::npos)
    std::abort();
  return 0;
}
