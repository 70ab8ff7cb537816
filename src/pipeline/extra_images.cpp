// Adds steps that fetch, check and join container images of the user's.
#include "pipeline/extra_images.hpp"

#include <fmt/format.h>

#include "graph/builtin.hpp"
#include "oci/archive.hpp"
#include "oci/import.hpp"
#include "oci/registry.hpp"
#include "tree/archive.hpp"
#include "tree/mapped_file.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

const TreePort registry_tools_in{"tools"}, fetched_layout{"layout"}, own_layout_in{"own"}, extra_layout_in{"extra"};
const BlobPort joined_archive{"archive"}, joined_list{"list"};
/// By `from`. An archive is one file.
const BlobFamily image_archive_in{"archive/"};
const TreeFamily image_layout_in{"layout/"};

constexpr std::string_view docker_archive_scheme = "docker-archive:", registry_scheme = "docker://";

struct FetchedImage {
  std::string name, digest;  ///< "registry.example/app", "sha256:..."
  std::string architecture, variant;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FetchedImage, name, digest, architecture, variant)

Outputs fetch_extra(StepContext& context, const FetchedImage& image) {
  const auto tools = checkout(context.store(), registry_tools_in.in(context));
  const Tree layout = fetch_image(context, tools, {.name = image.name, .tag = "", .digest = image.digest},
                                  {.architecture = image.architecture, .variant = image.variant});
  return {fetched_layout.give(put_tree(context.store(), layout))};
}

struct ImportedImages {
  struct Source {
    std::string from, name;
  };
  std::vector<Source> sources;
  std::string architecture, variant;
  std::int64_t epoch = 0;
};
using ImportedSource = ImportedImages::Source;
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImportedSource, from, name)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImportedImages, sources, architecture, variant, epoch)

/// The files of an archive. Its own paths are those of a folder, so that nothing of it can be outside.
Tree members_of(StepContext& context, const std::string& from) {
  for (const auto& [name, value] : image_layout_in.all(context))
    if (name == from) return get_tree(context.store(), value.digest);
  const MappedFile archive(context.store().path(image_archive_in[from].in(context).digest));
  return read_tar_bytes(context.store(), archive.bytes(), {.origin = Origin::archive("oci")}, from);
}

Outputs import_extra(StepContext& context, const ImportedImages& parameters) {
  Store& store = context.store();
  std::vector<Tree> layouts;
  for (const auto& [from, name] : parameters.sources) {
    ImportRequest request{
        .from = from, .names = {}, .machine = {.architecture = parameters.architecture, .variant = parameters.variant}};
    if (!name.empty()) request.names = {name};
    if (from.starts_with(registry_scheme)) {
      const auto reference = parse_image_reference(from.substr(registry_scheme.size()));
      // The digest names the image in the registry, and is a name on the node beside that of the configuration.
      ImageReference wanted = *reference;
      if (!name.empty()) wanted.tag.clear();
      request.names.push_back(wanted.text());
      if (!wanted.tag.empty()) request.names.push_back(wanted.name + ":" + wanted.tag);
    }
    try {
      const Tree members = members_of(context, from);
      layouts.push_back(from.starts_with(docker_archive_scheme)
                            ? import_docker_archive(store, members, request, parameters.epoch)
                            : import_oci_layout(store, members, request, parameters.epoch));
    } catch (Error& error) {
      error.about_setting("image.extra", from);
      throw;
    }
    for (const auto& reference : layout_references(store, layouts.back()))
      context.log(fmt::format("{}: {}", from, reference));
  }
  return {fetched_layout.give(put_tree(store, join_oci_layouts(store, layouts, parameters.epoch)))};
}

struct JoinedImages {
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(JoinedImages, epoch)

Outputs join_images(StepContext& context, const JoinedImages& parameters) {
  Store& store = context.store();
  std::vector<Tree> layouts;
  for (const auto& input : context.inputs()) layouts.push_back(get_tree(store, input.value.digest));
  const Tree layout = join_oci_layouts(store, layouts, parameters.epoch);
  std::string list;
  for (const auto& reference : layout_references(store, layout)) list += reference + "\n";
  return {fetched_layout.give(put_tree(store, layout)),
          joined_archive.give(make_oci_archive(store, layout, parameters.epoch)), joined_list.give(store.put(list))};
}

}  // namespace

PreloadedImages add_extra_image_steps(StepGraph& graph, Store& store, const Config& config, const ImageSteps* own,
                                      const std::function<TreeHandle()>& registry_tools, std::int64_t epoch) {
  if (config.extra_images.empty()) return {own->layout, own->tar, own->list};
  const std::string variant = oci_variant(config.arch.go, config.arch.goarm), extra_id = "images/extra",
                    joined_id = "images/joined";
  ImportedImages imported{.sources = {}, .architecture = config.arch.go, .variant = variant, .epoch = epoch};
  std::vector<Input> inputs;
  for (const auto& [from, name] : config.extra_images) {
    imported.sources.push_back({from, name});
    if (from.starts_with(registry_scheme)) {
      const auto reference = parse_image_reference(from.substr(registry_scheme.size()));
      if (!reference)
        throw Error(ErrorKind::Usage, fmt::format("{} is not the reference of an image", from),
                    "write docker://REGISTRY/NAME:TAG@sha256:DIGEST")
            .about_setting("image.extra", from);
      const std::string id = fmt::format("images/fetch/{}@{}", reference->name.substr(reference->name.rfind('/') + 1),
                                         reference->digest.substr(7, 12));
      if (!graph.find(id))
        graph.add({.id = id,
                   .inputs = {registry_tools_in(registry_tools())},
                   .action = builtin<fetch_extra>("images.fetch", {.name = reference->name,
                                                                   .digest = reference->digest,
                                                                   .architecture = config.arch.go,
                                                                   .variant = variant}),
                   .resource = Resource::Network});
      inputs.push_back(image_layout_in[from](fetched_layout.of(id)));
      continue;
    }
    const fs::path file = inside(config.project, from.substr(from.find(':') + 1));
    if (fs::is_directory(file)) {
      inputs.push_back(
          image_layout_in[from](TreeHandle(put_tree(store, read_folder(store, file, Origin::archive("oci"))))));
    } else {
      inputs.push_back(image_archive_in[from](BlobHandle(store.put_file(file))));
    }
  }
  graph.add({.id = extra_id, .inputs = std::move(inputs), .action = builtin<import_extra>("images.import", imported)});
  std::vector<Input> layouts;
  if (own) layouts.push_back(own_layout_in(own->layout));
  layouts.push_back(extra_layout_in(fetched_layout.of(extra_id)));
  graph.add(
      {.id = joined_id, .inputs = std::move(layouts), .action = builtin<join_images>("images.join", {.epoch = epoch})});
  return {fetched_layout.of(joined_id), joined_archive.of(joined_id), joined_list.of(joined_id)};
}

}  // namespace k8simg
