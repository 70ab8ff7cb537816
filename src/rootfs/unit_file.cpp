// Parses [Install] sections and presets.
#include "rootfs/unit_file.hpp"

#include "util/text.hpp"

namespace k8simg::rootfs {

InstallSection read_install_section(std::string_view unit_file) {
  InstallSection section;
  bool inside = false;
  std::string logical;
  for (const auto& raw : split(unit_file, '\n')) {
    const auto part = trim(raw);
    if (logical.empty() && (part.empty() || part.front() == '#' || part.front() == ';')) continue;
    logical += part;
    if (logical.ends_with('\\')) {
      logical.back() = ' ';
      continue;
    }
    std::string line;
    line.swap(logical);
    if (line.starts_with('[')) {
      inside = line == "[Install]";
      continue;
    }
    const auto equals = line.find('=');
    if (!inside || equals == std::string::npos) continue;
    const auto key = trim(std::string_view(line).substr(0, equals));
    const auto value = trim(std::string_view(line).substr(equals + 1));
    auto* list = key == "WantedBy"     ? &section.wanted_by
                 : key == "RequiredBy" ? &section.required_by
                 : key == "UpheldBy"   ? &section.upheld_by
                 : key == "Alias"      ? &section.alias
                 : key == "Also"       ? &section.also
                                       : nullptr;
    if (key == "DefaultInstance") section.default_instance = value;
    if (list == nullptr) continue;
    if (value.empty()) list->clear();  // an empty assignment clears the list
    for (const auto& word : split_words(value)) list->push_back(word);
  }
  return section;
}

std::string template_of(const std::string& unit) {
  const auto at = unit.find('@'), dot = unit.rfind('.');
  return at == std::string::npos || dot == std::string::npos || dot < at ? unit
                                                                         : unit.substr(0, at + 1) + unit.substr(dot);
}

std::string instance_of(const std::string& unit) {
  const auto at = unit.find('@'), dot = unit.rfind('.');
  return at == std::string::npos || dot == std::string::npos || dot < at ? std::string()
                                                                         : unit.substr(at + 1, dot - at - 1);
}

std::string with_instance(const std::string& unit_template, const std::string& instance) {
  const auto at = unit_template.find('@');
  return at == std::string::npos
             ? unit_template
             : unit_template.substr(0, at + 1) + instance + unit_template.substr(unit_template.rfind('.'));
}

std::vector<Preset> read_presets(std::string_view text) {
  std::vector<Preset> presets;
  for (const auto& line : split(text, '\n')) {
    const auto words = split_words(line);
    if (words.size() < 2 || (words[0] != "enable" && words[0] != "disable")) continue;
    presets.push_back({words[0] == "enable", words[1], {words.begin() + 2, words.end()}});
  }
  return presets;
}

}  // namespace k8simg::rootfs
