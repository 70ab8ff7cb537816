// Reads node.toml line by line, so that every mistake is found at once, and holds it against the rules of each role.
#include "config/node_file.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "config/schema.hpp"
#include "config/value_checks.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

using namespace config;

constexpr std::size_t most_bytes = 65536;  // somebody's holiday picture under the wrong name is not worth reading

constexpr bool digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool letter(char c) { return lower(c) || (c >= 'A' && c <= 'Z'); }

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || !digit(text.front()) || error != std::errc() || end != text.data() + text.size() || value > most)
    return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;  // octal to some
  return value;
}

std::optional<std::uint32_t> ipv4(const std::string& text) {
  std::uint32_t value = 0;
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (const auto& part : parts) {
    const auto byte = number(part, 255);
    if (!byte) return std::nullopt;
    value = value << 8 | *byte;
  }
  return value;
}

bool ipv6(const std::string& text) {
  std::array<unsigned char, 16> bytes;
  return inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

/// A domain name: labels of letters, digits and dashes. What looks like an IPv4 address must be one.
bool domain_name(const std::string& text) {
  if (text.empty() || text.size() > 253) return false;
  const auto labels = split(text, '.');
  for (const auto& label : labels) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return letter(c) || digit(c) || c == '-'; }))
      return false;
  }
  return !std::all_of(labels.back().begin(), labels.back().end(), digit);
}

struct Network {
  std::uint32_t address = 0;
  unsigned bits = 0;
  std::uint32_t mask() const { return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits); }
};

std::optional<Network> network(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto address = ipv4(text.substr(0, slash));
  const auto bits = number(text.substr(slash + 1), 32);
  if (!address || !bits) return std::nullopt;
  return Network{*address, *bits};
}

/// What is this machine, this link, or a group of machines (RFC 6890, RFC 5771): 0/8, 127/8, 169.254/16, 224/3.
bool special(const Network& network) {
  static constexpr std::array<Network, 4> all{{{0, 8}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 3}}};
  return std::any_of(all.begin(), all.end(), [&](const Network& one) {
    return ((one.address ^ network.address) & one.mask() & network.mask()) == 0;
  });
}

Check network_check(unsigned fewest, unsigned most) {
  return [=](const std::string& text) -> std::string {
    const auto found = network(text);
    if (!found) return fmt::format("must be an IPv4 network such as \"10.244.0.0/16\", not {}", quote(text));
    if (found->bits < fewest || found->bits > most)
      return fmt::format("must be from /{} to /{}, not {}", fewest, most, quote(text));
    if ((found->address & ~found->mask()) != 0)
      return fmt::format("must begin at the network's first address, and {} does not", quote(text));
    if (special(*found))
      return fmt::format(
          "must not overlap 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16 or 224.0.0.0/3, whose addresses no machine can "
          "have, and {} does",
          quote(text));
    return "";
  };
}

std::string check_server(const std::string& text) {
  if (text.find("://") != std::string::npos)
    return fmt::format("must be ADDRESS:PORT without what stands before \"//\", not {}", quote(text));
  const auto colon = text.rfind(':');
  const std::string host = text.substr(0, colon), port = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const bool good = bracketed ? ipv6(host.substr(1, host.size() - 2)) : ipv4(host) || domain_name(host);
  const auto value = number(port, 65535);
  if (good && value && *value > 0) return "";
  return fmt::format("must be ADDRESS:PORT such as \"192.168.1.10:6443\", not {}", quote(text));
}

/// The second half of a token that everybody can know: Kubernetes' documentation shows it, or it is of five characters
/// or fewer.
bool well_known_secret(std::string_view secret) {
  static constexpr std::array<std::string_view, 7> shown{"0123456789abcdef", "1234567890abcdef", "f395accd246ae52d",
                                                         "c0izixklcxtmnze7", "3f89s0fje9f38fhf", "9r9hcjoqgajrj4gi",
                                                         "d09sbcov8ph2amjw"};
  return std::find(shown.begin(), shown.end(), secret) != shown.end() ||
         std::set<char>(secret.begin(), secret.end()).size() <= 5;
}

std::string check_token(const std::string& text) {
  const std::string source =
      "`/usr/libexec/k8simg-node token` on the control plane makes one";  // a secret is not repeated
  const auto fits = [](char c) { return lower(c) || digit(c); };
  if (text.size() != 23 || text[6] != '.' || !std::all_of(text.begin(), text.begin() + 6, fits) ||
      !std::all_of(text.begin() + 7, text.end(), fits))
    return "must be six and sixteen of a-z and 0-9 with a dot between; " + source;
  if (well_known_secret(std::string_view(text).substr(7)))
    return "is an example that everybody knows, and no secret; " + source + ". A control plane needs none here";
  return "";
}

std::string check_hash(const std::string& text) {
  const auto hex = hex_digest();
  if (!text.starts_with("sha256:") || !hex(text.substr(7)).empty())
    return fmt::format("must be \"sha256:\" and 64 digits of 0-9 and a-f, not {}", quote(text));
  const std::string_view digits = std::string_view(text).substr(7);
  if (digits.find_first_not_of(digits.front()) != std::string_view::npos &&
      digits != "8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78")
    return "";
  return fmt::format(
      "must be the hash of your own cluster, which `cat /etc/kubernetes/k8simg-join` on the control plane shows, not "
      "{}",
      quote(text));
}

std::string check_address(const std::string& text) {
  const auto address = ipv4(text);
  if (!address) return fmt::format("must be an IPv4 address such as \"192.168.1.10\", not {}", quote(text));
  const auto first = *address >> 24;
  if (first == 0 || first == 127 || first >= 224)
    return fmt::format("must be an address that other machines reach, not {}", quote(text));
  return "";
}

std::string check_time_server(const std::string& text) {
  return ipv4(text) || ipv6(text) || domain_name(text)
             ? ""
             : fmt::format("must be a host name or an address, not {}", quote(text));
}

std::string check_ssh_key(const std::string& text) {
  const auto words = split_words(text);
  const std::vector<std::string> kinds{"ssh-ed25519",
                                       "ssh-rsa",
                                       "ecdsa-sha2-nistp256",
                                       "ecdsa-sha2-nistp384",
                                       "ecdsa-sha2-nistp521",
                                       "sk-ssh-ed25519@openssh.com",
                                       "sk-ecdsa-sha2-nistp256@openssh.com"};
  const auto fits = [](char c) { return letter(c) || digit(c) || c == '+' || c == '/' || c == '='; };
  if (words.size() >= 2 && text.front() != ' ' && text.front() != '\t' &&
      std::find(kinds.begin(), kinds.end(), words[0]) != kinds.end() && words[1].starts_with("AAAA") &&
      words[1].size() >= 40 && std::all_of(words[1].begin(), words[1].end(), fits))
    return "";
  return fmt::format("must be the line of a public key file such as id_ed25519.pub: \"ssh-ed25519 AAAA...\", not {}",
                     quote(text));
}

std::string check_hostname(const std::string& text) {
  if (text == "localhost") return "must be a name of this machine's own, not \"localhost\"";
  return host_name()(text);
}

Table node_table(NodeFile& node) {
  return {{text("role", node.role, one_of({"single", "control-plane", "worker", "standalone"})),
           text("hostname", node.hostname, check_hostname), text("server", node.server, check_server),
           text("token", node.token, check_token), text("ca-cert-hash", node.ca_cert_hash, check_hash),
           text("pod-network", node.pod_network, network_check(8, 24)),
           text("service-network", node.service_network, network_check(12, 24)),
           text("address", node.address, check_address), text("ntp", node.ntp, check_time_server),
           text("ssh-key", node.ssh_key, check_ssh_key)}};
}

constexpr std::string_view token_removed = "# token: removed after use";  // how the line begins that the device leaves

/// Whether a line that TOML understands is one that the device understands too.
bool plain_line(std::string_view line) {
  line = trim(line);
  if (line.empty() || line.front() == '#') return true;
  const auto equals = line.find('=');
  const auto key = trim(line.substr(0, equals));
  if (equals == std::string_view::npos ||
      !std::all_of(key.begin(), key.end(), [](char c) { return letter(c) || digit(c) || c == '-' || c == '_'; }))
    return false;
  const auto value = trim(line.substr(equals + 1));
  if (value.empty()) return false;
  if (value.front() != '"' && value.front() != '\'') return true;  // no text: its type is refused
  const auto end = value.find(value.front(), 1);
  return end != std::string_view::npos &&
         (value.front() == '\'' || value.substr(0, end).find('\\') == std::string_view::npos) &&
         (end == 1 ? !value.substr(2).starts_with(value.front()) : true);
}

/// The lines as one document: each is read by itself, behind as many line breaks as it takes for its positions to be
/// right.
Value read_lines(std::string_view text, const std::string& file, NodeFile& node, Diagnostics& diagnostics) {
  Value document;
  document.kind = Kind::Table;
  document.position = {file, 1, 1};
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  int count = 0;
  for (const auto& raw : split(text, '\n')) {
    ++count;
    const std::string_view line =
        raw.ends_with('\r') ? std::string_view(raw).substr(0, raw.size() - 1) : std::string_view(raw);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (line.starts_with(token_removed)) node.token_removed = true;
    const std::size_t before = diagnostics.size();
    auto parsed =
        parse_document(std::string(static_cast<std::size_t>(count - 1), '\n').append(line), file, diagnostics);
    if (!parsed || diagnostics.size() != before) continue;
    if (!plain_line(line) || parsed->members.size() > 1) {
      diagnostics.add(
          {file, count, 1},
          "a line here is KEY = \"TEXT\" or a comment: the key without quotes or dots, the text without backslashes");
      continue;
    }
    for (auto& member : parsed->members) {
      if (const auto* first = find(document, member.key))
        diagnostics.add(member.position, fmt::format("{} is already set on line {}", member.key, first->position.line));
      else
        document.members.push_back(std::move(member));
    }
  }
  return document;
}

/// What a role needs, and what it has no use for: a key in the wrong file is a role in the wrong file. What is missing
/// is told only when nothing else is wrong: it may stand in a line that was not understood.
void check_role(const NodeFile& node, const Value& document, const std::string& file, Diagnostics& diagnostics) {
  const auto* role = find(document, "role");
  if (!role) {
    if (diagnostics.empty())
      diagnostics.add({file, 1, 1}, "role is missing: \"single\", \"control-plane\", \"worker\" or \"standalone\"");
    return;
  }
  if (node.role.empty()) return;  // refused already
  struct Use {
    const char* key;
    std::vector<std::string> roles;
  };
  static const std::vector<Use> uses{{"server", {"worker"}},
                                     {"token", {"worker", "control-plane", "single"}},
                                     {"ca-cert-hash", {"worker"}},
                                     {"pod-network", {"single", "control-plane", "standalone"}},
                                     {"service-network", {"single", "control-plane"}}};
  for (const auto& use : uses) {
    const auto* member = find(document, use.key);
    if (member && std::find(use.roles.begin(), use.roles.end(), node.role) == use.roles.end())
      diagnostics.add(member->position, fmt::format("{} has no meaning with role = {}: it is for {}", use.key,
                                                    quote(node.role), join(use.roles, ", ")));
  }
  if (node.role != "worker" || !diagnostics.empty()) return;
  for (const std::string key : {"server", "token", "ca-cert-hash"})
    if (!find(document, key) && !(key == "token" && node.token_removed))
      diagnostics.add(role->position, fmt::format("{} is missing, which role = \"worker\" needs", key));
}

void check_networks(const NodeFile& node, const Value& document, Diagnostics& diagnostics) {
  const auto pods = network(node.pod_network.empty() ? "10.244.0.0/16" : node.pod_network);
  const auto services = network(node.service_network.empty() ? "10.96.0.0/12" : node.service_network);
  const auto* pod = find(document, "pod-network");
  const auto* service = find(document, "service-network");
  const auto mask = pods->mask() & services->mask();
  const bool by_service = !node.service_network.empty();
  if ((by_service || !node.pod_network.empty()) && node.role != "standalone" &&
      (pods->address & mask) == (services->address & mask))
    diagnostics.add((by_service ? service : pod)->position, by_service
                                                                ? "service-network overlaps the network of the pods"
                                                                : "pod-network overlaps the network of the services");
  if (node.role == "control-plane" && pods->bits > 23)
    diagnostics.add(pod->position, fmt::format("pod-network has room for one machine, for each takes a /24 of it, and "
                                               "workers join a control plane: choose a network from /8 to /23, not {}",
                                               quote(node.pod_network)));
  const auto address = ipv4(node.address);
  if (!address || node.role == "worker") return;
  const auto* where = find(document, "address");
  for (const auto& [found, name] : {std::pair{pods, "pod"}, std::pair{services, "service"}})
    if ((*address & found->mask()) == found->address && (node.role != "standalone" || name == std::string("pod")))
      diagnostics.add(where->position,
                      fmt::format("address lies in the {}-network, which is for what runs inside the cluster", name));
}

}  // namespace

NodeFile read_node_file(std::string_view text, const std::string& file) {
  Diagnostics diagnostics;
  NodeFile node;
  if (text.size() > most_bytes) {
    diagnostics.add({file, 1, 1},
                    fmt::format("the file has {} bytes, and more than {} are not read", text.size(), most_bytes));
    diagnostics.throw_if_any();
  }
  if (text.find('\0') != std::string_view::npos) {
    diagnostics.add({file, 1, 1}, "the file is no text; save it as \"UTF-8\" or \"plain text\"");
    diagnostics.throw_if_any();
  }
  const Value document = read_lines(text, file, node, diagnostics);
  Reader reader(diagnostics);
  reader.read(node_table(node), document, Anywhere);
  check_role(node, document, file, diagnostics);
  check_networks(node, document, diagnostics);
  diagnostics.throw_if_any();
  return node;
}

}  // namespace k8simg
