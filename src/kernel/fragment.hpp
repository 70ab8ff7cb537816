// Kernel configuration as text: what fragments ask for, what a final .config says, and the check of one against the
// other.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// One requested symbol. `value` is "y", "m", "n" (also for "# CONFIG_X is not set"), a number or a quoted string, as
/// in .config.
struct KernelRequest {
  std::string symbol, value, fragment;
  int line = 0;
};

/// Reads a fragment: `CONFIG_X=value` and `# CONFIG_X is not set` lines, comments and blank lines. Error{Usage}
/// FILE:LINE for anything else.
std::vector<KernelRequest> parse_fragment(std::string_view text, const std::string& name);
/// A .config (or a merged fragment) as symbol → value; symbols that are not set are absent.
std::map<std::string, std::string> parse_kernel_config(std::string_view text);
/// Later fragments win; sorted by symbol. The text that Kconfig reads (KCONFIG_ALLCONFIG).
std::vector<KernelRequest> merge_requests(const std::vector<std::vector<KernelRequest>>& fragments);
std::string render_requests(const std::vector<KernelRequest>& merged);

/// A symbol that Kconfig did not give as asked.
struct KernelMismatch {
  KernelRequest request;
  std::string actual;
};
std::vector<KernelMismatch> check_config(const std::vector<KernelRequest>& merged,
                                         const std::map<std::string, std::string>& config);

struct KernelRequirement {
  std::vector<std::string> any_of, by;
  bool required = true;
  std::string note;
};
/// The requirements that no symbol of `any_of` meets (y or m).
std::vector<KernelRequirement> unmet_requirements(const std::vector<KernelRequirement>& requirements,
                                                  const std::map<std::string, std::string>& config);

/// Where Kconfig defines a symbol, and the conditions that it stands under (own `depends on`, enclosing menu and if,
/// also those around the `source` line of its file), as written.
struct KconfigDefinition {
  std::string file;
  int line = 0;
  std::vector<std::string> depends;
  bool has_prompt = false;
};
/// Reads `root` and every file that it sources; one sourced twice counts where it is met first.
class KconfigIndex {
 public:
  using Read = std::function<std::optional<std::string>(const std::string& path)>;
  /// `read`: bytes of a file of the kernel source, nullopt when there is none; `arch`: the folder below arch/, what
  /// $(SRCARCH) says.
  KconfigIndex(const std::string& root, const std::string& arch, const Read& read);
  std::vector<KconfigDefinition> find(const std::string& symbol) const;  ///< without the CONFIG_ prefix
 private:
  std::map<std::string, std::vector<KconfigDefinition>> definitions_;  ///< by symbol
};
/// "depends on NETFILTER_ADVANCED (n) && IPV6 (y)": each symbol of the expression with its value in `config`.
std::string annotate_dependency(const std::string& expression, const std::map<std::string, std::string>& config);

}  // namespace k8simg
