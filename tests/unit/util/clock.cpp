// Tests the system clock.
#include "util/clock.hpp"

#include <ctime>

#include "support/catch.hpp"

TEST_CASE("the system clock counts seconds since 1970") {
  const std::int64_t before = std::time(nullptr), now = k8simg::Clock::system().now();
  CHECK(now >= before);
  CHECK(now <= std::time(nullptr));
}
