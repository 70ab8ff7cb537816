// Finds and parses the build information in Go programs.
#include "elf/go_build_info.hpp"

#include <algorithm>

#include "elf/byte_run.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::string_view magic("\xff Go buildinf:", 14);
constexpr const char* what = "its Go build information";

/// Go's linker puts it into a section. Without section headers it is searched at 16-byte boundaries.
std::string_view find_section(std::string_view bytes, const ElfInfo& info, const std::string& name) {
  for (const auto& section : info.sections) {
    if (section.name == ".go.buildinfo") return section_bytes(bytes, section, name);
  }
  if (info.sections.empty()) {
    for (auto at = bytes.find(magic); at != std::string_view::npos; at = bytes.find(magic, at + 1)) {
      if (at % 16 == 0) return bytes.substr(at);
    }
  }
  return {};
}

/// Lines with fields separated by tabs: "dep" MODULE VERSION SUM, "=>" the same for the replacement of the previous
/// line, "build" KEY=VALUE. A marker of 16 bytes, which is not such a line, precedes and follows them.
void read_lines(std::string_view text, GoBuildInfo& info) {
  for (const auto& line : split(text, '\n')) {
    const auto fields = split(line, '\t');
    if (fields[0] == "dep" && fields.size() >= 3) {
      info.modules.push_back({fields[1], fields[2]});
    } else if (fields[0] == "=>" && fields.size() >= 3 && !info.modules.empty()) {
      // A folder has no version: it is a changed copy of the module (go.dev/ref/mod#go-mod-file-replace).
      if (fields[1].starts_with('.') || fields[1].starts_with('/'))
        info.modules.back().changed = true;
      else
        info.modules.back() = {fields[1], fields[2]};
    } else if (fields[0] == "build" && fields.size() >= 2) {
      const auto equals = fields[1].find('=');
      if (equals != std::string::npos)
        info.settings.push_back({fields[1].substr(0, equals), fields[1].substr(equals + 1)});
    }
  }
  std::sort(info.modules.begin(), info.modules.end(),
            [](const GoBuildInfo::Module& a, const GoBuildInfo::Module& b) { return a.path < b.path; });
}

}  // namespace

std::optional<std::string> GoBuildInfo::setting(std::string_view key) const {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const Setting& each) { return each.key == key; });
  return found == settings.end() ? std::nullopt : std::optional(found->value);
}

std::optional<GoBuildInfo> read_go_build_info(std::string_view bytes, const ElfInfo& elf, const std::string& name) {
  const std::string_view section = find_section(bytes, elf, name);
  if (!section.starts_with(magic)) return std::nullopt;
  GoBuildInfo info;
  ByteRun in(section.substr(magic.size()));
  in.take(1, what);  // pointer size, for the old format
  const auto flags = static_cast<unsigned char>(in.take(1, what)[0]);
  in.take(16, what);
  if (!(flags & 2)) return info;  // before Go 1.18: two pointers and no data
  info.go = in.take(in.number(what), what);
  read_lines(in.take(in.number(what), what), info);
  return info;
}

}  // namespace k8simg
