// The text of an Error, for tests of messages.
#pragma once

#include <string>

#include "util/error.hpp"

namespace k8simg::test {

/// The text of the Error that `body` throws; "" if none.
template <class Body>
std::string failure(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.describe();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace k8simg::test
