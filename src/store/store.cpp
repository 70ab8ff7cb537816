// What every store shares: putting a string in through a writer.
#include "store/store.hpp"

namespace k8simg {

Value Store::put(std::string_view bytes, ValueKind kind) {
  auto blob = writer();
  blob->write(bytes);
  Value value = blob->commit();
  value.kind = kind;
  return value;
}

}  // namespace k8simg
