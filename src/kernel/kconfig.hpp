// Reads the parts of the Kconfig language that explain why a symbol has its value.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace k8simg {

/// `select`, `imply` or `default` of a definition.
struct KconfigClause {
  std::string value;      ///< the selected or implied symbol; the default's expression
  std::string condition;  ///< after `if`, or ""
  int line = 0;
};

/// A definition of a symbol in Kconfig, with its conditions as written (own `depends on`, enclosing menu and if, and
/// those around the `source` line of its file).
struct KconfigDefinition {
  std::string file;
  int line = 0;
  std::vector<std::string> depends;
  bool has_prompt = false;
  std::vector<KconfigClause> selects, implies, defaults;
};

/// Reads `root` and every file that it sources. A file sourced several times counts only the first time. Format:
/// Documentation/kbuild/kconfig-language.rst.
class KconfigIndex {
 public:
  using Read = std::function<std::optional<std::string>(const std::string& path)>;
  using Definitions = std::map<std::string, std::vector<KconfigDefinition>>;
  /// `read`: content of a file of the kernel source, nullopt if it does not exist; `arch`: the folder below arch/, the
  /// value of $(SRCARCH).
  KconfigIndex(const std::string& root, const std::string& arch, const Read& read);
  std::vector<KconfigDefinition> find(const std::string& symbol) const;  ///< without the CONFIG_ prefix
  const Definitions& all() const { return definitions_; }                ///< by symbol, without the prefix

 private:
  Definitions definitions_;
};

/// Adds the value in `config` to each symbol of the expression: "NETFILTER_ADVANCED (=n) && IPV6 (=y)".
std::string annotate_dependency(const std::string& expression, const std::map<std::string, std::string>& config);

/// The value of an expression with the values of `config` (symbol with its prefix → value): 0 for n, 1 for m, 2 for y.
/// An empty expression is y. What Kconfig asks the compiler, $(...), counts as y.
int evaluate_kconfig(const std::string& expression, const std::map<std::string, std::string>& config);

}  // namespace k8simg
