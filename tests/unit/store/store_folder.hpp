// Common parts of the tests of the store on disk: a temporary store, errors by kind, a small record.
#pragma once

#include <functional>
#include <string>

#include "store/store.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg::test {

struct Folder {
  TempDir temp{fs::temp_directory_path(), "store"};
  fs::path path = temp.path() / "store";
};

inline ErrorKind kind_of(const std::function<void()>& body, std::string* text = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (text) *text = error.describe();
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::Internal;
}

inline StepRecord small_record(const std::string& name, const Value& output) {
  return {sha256("key " + name), name, sha256("action"), {}, {{"out", output}}, 2.0};
}

inline std::size_t count_files(const fs::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) count += entry.is_regular_file();
  return count;
}

}  // namespace k8simg::test
