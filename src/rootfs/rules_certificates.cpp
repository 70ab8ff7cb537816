// Rule certificates: trusted certificates in /etc/ssl/certs, as update-ca-certificates(8) and openssl-rehash(1) make
// them.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "rootfs/openssl.hpp"
#include "rootfs/rules.hpp"
#include "util/error.hpp"
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

/// The certificates of a PEM text, each with its first and last line.
std::vector<std::string> certificates_of(const std::string& pem) {
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----";
  std::vector<std::string> list;
  for (auto at = pem.find(begin); at != pem.npos; at = pem.find(begin, at + 1)) {
    const auto last = pem.find(end, at);
    if (last == pem.npos) break;
    list.push_back(pem.substr(at, last + end.size() - at) + "\n");
  }
  return list;
}

/// system.ca-certificates: as files of update-ca-certificates(8), which takes one certificate from each.
void add_trusted(Assembly& assembly) {
  for (const auto& [name, pem] : assembly.options.trusted) {
    const auto list = certificates_of(pem);
    const bool readable = !list.empty() && std::all_of(list.begin(), list.end(), [](const std::string& each) {
      return subject_hash(each).has_value();
    });
    if (!readable)
      throw Error(ErrorKind::Usage, fmt::format("system.ca-certificates: {} has no certificate that can be read", name),
                  "Give files with certificates in PEM: `openssl x509 -inform der -in FILE` converts one.");
    if (pem.find("PRIVATE KEY-----") != pem.npos)
      throw Error(ErrorKind::Usage, fmt::format("system.ca-certificates: {} has a private key", name),
                  "Remove the key from the file. Machines that trust an authority do not need its key.");
    for (std::size_t i = 0; i < list.size(); ++i)
      assembly.file("certificates",
                    fmt::format("usr/local/share/ca-certificates/{}{}.crt", name,
                                list.size() == 1 ? "" : fmt::format("-{}", i + 1)),
                    list[i]);
  }
}

}  // namespace

void certificates(Assembly& assembly) {
  const std::string rule = "certificates";
  add_trusted(assembly);
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
