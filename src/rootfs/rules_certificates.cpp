// Rule certificates: trusted certificates in /etc/ssl/certs, as update-ca-certificates(8) and openssl-rehash(1) make
// them.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "rootfs/openssl.hpp"
#include "rootfs/rules.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

/// "Foo (2).crt" → "Foo_=2=.pem": replaces spaces, parentheses and commas as update-ca-certificates does.
std::string link_name(const std::string& path) {
  auto name = path.substr(path.rfind('/') + 1);
  name = name.substr(0, name.rfind(".crt"));
  for (auto& c : name) c = c == ' ' ? '_' : c == '(' || c == ')' ? '=' : c == ',' ? '_' : c;
  return name + ".pem";
}

}  // namespace

void certificates(Assembly& assembly) {
  const std::string rule = "certificates";
  std::vector<std::string> sources;
  const std::string shipped = "usr/share/ca-certificates/", local = "usr/local/share/ca-certificates/";
  for (const auto& [path, node] : assembly.tree.nodes()) {
    if ((path.starts_with(shipped) || path.starts_with(local)) && path.ends_with(".crt") && node.type == NodeType::File)
      sources.push_back(path);
  }
  if (sources.empty()) return;
  std::string configuration =
                  "# Certificates of /usr/share/ca-certificates that update-ca-certificates(8) installs; \"!\" before "
                  "a name deselects it.\n",
              bundle;
  std::map<std::string, std::set<std::string>> by_hash;  // hash → link names
  std::map<std::string, std::string> fingerprints;
  for (const auto& source : sources) {
    if (source.starts_with(shipped)) configuration += source.substr(shipped.size()) + "\n";
  }
  assembly.file_if_absent(rule, "etc/ca-certificates.conf", configuration);
  for (const auto& source : sources) {
    auto text = assembly.text(source);
    const auto hash = subject_hash(text);
    if (!hash) {
      assembly.log(fmt::format("certificates: /{} is not a certificate and is ignored", source));
      continue;
    }
    const auto name = link_name(source);
    assembly.link(rule, "etc/ssl/certs/" + name, "/" + source);
    if (!text.ends_with('\n')) text += '\n';
    bundle += text;
    by_hash[*hash].insert(name);
    fingerprints[name] = fingerprint(text);
  }
  for (const auto& [hash, names] : by_hash) {
    std::set<std::string> seen;
    int number = 0;
    for (const auto& name : names) {
      if (seen.insert(fingerprints[name]).second)
        assembly.link(rule, fmt::format("etc/ssl/certs/{}.{}", hash, number++), name);
    }
  }
  assembly.file(rule, "etc/ssl/certs/ca-certificates.crt", bundle);
}

}  // namespace k8simg::rootfs
