// Kernel configuration: requests of fragments, the final .config, and the check that it meets the requests.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/kernel.hpp"

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
/// Merges fragments, sorted by symbol; later fragments take precedence. render_requests() gives the text for Kconfig
/// (KCONFIG_ALLCONFIG).
std::vector<KernelRequest> merge_requests(const std::vector<std::vector<KernelRequest>>& fragments);
std::string render_requests(const std::vector<KernelRequest>& merged);

/// A request that the final .config does not meet.
struct KernelMismatch {
  KernelRequest request;
  std::string actual;
};
std::vector<KernelMismatch> check_config(const std::vector<KernelRequest>& merged,
                                         const std::map<std::string, std::string>& config);

/// The requirements without a set symbol (y or m) in `any_of`.
std::vector<KernelRequirement> unmet_requirements(const std::vector<KernelRequirement>& requirements,
                                                  const std::map<std::string, std::string>& config);

}  // namespace k8simg
