// The project's root, for tests that read its files.
namespace k8simg {
const char* source_folder() { return SOURCE_FOLDER; }
}  // namespace k8simg
