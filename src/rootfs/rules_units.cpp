// Rule units: enables and masks systemd units as Debian's scripts, then presets of layers, then the defconfig say.
// Formats: systemd.unit(5) [Install], systemd.preset(5).
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "rootfs/shell_words.hpp"
#include "rootfs/unit_file.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

const std::string units_rule = "units";

/// The units of one manager: the system manager, or the user managers.
class UnitSet {
 public:
  UnitSet(Assembly& assembly, std::string scope) : assembly_(assembly), scope_(std::move(scope)) {}

  /// Path of the unit's file, for an instance that of the template; "" if there is none.
  std::string file_of(const std::string& unit) const {
    for (const auto& name : {unit, template_of(unit)}) {
      for (const auto* folder : {"etc/systemd/", "usr/local/lib/systemd/", "usr/lib/systemd/"}) {
        const auto path = folder + scope_ + "/" + name;
        const auto* node = assembly_.tree.find(path);
        if (node != nullptr && (node->type == NodeType::File || assembly_.exists(path))) return path;
      }
    }
    return {};
  }

  std::vector<std::string> names() const {
    std::set<std::string> names;
    for (const auto* folder : {"etc/systemd/", "usr/local/lib/systemd/", "usr/lib/systemd/"}) {
      for (const auto& path : assembly_.tree.children(folder + scope_)) {
        const auto name = path.substr(path.rfind('/') + 1);
        const auto* node = assembly_.tree.find(path);
        if (node->type != NodeType::Directory && name.find('.') != std::string::npos) names.insert(name);
      }
    }
    return {names.begin(), names.end()};
  }

  InstallSection install(const std::string& unit) const {
    const auto path = file_of(unit);
    return path.empty() ? InstallSection{} : read_install_section(assembly_.text(path));
  }

  void enable(const std::string& unit) {
    auto name = unit;
    if (template_of(unit) == unit && unit.find('@') != std::string::npos) {
      const auto instance = install(unit).default_instance;
      if (!instance.empty()) name = with_instance(unit, instance);
    }
    if (enabled_.insert(name).second) {
      for (const auto& also : install(name).also) enable(also);
    }
  }
  void disable(const std::string& unit) {
    std::erase_if(enabled_, [&](const std::string& each) { return each == unit || template_of(each) == unit; });
  }
  void mask(const std::string& unit) {
    disable(unit);
    masked_.insert(unit);
  }

  const std::set<std::string>& enabled() const { return enabled_; }

  void write() {
    for (const auto& unit : enabled_) write_links(unit);
    for (const auto& unit : masked_) assembly_.link(units_rule, "etc/systemd/" + scope_ + "/" + unit, "/dev/null");
  }

 private:
  void write_links(const std::string& unit) {
    const auto path = file_of(unit);
    if (path.empty()) return;
    const auto section = install(unit);
    const auto folder = "etc/systemd/" + scope_ + "/";
    const auto connect = [&](const std::vector<std::string>& targets, const std::string& kind) {
      for (const auto& target : targets)
        assembly_.link(units_rule, folder + expanded(target, unit) + kind + "/" + unit, "/" + path);
    };
    connect(section.wanted_by, ".wants");
    connect(section.required_by, ".requires");
    connect(section.upheld_by, ".upholds");
    for (const auto& alias : section.alias) {
      if (alias != unit) assembly_.link(units_rule, folder + expanded(alias, unit), "/" + path);
    }
  }

  static std::string expanded(std::string text, const std::string& unit) {
    const auto instance = instance_of(unit);
    for (const auto* specifier : {"%i", "%I"}) text = replace_all(std::move(text), specifier, instance);
    return replace_all(std::move(text), "%n", unit);
  }

  Assembly& assembly_;
  std::string scope_;
  std::set<std::string> enabled_, masked_;
};

enum class From { Packages, Layers };

/// Presets, sorted by the names of their files. A file in /etc replaces the file of the same name in /usr/lib.
std::vector<Preset> presets_of(const Assembly& assembly, const std::string& scope, From from) {
  std::map<std::string, std::string> files;
  for (const auto* folder : {"usr/lib/systemd/", "etc/systemd/"}) {
    for (const auto& path : assembly.tree.children(folder + scope + "-preset")) {
      if (path.ends_with(".preset")) files[path.substr(path.rfind('/') + 1)] = path;
    }
  }
  std::vector<Preset> presets;
  for (const auto& [name, path] : files) {
    if (assembly.from_layer(path) != (from == From::Layers)) continue;
    const auto read = read_presets(assembly.text(path));
    presets.insert(presets.end(), read.begin(), read.end());
  }
  return presets;
}

const Preset* first_match(const std::vector<Preset>& presets, const std::string& unit) {
  for (const auto& preset : presets) {
    if (glob_match(preset.glob, unit) || glob_match(preset.glob, template_of(unit))) return &preset;
  }
  return nullptr;
}

/// Enables the units that scripts list, like deb-systemd-helper, unless a preset disables them.
void enable_what_packages_enable(Assembly& assembly, UnitSet& system, UnitSet& user) {
  const auto system_presets = presets_of(assembly, "system", From::Packages),
             user_presets = presets_of(assembly, "user", From::Packages);
  for (const auto& package : assembly.packages) {
    for (const auto& block : package.postinst.blocks) {
      if (block.kind != "enable" && block.kind != "enable-user") continue;
      for (const auto& unit : block.units) {
        auto& units = block.kind == "enable" ? system : user;
        const auto* preset = first_match(block.kind == "enable" ? system_presets : user_presets, unit);
        if (!units.file_of(unit).empty() && (preset == nullptr || preset->enable)) units.enable(unit);
      }
    }
    // The postinst of systemd has `systemctl enable getty@tty1.service`.
    for (const auto& call : calls_of(package.postinst.remainder, "systemctl")) {
      const auto verb = std::find(call.begin(), call.end(), "enable");
      for (auto each = verb; each != call.end(); ++each) {
        if (each != verb && !each->starts_with('-') && !system.file_of(*each).empty()) system.enable(*each);
      }
    }
  }
}

/// What evaluated scripts enable, under the same presets.
void enable_what_scripts_enable(Assembly& assembly, UnitSet& system, UnitSet& user) {
  const auto enable = [&](const std::vector<std::string>& names, const char* scope, UnitSet& units) {
    const auto presets = presets_of(assembly, scope, From::Packages);
    for (const auto& unit : names) {
      const auto* preset = first_match(presets, unit);
      if (!units.file_of(unit).empty() && (preset == nullptr || preset->enable)) units.enable(unit);
    }
  };
  enable(assembly.enable, "system", system);
  enable(assembly.enable_user, "user", user);
  for (const auto& unit : assembly.mask) system.mask(unit);
}

/// Presets of layers take precedence over packages. The first match counts, as with systemctl preset.
void apply_presets_of_layers(Assembly& assembly, UnitSet& system) {
  const auto presets = presets_of(assembly, "system", From::Layers);
  std::vector<std::string> off;
  for (const auto& unit : system.names()) {
    const auto* match = first_match(presets, unit);
    if (match == nullptr) continue;
    if (!match->enable) {
      off.push_back(unit);
    } else if (!match->instances.empty()) {
      for (const auto& instance : match->instances) system.enable(with_instance(unit, instance));
    } else if (!system.install(unit).empty()) {
      system.enable(unit);
    }
  }
  // Units are disabled last, because enabling a unit may enable others with Also=.
  for (const auto& unit : off) system.disable(unit);
}

void require(const UnitSet& units, const std::string& unit, const char* list) {
  if (!units.file_of(unit).empty()) return;
  const auto near = nearest(unit, units.names());
  throw Error(ErrorKind::Usage, fmt::format("{} names the unit {}, which does not exist", list, unit),
              near ? fmt::format("Did you mean {}?", *near)
                   : std::string("Add the package, component or overlay that has it, or remove the name."));
}

/// A preset with the enabled units, which disables all others. Without a machine id, the first boot applies presets
/// like `systemctl preset-all` (machine-id(5)), which would enable every unit that no preset names.
std::string first_boot_preset(const UnitSet& system) {
  std::map<std::string, std::vector<std::string>> lines;
  for (const auto& unit : system.enabled()) {
    const auto instance = instance_of(unit);
    auto& instances = lines[instance.empty() ? unit : template_of(unit)];
    if (!instance.empty()) instances.push_back(instance);
  }
  std::string text = "# What this image enables; everything else stays off when the first boot applies presets.\n";
  for (const auto& [unit, instances] : lines)
    text += "enable " + unit + (instances.empty() ? "" : " " + join(instances, " ")) + "\n";
  return text + "disable *\n";
}

}  // namespace

void units(Assembly& assembly) {
  if (assembly.tree.find("usr/lib/systemd/system") == nullptr) return;
  UnitSet system(assembly, "system"), user(assembly, "user");
  enable_what_packages_enable(assembly, system, user);
  enable_what_scripts_enable(assembly, system, user);
  apply_presets_of_layers(assembly, system);
  for (const auto& unit : assembly.options.enable_units) {
    require(system, unit, "enable");
    system.enable(unit);
  }
  for (const auto& unit : assembly.options.disable_units) {
    require(system, unit, "disable");
    system.disable(unit);
  }
  for (const auto& unit : assembly.options.mask_units) system.mask(unit);
  system.write();
  user.write();
  assembly.file(units_rule, "etc/systemd/system-preset/00-image.preset", first_boot_preset(system));
  assembly.log(fmt::format("units enabled: {}", join({system.enabled().begin(), system.enabled().end()}, " ")));
}

}  // namespace k8simg::rootfs
