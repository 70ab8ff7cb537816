// Any bytes as board.toml, defconfig, component.toml, scripts.toml, requirements.toml and --set: mistakes are listed,
// nothing else happens.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/tables.hpp"
#include "disk/formats.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  using namespace k8simg::config;
  using namespace k8simg::toml;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const ProjectNames names{{"pc"}, {"base"}, {"kubernetes"}, {"base"}, {"vxlan"}};
  const DiskFormats formats = disk_formats();
  Diagnostics diagnostics;
  Config config;
  Draft draft;
  const Table table = config_table(config, draft, names, formats, BoardKind::Machine);
  Reader reader(diagnostics);
  if (auto override = parse_override(text, diagnostics))
    reader.read(table, override->document, CommandLine, !override->append);
  if (auto document = parse_document(text, "fuzz.toml", diagnostics)) {
    reader.read(table, *document, Board);
    reader.read(table, *document, Defconfig);
    reader.complete(table, {"fuzz.toml", 1, 1});
    // A setting is JSON and TOML at once: it reads back as one value.
    for (const auto& setting : reader.settings()) {
      Diagnostics none;
      if (!parse_document("x = " + setting.value, "setting", none)) std::abort();
    }
    ComponentConfig component;
    Reader(diagnostics).read(component_table(component), *document);
    std::vector<Judgement> judgements;
    Reader(diagnostics).read(judgements_table(judgements), *document);
    std::vector<RequirementEntry> requirements;
    Reader(diagnostics).read(requirements_table(requirements), *document);
  }
  return 0;
}
