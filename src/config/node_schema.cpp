// Reads the schema of node.toml, and holds single values against its checks.
// components/kubernetes/node/nodefile/checks.go does the same in Go.
#include "config/node_schema.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "toml/schema.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {
std::string_view node_schema_text();  // made by util/embed.cmake
}

namespace k8simg::config {

using namespace toml;

namespace {

constexpr bool digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool lower_or_digit(char c) { return digit(c) || (c >= 'a' && c <= 'z'); }
constexpr bool alphanumeric(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

template <class Fits>
bool all(std::string_view text, Fits fits) {
  return std::all_of(text.begin(), text.end(), fits);
}

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// As people write it: a leading zero means octal to some programs.
std::optional<unsigned> decimal(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 9 || !all(text, digit) || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value <= most ? std::optional(value) : std::nullopt;
}

std::optional<std::uint32_t> ipv4(const std::string& text) {
  std::uint32_t value = 0;
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (const auto& part : parts) {
    const auto byte = decimal(part, 255);
    if (!byte) return std::nullopt;
    value = value << 8 | *byte;
  }
  return value;
}

bool ipv6(const std::string& text) {
  std::array<unsigned char, 16> bytes;
  return text.find('\0') == std::string::npos && inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

bool label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         all(text, [](char c) { return alphanumeric(c) || c == '-'; });
}

/// An IPv4 address or a domain name. What ends in a number must be an address.
bool host(const std::string& text) {
  if (ipv4(text)) return true;
  const auto labels = split(text, '.');
  return !labels.empty() && text.size() <= 253 && std::all_of(labels.begin(), labels.end(), label) &&
         !all(labels.back(), digit);
}

bool server(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  const std::string name = text.substr(0, colon);
  const auto port = decimal(std::string_view(text).substr(colon + 1), 65535);
  if (name.starts_with('['))
    return port.value_or(0) > 0 && name.size() > 2 && name.ends_with(']') && ipv6(name.substr(1, name.size() - 2));
  return port.value_or(0) > 0 && host(name);
}

struct Network {
  std::uint32_t address = 0;
  unsigned bits = 0;
  std::uint32_t mask() const { return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits); }
};

std::optional<Network> network(const std::string& text) {
  const auto slash = text.find('/');
  const auto address = ipv4(text.substr(0, slash));
  const auto bits =
      slash == std::string::npos ? std::optional(32u) : decimal(std::string_view(text).substr(slash + 1), 32);
  return address && bits ? std::optional(Network{*address, *bits}) : std::nullopt;
}

/// Nobody can guess it: it is in no documentation, and has enough different characters.
bool secret(const NodeCheck& check, std::string_view text) {
  return !has(check.values, text) &&
         std::set<char>(text.begin(), text.end()).size() >= static_cast<std::size_t>(check.least);
}

bool ssh_key(const NodeCheck& check, const std::string& text) {
  const auto end = text.find_first_of(" \t");
  if (end == std::string::npos || holds_control(text) || !has(check.values, std::string_view(text).substr(0, end)))
    return false;
  const auto start = text.find_first_not_of(" \t", end);
  if (start == std::string::npos) return false;
  const std::string data = text.substr(start, text.find_first_of(" \t", start) - start);
  return data.size() >= 40 && data.starts_with("AAAA") &&
         all(data, [](char c) { return alphanumeric(c) || c == '+' || c == '/' || c == '='; });
}

bool hexadecimal(std::string_view text) {
  return text.size() == 64 && all(text, [](char c) { return digit(c) || (c >= 'a' && c <= 'f'); });
}

Table check_table(NodeCheck& check) {
  return {{text("is", check.is).require(), list("values", check.values), number("least", check.least, 0, 64),
           number("most", check.most, 0, 64), text("message", check.message).require()}};
}

NodeSchema read_schema() {
  NodeSchema schema;
  int bytes = 0, value_lines = 0;
  const Table table{
      {number("bytes", bytes, 1, 1 << 24).require(), number("value-lines", value_lines, 1, 1000).require(),
       text("token-removed", schema.token_removed).require(),
       text("token-removed-line", schema.token_removed_line).require(), text_map("messages", schema.messages),
       text_map("types", schema.types), entries<NodeKey>("key", "name", schema.keys, &NodeKey::name, [](NodeKey& key) {
         return Table{{list("roles", key.roles), list("required", key.required), flag("secret", key.secret),
                       text("default", key.fallback), records<NodeCheck>("check", key.checks, check_table)}};
       })}};
  Diagnostics diagnostics;
  const auto document = parse_document(node_schema_text(), "schema.toml", diagnostics);
  if (document) {
    Reader reader(diagnostics);
    reader.read(table, *document);
    reader.complete(table, {"schema.toml", 1, 1});
  }
  diagnostics.throw_if_any();
  schema.bytes = static_cast<std::size_t>(bytes), schema.value_lines = static_cast<std::size_t>(value_lines);
  return schema;
}

}  // namespace

const NodeKey* NodeSchema::find(std::string_view name) const {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const NodeKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

const NodeSchema& node_schema() {
  static const NodeSchema schema = read_schema();
  return schema;
}

bool passes(const NodeCheck& check, const std::string& text) {
  if (check.is == "one-of") return has(check.values, text);
  if (check.is == "none-of") return !has(check.values, text);
  if (check.is == "without") return text.find(check.values.at(0)) == std::string::npos;
  if (check.is == "label")
    return label(text) && std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (check.is == "server") return server(text);
  if (check.is == "token")
    return text.size() == 23 && text[6] == '.' && all(std::string_view(text).substr(0, 6), lower_or_digit) &&
           all(std::string_view(text).substr(7), lower_or_digit);
  if (check.is == "secret") return secret(check, std::string_view(text).substr(text.find('.') + 1));
  if (check.is == "hash") return text.starts_with("sha256:") && hexadecimal(std::string_view(text).substr(7));
  if (check.is == "hash-secret") return secret(check, std::string_view(text).substr(text.find(':') + 1));
  if (check.is == "network") {
    const auto found = network(text);
    return found && text.find('/') != std::string::npos && static_cast<int>(found->bits) >= check.least &&
           static_cast<int>(found->bits) <= check.most && (found->address & ~found->mask()) == 0;
  }
  if (check.is == "outside")
    return network(text) && std::none_of(check.values.begin(), check.values.end(),
                                         [&](const std::string& other) { return networks_overlap(text, other); });
  if (check.is == "address") return ipv4(text).has_value();
  if (check.is == "host") return host(text) || ipv6(text);
  if (check.is == "ssh-key") return ssh_key(check, text);
  return false;
}

bool networks_overlap(const std::string& a, const std::string& b) {
  const auto one = network(a), other = network(b);
  return one && other && ((one->address ^ other->address) & one->mask() & other->mask()) == 0;
}

int network_bits(const std::string& text) {
  const auto found = network(text);
  return found ? static_cast<int>(found->bits) : 0;
}

bool bare_key(const std::string& text) {
  return !text.empty() && all(text, [](char c) { return alphanumeric(c) || c == '-' || c == '_'; });
}

bool holds_control(std::string_view line) {
  return std::any_of(line.begin(), line.end(),
                     [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i++]);
    if (first < 0x80) continue;
    const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - i < more) return false;
    for (std::size_t at = 0; at < more; ++at) {
      const auto next = static_cast<unsigned char>(text[i++]);
      // The second byte is limited where a shorter form, a surrogate or a number above U+10FFFF would begin.
      const unsigned least = at > 0 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
      const unsigned most = at > 0 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
      if (next < least || next > most) return false;
    }
  }
  return true;
}

}  // namespace k8simg::config
