// Rules pam and nsswitch: PAM's common-* files as pam-auth-update makes them from the profiles of packages, and
// nsswitch.conf. Format: pam-auth-update(8) and libpam-runtime's templates in /usr/share/pam.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "rootfs/debian.hpp"
#include "rootfs/rules.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

struct Profile {
  std::string name;
  int priority = 0;
  bool enabled = false, interactive_only = false;
  std::map<std::string, std::string> fields;  // "Auth-Type" → "Primary"; blocks have one module per line
};

Profile read_profile(const std::string& name, const std::string& text) {
  Profile profile;
  profile.name = name;
  std::string field;
  for (const auto& line : split(text, '\n')) {
    if (line.starts_with('#') || trim(line).empty()) continue;
    if (line.front() == ' ' || line.front() == '\t') {
      auto& block = profile.fields[field];
      block += (block.empty() ? "" : "\n") + std::string(trim(line));
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    field = line.substr(0, colon);
    profile.fields[field] = std::string(trim(std::string_view(line).substr(colon + 1)));
  }
  const auto& priority = profile.fields["Priority"];
  std::from_chars(priority.data(), priority.data() + priority.size(), profile.priority);
  profile.enabled = profile.fields["Default"] == "yes";
  profile.interactive_only = profile.fields["Session-Interactive-Only"] == "yes";
  return profile;
}

std::string field(const Profile& profile, const std::string& name) {
  const auto found = profile.fields.find(name);
  return found == profile.fields.end() ? std::string() : found->second;
}

/// The modules of one block. "end" in a control is replaced by the number of lines to the end of the block.
std::string block(const std::vector<const Profile*>& profiles, const std::string& type, const std::string& kind,
                  bool noninteractive) {
  const auto word = static_cast<char>(type[0] - 'a' + 'A') + type.substr(1);
  std::vector<std::string> lines;
  for (const auto* profile : profiles) {
    if (field(*profile, word + "-Type") != kind || (noninteractive && profile->interactive_only)) continue;
    auto modules = field(*profile, word);
    if (const auto initial = field(*profile, word + "-Initial"); lines.empty() && !initial.empty()) modules = initial;
    for (const auto& module : split(modules, '\n')) {
      if (!trim(module).empty()) lines.push_back(module);
    }
  }
  std::string text;
  if (lines.empty() && kind == "Primary") return fmt::format("{}\t[default=1]\t\t\tpam_permit.so\n", type);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto line = replace_all(lines[i], "=end", "=" + std::to_string(lines.size() - i));
    if (line.ends_with(".so")) line += ' ';  // pam-auth-update writes a space after the module, even without options
    text += fmt::format("{}\t{}\n", type, line);
  }
  return text;
}

}  // namespace

void pam(Assembly& assembly) {
  std::vector<Profile> profiles;
  for (const auto& path : assembly.tree.children("usr/share/pam-configs"))
    profiles.push_back(read_profile(path.substr(path.rfind('/') + 1), assembly.text(path)));
  std::vector<const Profile*> enabled;
  for (const auto& profile : profiles) {
    if (profile.enabled) enabled.push_back(&profile);
  }
  std::stable_sort(enabled.begin(), enabled.end(),
                   [](const Profile* a, const Profile* b) { return a->priority > b->priority; });
  for (const auto& file : debian().pam_files) {
    const bool noninteractive = file == "session-noninteractive";
    const auto type = noninteractive ? std::string("session") : file;
    const auto text = assembly.text("usr/share/pam/common-" + file);
    if (text.empty()) continue;
    std::string result;
    for (const auto& line : split(text, '\n')) {
      // "$session_nonint_primary" in the template of the non-interactive file.
      if (line.starts_with('$') && line.ends_with("_primary")) {
        result += block(enabled, type, "Primary", noninteractive);
      } else if (line.starts_with('$') && line.ends_with("_additional")) {
        result += block(enabled, type, "Additional", noninteractive);
      } else {
        result += line + "\n";
      }
    }
    while (result.ends_with("\n\n")) result.pop_back();
    assembly.file_if_absent("pam", "etc/pam.d/common-" + file, result);
  }
}

void nsswitch(Assembly& assembly) {
  auto text = assembly.text("usr/share/libc-bin/nsswitch.conf");
  if (text.empty()) return;
  std::string result;
  for (const auto& line : split(text, '\n')) {
    auto changed = line;
    const auto database = line.substr(0, line.find(':'));
    for (const auto& each : debian().name_services) {
      const auto& databases = each.databases;
      if (std::find(databases.begin(), databases.end(), database) == databases.end() ||
          assembly.package(each.package) == nullptr)
        continue;
      const std::string added = " " + each.service, before = " " + each.before;
      changed = each.before.empty() ? changed + added : replace_all(changed, before, added + before);
    }
    result += changed + "\n";
  }
  while (result.ends_with("\n\n")) result.pop_back();
  assembly.file_if_absent("nsswitch", "etc/nsswitch.conf", result);
}

}  // namespace k8simg::rootfs
