// Explains a kernel symbol: who requests or selects it, up to a fragment and what names the fragment.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "provenance/why.hpp"
#include "toml/document.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

std::string position(const SymbolReason& reason) {
  return fmt::format("{}{}:{}", reason.kind == "requested" ? "" : "Linux, ", reason.file, reason.line);
}

/// The key that names a fragment: kernel.fragments, or kernel.config for files of boards.
Evidence fragment_line(const Config& config, const std::string& file) {
  constexpr std::string_view folder = "kernel-fragments/", suffix = ".config";
  std::string key = "kernel.config", name = file.substr(file.rfind('/') + 1);
  if (file.starts_with(folder) && file.ends_with(suffix)) {
    key = "kernel.fragments";
    name = name.substr(0, name.size() - suffix.size());
  }
  return {fmt::format("{} has {}", key, toml::quote(name)), where_set(config.settings, key, name)};
}

/// The request that counts: that of the last fragment.
const SymbolReason* request_of(const KernelSymbol& symbol) {
  const SymbolReason* found = nullptr;
  for (const auto& reason : symbol.reasons)
    if (reason.kind == "requested") found = &reason;
  return found;
}

/// The symbols from `symbol` to one that a fragment requests, by way of symbols that select, otherwise imply. Only
/// `symbol` itself if there is none.
std::vector<std::pair<std::string, const SymbolReason*>> way_to_request(const KernelSymbols& all,
                                                                        const std::string& symbol) {
  std::map<std::string, std::pair<std::string, const SymbolReason*>> reached{{symbol, {"", nullptr}}};
  std::deque<std::string> queue{symbol};
  while (!queue.empty()) {
    const std::string at = queue.front();
    queue.pop_front();
    const auto found = all.symbols.find(at);
    if (found == all.symbols.end()) continue;
    if (request_of(found->second)) {
      std::vector<std::pair<std::string, const SymbolReason*>> way;
      for (std::string step = at; !step.empty(); step = reached.at(step).first)
        way.insert(way.begin(), {step, reached.at(step).second});
      return way;
    }
    for (const char* kind : {"selected", "implied"})
      for (const auto& reason : found->second.reasons)
        if (reason.kind == kind && reached.try_emplace(reason.by, at, &reason).second) queue.push_back(reason.by);
  }
  return {{symbol, nullptr}};
}

}  // namespace

Explanation why_symbol(const Config& config, const KernelSymbols& all, const std::string& name) {
  const auto found = all.symbols.find(name);
  if (found == all.symbols.end()) {
    std::vector<std::string> names;
    for (const auto& [known, symbol] : all.symbols) names.push_back(known);
    const auto near = nearest(name, names);
    throw Error(ErrorKind::Usage, fmt::format("the kernel of {} has no symbol {}{}", config.name, name,
                                              near ? fmt::format(" (did you mean {}?)", *near) : ""));
  }
  const KernelSymbol& symbol = found->second;
  Explanation result{.kind = "symbol",
                     .subject = symbol.value == "n" ? name + " is not set" : name + "=" + symbol.value,
                     .what = symbol.definition.empty() ? "" : "defined in Linux, " + join(symbol.definition, ", ")};
  const auto requirement = [&] {
    for (const auto& required : config.kernel.required) {
      if (std::find(required.any_of.begin(), required.any_of.end(), name) == required.any_of.end()) continue;
      result.chain.push_back({fmt::format("{} by {}{}", required.required ? "required" : "recommended",
                                          join(required.by, ", "), required.note.empty() ? "" : ": " + required.note),
                              config.kernel.requirements.generic_string()});
    }
  };
  if (symbol.value == "n") {
    if (const SymbolReason* request = request_of(symbol)) {
      result.chain.push_back({fmt::format("requested: {}", request->by), position(*request)});
      result.chain.push_back(fragment_line(config, request->file));
    } else {
      result.chain.push_back({"no fragment requests it, and no set symbol selects it", ""});
    }
    std::map<std::string, std::string> values;
    for (const auto& [known, other] : all.symbols)
      if (other.value != "n") values.emplace(known, other.value);
    for (const auto& condition : symbol.depends)
      result.chain.push_back({"it depends on " + annotate_dependency(condition, values), ""});
    requirement();
    return result;
  }
  const auto way = way_to_request(all, name);
  for (std::size_t i = 1; i < way.size(); ++i) {
    const auto& [by, reason] = way[i];
    result.chain.push_back({fmt::format("{} by {}={}", reason->kind, by, all.symbols.at(by).value), position(*reason)});
  }
  const KernelSymbol& last = all.symbols.at(way.back().first);
  if (const SymbolReason* request = request_of(last)) {
    result.chain.push_back({fmt::format("requested: {}={}", way.back().first, request->by), position(*request)});
    result.chain.push_back(fragment_line(config, request->file));
  } else {
    for (const auto& reason : last.reasons)
      result.chain.push_back({reason.kind == "default" ? fmt::format("Kconfig's default is {}", reason.by)
                                                       : fmt::format("{} by {}", reason.kind, reason.by),
                              position(reason)});
    if (last.reasons.empty()) result.chain.push_back({"set by what Kconfig finds out of compiler and machine", ""});
  }
  requirement();
  return result;
}

}  // namespace k8simg
