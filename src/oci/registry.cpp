// Runs skopeo twice: for the manifest or index of the digest, and for the blobs of the chosen manifest.
#include "oci/registry.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "process/sandbox.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using nlohmann::json;

bool is_on_this_machine(const std::string& name) {
  const std::string registry = name.substr(0, name.find('/')), host = registry.substr(0, registry.rfind(':'));
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

/// skopeo with a folder for its output, and the output of the command itself.
class Skopeo {
 public:
  Skopeo(StepContext& context, const fs::path& tools, const ImageReference& reference)
      : context_(context), tools_(tools), reference_(reference), out_(context.scratch() / "out") {
    fs::create_directories(out_);
  }

  std::string run(std::vector<std::string> arguments, const std::string& digest) const {
    const std::string source = fmt::format("docker://{}@{}", reference_.name, digest);
    // The digest in the configuration authenticates the image, so no signature policy and no login is needed.
    std::vector<std::string> argv{"/usr/bin/skopeo", "--insecure-policy", "--tmpdir", "/build"};
    const bool copies = arguments.front() == "copy";
    if (is_on_this_machine(reference_.name))
      arguments.insert(arguments.begin() + 1, copies ? "--src-tls-verify=false" : "--tls-verify=false");
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.push_back(source);
    if (copies) argv.emplace_back("dir:/out");
    const fs::path build = context_.scratch() / "build";
    fs::create_directories(build);
    Command command = sandbox(
        {.root = tools_, .argv = argv, .binds = {{out_, "/out", true}, {build, "/build", true}}, .network = true});
    command.log = context_.log_file();
    command.capture_stdout = !copies;
    return run_checked(context_.runner(), command, "skopeo " + source, context_.stop()).output;
  }
  const fs::path& out() const { return out_; }

 private:
  StepContext& context_;
  const fs::path& tools_;
  const ImageReference& reference_;
  const fs::path out_;
};

/// A manifest must have the digest by which it was asked for.
void check_manifest(const ImageReference& reference, const std::string& digest, const std::string& text) {
  const std::string found = "sha256:" + sha256(text).hex();
  if (found != digest)
    throw Error(ErrorKind::Fetch,
                fmt::format("{} is {} at the registry, but {} is expected", reference.name, found, digest),
                "check the registry and the proxy: they must give the manifest unchanged");
}

}  // namespace

Tree fetch_image(StepContext& context, const fs::path& tools, const ImageReference& reference,
                 const Platform& machine) {
  Store& store = context.store();
  const Skopeo skopeo(context, tools, reference);
  std::string digest = reference.digest;
  const std::string listed = skopeo.run({"inspect", "--raw"}, digest);
  check_manifest(reference, digest, listed);
  if (is_image_index(listed)) {
    const auto manifests = manifests_of_index(listed);
    const PlatformManifest* best = most_suitable(manifests, machine);
    if (!best) throw_wrong_platform("docker://" + reference.text(), "", manifests, machine);
    digest = best->digest;
  }
  skopeo.run({"copy", "--preserve-digests"}, digest);
  // containers/image: directory-transport. Blobs are named by their digests, beside manifest.json and version.
  const Tree folder = read_folder(store, skopeo.out(), Origin::archive("oci"));
  Tree layout;
  for (const auto& [path, node] : folder.nodes()) {
    if (path != "manifest.json" && path != "version") layout.set("blobs/sha256/" + path, node);
  }
  const Node* manifest = folder.find("manifest.json");
  if (!manifest) throw Error(ErrorKind::Step, fmt::format("skopeo has not written a manifest of {}", reference.name));
  const std::string text = store.read(manifest->content);
  check_manifest(reference, digest, text);
  layout.set("blobs/sha256/" + digest.substr(7), *manifest);
  const json index{
      {"schemaVersion", 2},
      {"manifests",
       {{{"mediaType", json::parse(text).value("mediaType", "")}, {"digest", digest}, {"size", manifest->size}}}}};
  layout.add_file(store, "index.json", index.dump(), 0644, Origin::archive("oci"));
  layout.add_missing_parents(Origin::archive("oci"));
  return layout;
}

}  // namespace k8simg
