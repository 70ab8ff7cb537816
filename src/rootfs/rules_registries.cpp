// Rule registries: where containerd fetches container images: mirrors of registries, and a proxy. Format of hosts.toml:
// containerd's docs/hosts.md.
#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

/// "hosts.toml" of a registry. Without `server`, containerd asks the registry itself after the mirrors.
std::string hosts_file(const std::vector<std::string>& mirrors) {
  std::string text = "# From containerd.mirrors. The mirrors are asked in this order, then the registry itself.\n";
  for (const auto& url : mirrors) {
    text += fmt::format("[host.\"{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n", url);
    // containerd appends /v2 to a URL without it. A proxy of a registry, as Harbor has it, has /v2 in the middle.
    if ((url + "/").find("/v2/") != std::string::npos) text += "  override_path = true\n";
  }
  return text;
}

/// A value in a unit file (systemd.exec(5), Environment=): quoted, and without specifiers.
std::string quoted(const std::string& text) { return "\"" + replace_all(text, "%", "%%") + "\""; }

}  // namespace

void registries(Assembly& assembly) {
  const std::string rule = "registries";
  for (const auto& [registry, mirrors] : assembly.options.registry_mirrors) {
    if (mirrors.empty()) continue;
    const std::string folder = registry == "*" ? "_default" : registry;
    assembly.file(rule, "etc/containerd/certs.d/" + folder + "/hosts.toml", hosts_file(mirrors));
  }
  const ProxyConfig& proxy = assembly.options.proxy;
  std::string text;
  if (!proxy.http.empty()) text += "Environment=" + quoted("HTTP_PROXY=" + proxy.http) + "\n";
  if (!proxy.https.empty()) text += "Environment=" + quoted("HTTPS_PROXY=" + proxy.https) + "\n";
  if (text.empty()) return;
  assembly.file(rule, "etc/systemd/system/containerd.service.d/20-proxy.conf",
                "# From system.proxy. Pods do not inherit it.\n[Service]\n" + text +
                    "Environment=" + quoted("NO_PROXY=" + join(proxy.no_proxy, ",")) + "\n");
}

}  // namespace k8simg::rootfs
