// The rules. Each models one effect of Debian's maintainer scripts, or adds what an image needs beyond packages. The
// name is used in origins ("rule:NAME") and in defconfigs/scripts.toml.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rootfs/assembly.hpp"

namespace k8simg::rootfs {

struct Rule {
  const char* name;
  void (*apply)(Assembly&);
  const char* what;  ///< a short description for error messages
};

/// In the order in which they run.
const std::vector<Rule>& rules();
/// The number that is set aside for an account, or nullopt.
std::optional<std::uint32_t> fixed_number(std::string_view name);
/// A number for an account for which none is set aside: from its name, so that it does not depend on the order of
/// packages. eval.Derive of components/maintscript computes the same.
std::uint32_t derived_number(std::string_view name, const std::function<bool(std::uint32_t)>& taken);
bool is_rule(std::string_view name);
/// Whether a judgement covers the remainder of the script.
bool is_judged(const std::vector<Judgement>& judgements, std::string_view package, std::string_view script,
               const ScriptAnalysis& analysis);

void usr_merge(Assembly& assembly);          // rules_defaults.cpp
void base_files(Assembly& assembly);         // rules_defaults.cpp
void default_files(Assembly& assembly);      // rules_defaults.cpp
void accounts(Assembly& assembly);           // rules_accounts.cpp
void owners(Assembly& assembly);             // rules_defaults.cpp
void alternatives(Assembly& assembly);       // rules_alternatives.cpp
void pam(Assembly& assembly);                // rules_pam.cpp
void nsswitch(Assembly& assembly);           // rules_pam.cpp
void scripts(Assembly& assembly);            // rules_scripts.cpp
void units(Assembly& assembly);              // rules_units.cpp
void users(Assembly& assembly);              // rules_users.cpp
void registries(Assembly& assembly);         // rules_registries.cpp
void certificates(Assembly& assembly);       // rules_certificates.cpp
void file_capabilities(Assembly& assembly);  // rules_capabilities.cpp
void identity(Assembly& assembly);           // rules_identity.cpp
void time_zone(Assembly& assembly);          // rules_identity.cpp
void keymap(Assembly& assembly);             // rules_localisation.cpp
void locale(Assembly& assembly);             // rules_localisation.cpp
void disk_mounts(Assembly& assembly);        // rules_identity.cpp
void exclusions(Assembly& assembly);         // rules_exclusions.cpp
void hardware_database(Assembly& assembly);  // rules_hardware_database.cpp
void library_cache(Assembly& assembly);      // rules_library_cache.cpp
void package_database(Assembly& assembly);   // rules_package_database.cpp
void modes(Assembly& assembly);
void update_stamps(Assembly& assembly);  // rules_identity.cpp

}  // namespace k8simg::rootfs
