// Wall time, replaceable in tests. It is used for expiry checks and logs, and is never an input of a step.
#pragma once

#include <cstdint>

namespace k8simg {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now() const = 0;  ///< seconds since 1970, UTC
  static Clock& system();
};

}  // namespace k8simg
