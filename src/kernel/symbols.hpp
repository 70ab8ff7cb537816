// Why each symbol of a kernel configuration has its value, and which symbol builds a module.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/fragment.hpp"
#include "kernel/kconfig.hpp"

namespace k8simg {

/// One reason for a symbol's value.
struct SymbolReason {
  std::string kind;  ///< "requested" by a fragment, "selected" or "implied" by a symbol, "default" of Kconfig
  std::string by;    ///< the selecting symbol; the value of a request; the expression of a default
  std::string file;  ///< of the project for a request, otherwise of the kernel's source
  int line = 0;
};

struct KernelSymbol {
  std::string value;                    ///< as in .config; "n" if it is not set
  std::vector<SymbolReason> reasons;    ///< requests in the order of the fragments (the last one counts), then others
  std::vector<std::string> definition;  ///< "FILE:LINE" in the kernel's source
  std::vector<std::string> depends;     ///< of its first definition, as written
};

/// The symbols by name with the CONFIG_ prefix, and the module names ("drivers/net/vxlan/vxlan" relative to the source,
/// without suffix) with the symbol that builds them. File: JSON, the output `symbols` of the step kernel/symbols.
struct KernelSymbols {
  std::map<std::string, KernelSymbol> symbols;
  std::map<std::string, std::string> modules;
};
std::string serialise(const KernelSymbols& symbols);
KernelSymbols parse_kernel_symbols(std::string_view text);  ///< Error{Internal} if it is not from serialise()

/// `requests`: of all fragments in order, also those that a later one replaces. A symbol that is not set is in the
/// result too; its reasons are requests only.
std::map<std::string, KernelSymbol> explain_symbols(const KconfigIndex& index,
                                                    const std::vector<KernelRequest>& requests,
                                                    const std::map<std::string, std::string>& config);

/// The objects that lines such as `obj-$(CONFIG_VXLAN) += vxlan/ vxlan.o` of a Makefile build: name without ".o" →
/// symbol. Format: Documentation/kbuild/makefiles.rst. Fuzzed.
std::map<std::string, std::string> parse_kernel_makefile(std::string_view text);

}  // namespace k8simg
