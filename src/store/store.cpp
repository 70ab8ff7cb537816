// Functions common to all stores.
#include "store/store.hpp"

#include "store/file_name.hpp"
#include "util/text.hpp"

namespace k8simg {

Value Store::put(std::string_view bytes, ValueKind kind) {
  auto blob = writer();
  blob->write(bytes);
  Value value = blob->commit();
  value.kind = kind;
  return value;
}

std::string file_name_of(const std::string& name) {
  const std::string file = replace_all(name, "/", "__");
  return file.empty() || file.front() == '.' ? "_" + file : file;
}

}  // namespace k8simg
