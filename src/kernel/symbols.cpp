// Explains symbols by fragments and Kconfig, and modules by Makefiles.
#include "kernel/symbols.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SymbolReason, kind, by, file, line)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KernelSymbol, value, reasons, definition, depends)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KernelSymbols, symbols, modules)

namespace {

constexpr std::string_view prefix = "CONFIG_";

bool all_hold(const std::vector<std::string>& conditions, const std::map<std::string, std::string>& config) {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const std::string& condition) { return evaluate_kconfig(condition, config) > 0; });
}

}  // namespace

std::string serialise(const KernelSymbols& symbols) { return nlohmann::json(symbols).dump(); }

KernelSymbols parse_kernel_symbols(std::string_view text) {
  try {
    return nlohmann::json::parse(text).get<KernelSymbols>();
  } catch (const nlohmann::json::exception& problem) {
    throw Error(ErrorKind::Internal, fmt::format("the list of kernel symbols cannot be read: {}", problem.what()));
  }
}

std::map<std::string, KernelSymbol> explain_symbols(const KconfigIndex& index,
                                                    const std::vector<KernelRequest>& requests,
                                                    const std::map<std::string, std::string>& config) {
  std::map<std::string, KernelSymbol> symbols;
  const auto value_of = [&](const std::string& symbol) {
    const auto found = config.find(symbol);
    return found == config.end() ? std::string("n") : found->second;
  };
  const auto symbol_of = [&](const std::string& name) -> KernelSymbol& {
    KernelSymbol& symbol = symbols[name];
    if (symbol.value.empty()) symbol.value = value_of(name);
    return symbol;
  };
  for (const auto& request : requests)
    symbol_of(request.symbol).reasons.push_back({"requested", request.value, request.fragment, request.line});
  for (const auto& [name, definitions] : index.all()) {
    KernelSymbol& symbol = symbol_of(std::string(prefix) + name);
    for (const auto& definition : definitions)
      symbol.definition.push_back(fmt::format("{}:{}", definition.file, definition.line));
    symbol.depends = definitions.front().depends;
  }
  for (const auto& [name, definitions] : index.all()) {
    const std::string selecting = std::string(prefix) + name;
    if (const std::string value = value_of(selecting); value != "y" && value != "m") continue;
    for (const auto& definition : definitions) {
      const auto add = [&](const std::vector<KconfigClause>& clauses, const char* kind) {
        for (const auto& clause : clauses) {
          const std::string selected = std::string(prefix) + clause.value;
          if (value_of(selected) == "n" || evaluate_kconfig(clause.condition, config) == 0) continue;
          symbol_of(selected).reasons.push_back({kind, selecting, definition.file, clause.line});
        }
      };
      add(definition.selects, "selected");
      add(definition.implies, "implied");
    }
  }
  for (const auto& [name, definitions] : index.all()) {
    KernelSymbol& symbol = symbol_of(std::string(prefix) + name);
    if (symbol.value == "n") continue;
    for (const auto& definition : definitions) {
      if (!all_hold(definition.depends, config)) continue;
      const auto applies =
          std::find_if(definition.defaults.begin(), definition.defaults.end(),
                       [&](const KconfigClause& clause) { return evaluate_kconfig(clause.condition, config) > 0; });
      if (applies == definition.defaults.end()) continue;
      symbol.reasons.push_back({"default", applies->value, definition.file, applies->line});
      break;
    }
  }
  for (const auto& [name, value] : config) symbol_of(name);  // what the compiler's version sets has no definition
  return symbols;
}

std::map<std::string, std::string> parse_kernel_makefile(std::string_view text) {
  std::map<std::string, std::string> objects;
  const std::vector<std::string> lines = split(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string line = lines[i];
    while (line.ends_with('\\')) {
      line.back() = ' ';
      if (++i == lines.size()) break;
      line += lines[i];
    }
    constexpr std::string_view begin = "obj-$(CONFIG_";
    const std::string_view body = trim(line);
    if (!body.starts_with(begin)) continue;
    const auto close = body.find(')'), equals = body.find('=');
    if (close == std::string_view::npos || equals == std::string_view::npos || equals < close) continue;
    const std::string symbol(body.substr(begin.size() - prefix.size(), close - begin.size() + prefix.size()));
    for (const auto& word : split_words(body.substr(equals + 1)))
      if (word.ends_with(".o")) objects.emplace(word.substr(0, word.size() - 2), symbol);
  }
  return objects;
}

}  // namespace k8simg
