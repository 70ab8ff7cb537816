// `k8simg gc`: removes from the store what no defconfig's latest build needs.
#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "tree/tree.hpp"
#include "util/text.hpp"

namespace k8simg {

void add_gc(CLI::App& app, Options&, Verb& run) {
  auto* verb = app.add_subcommand("gc", "remove from the store what no defconfig's latest build needs");
  auto dry = std::make_shared<bool>(false);
  verb->add_flag("--dry-run", *dry, "only print what would be removed");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      DiskStore& store = session.store();
      const auto references = [&](const Value& value) {
        return value.kind == ValueKind::Tree ? tree_references(get_tree(store, value.digest)) : std::vector<Digest>{};
      };
      const auto gone = store.collect(references, {}, *dry);
      print_out(fmt::format("{}{} blobs ({}), {} step records, {} checkouts\n", *dry ? "would remove " : "removed ",
                            gone.blobs, format_size(gone.bytes), gone.records, gone.checkouts));
      return 0;
    };
  });
}

}  // namespace k8simg
