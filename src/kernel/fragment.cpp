// Parses and merges kernel fragments and .config files, and checks that requests are met.
#include "kernel/fragment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

bool is_symbol(std::string_view name) {
  return name.starts_with("CONFIG_") && name.size() > 7 &&
         std::all_of(name.begin() + 7, name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

bool is_value(std::string_view value) {
  if (value == "y" || value == "m" || value == "n") return true;
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') return true;
  if (value.starts_with("0x") || value.starts_with("0X")) {
    return value.size() > 2 &&
           std::all_of(value.begin() + 2, value.end(), [](unsigned char c) { return std::isxdigit(c); });
  }
  if (value.starts_with("-")) value.remove_prefix(1);
  return !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) { return std::isdigit(c); });
}

/// The symbol and value of a line; nullopt for comments and blank lines. Sets `bad` for an invalid line.
std::optional<std::pair<std::string, std::string>> parse_line(std::string_view line, bool& bad) {
  bad = false;
  constexpr std::string_view not_set = " is not set";
  if (line.starts_with("# CONFIG_") && line.ends_with(not_set)) {
    const std::string_view name = line.substr(2, line.size() - 2 - not_set.size());
    if (is_symbol(name)) return std::pair{std::string(name), std::string("n")};
  }
  if (line.empty() || line.front() == '#') return std::nullopt;
  const auto equals = line.find('=');
  if (equals != std::string_view::npos && is_symbol(line.substr(0, equals)) && is_value(line.substr(equals + 1))) {
    return std::pair{std::string(line.substr(0, equals)), std::string(line.substr(equals + 1))};
  }
  bad = true;
  return std::nullopt;
}

}  // namespace

std::vector<KernelRequest> parse_fragment(std::string_view text, const std::string& name) {
  std::vector<KernelRequest> requests;
  int number = 0;
  for (const std::string& raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    bool bad = false;
    if (auto entry = parse_line(line, bad)) {
      requests.push_back({entry->first, entry->second, name, number});
    } else if (bad) {
      throw Error(ErrorKind::Usage, fmt::format("{}:{}: not a kernel configuration line: {}", name, number, line),
                  "write CONFIG_NAME=y, =m, =n, a number or a quoted string, or \"# CONFIG_NAME is not set\"");
    }
  }
  return requests;
}

std::map<std::string, std::string> parse_kernel_config(std::string_view text) {
  std::map<std::string, std::string> config;
  for (const std::string& line : split(text, '\n')) {
    bool bad = false;
    if (auto entry = parse_line(trim(line), bad); entry && entry->second != "n")
      config.insert_or_assign(entry->first, entry->second);
  }
  return config;
}

std::vector<KernelRequest> merge_requests(const std::vector<std::vector<KernelRequest>>& fragments) {
  std::map<std::string, KernelRequest> merged;
  for (const auto& fragment : fragments) {
    for (const auto& request : fragment) merged.insert_or_assign(request.symbol, request);
  }
  std::vector<KernelRequest> result;
  for (auto& [symbol, request] : merged) result.push_back(std::move(request));
  return result;
}

std::string render_requests(const std::vector<KernelRequest>& merged) {
  std::string text;
  for (const auto& request : merged) {
    text += request.value == "n" ? fmt::format("# {} is not set\n", request.symbol)
                                 : fmt::format("{}={}\n", request.symbol, request.value);
  }
  return text;
}

std::vector<KernelMismatch> check_config(const std::vector<KernelRequest>& merged,
                                         const std::map<std::string, std::string>& config) {
  std::vector<KernelMismatch> mismatches;
  for (const auto& request : merged) {
    const auto found = config.find(request.symbol);
    const std::string actual = found == config.end() ? "n" : found->second;
    if (actual != request.value) mismatches.push_back({request, actual});
  }
  return mismatches;
}

std::vector<KernelRequirement> unmet_requirements(const std::vector<KernelRequirement>& requirements,
                                                  const std::map<std::string, std::string>& config) {
  std::vector<KernelRequirement> unmet;
  for (const auto& requirement : requirements) {
    const bool met = std::any_of(requirement.any_of.begin(), requirement.any_of.end(), [&](const std::string& symbol) {
      const auto found = config.find(symbol);
      return found != config.end() && (found->second == "y" || found->second == "m");
    });
    if (!met) unmet.push_back(requirement);
  }
  return unmet;
}

}  // namespace k8simg
