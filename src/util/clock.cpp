// Clock::system(): the system clock.
#include "util/clock.hpp"

#include <chrono>

namespace k8simg {

namespace {

class SystemClock final : public Clock {
 public:
  std::int64_t now() const override {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  }
};

}  // namespace

Clock& Clock::system() {
  static SystemClock clock;
  return clock;
}

}  // namespace k8simg
