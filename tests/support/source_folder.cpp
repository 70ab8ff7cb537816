// Where the project's files are, for tests that read them.
namespace k8simg {
const char* source_folder() { return SOURCE_FOLDER; }
}  // namespace k8simg
