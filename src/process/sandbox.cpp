// Makes bubblewrap's argument vector, and chooses the host's network settings that a command with network gets.
#include "process/sandbox.hpp"

#include <stdlib.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using Environment = std::map<std::string, std::string>;

constexpr const char* ca_bundle = "/etc/ssl/certs/ca-certificates.crt";

std::string environment_variable(const std::string& name) {
  const char* value = ::getenv(name.c_str());
  return value != nullptr ? value : "";
}

/// The variables that `go env -w` wrote: NAME=VALUE lines in the file GOENV, or in the user's configuration folder.
Environment go_environment_file() {
  fs::path file = environment_variable("GOENV");
  if (file == "off") return {};
  if (file.empty()) {
    fs::path folder = environment_variable("XDG_CONFIG_HOME");
    if (folder.empty()) folder = fs::path(environment_variable("HOME")) / ".config";
    file = folder / "go" / "env";
  }
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return {};
  Environment variables;
  for (const std::string& line : split(read_file(file), '\n')) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos || line.starts_with('#')) continue;
    variables[std::string(trim(line.substr(0, equals)))] = line.substr(equals + 1);
  }
  return variables;
}

/// The environment variables that downloads need: proxies, certificates and Go's module proxy.
Environment network_environment() {
  static constexpr std::array proxies{"http_proxy", "https_proxy", "no_proxy", "all_proxy",
                                      "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"};
  static constexpr std::array go{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY"};
  Environment variables;
  for (const char* name : proxies)
    if (const std::string value = environment_variable(name); !value.empty()) variables[name] = value;
  const Environment file = go_environment_file();
  for (const char* name : go) {
    if (const std::string value = environment_variable(name); !value.empty())
      variables[name] = value;
    else if (const auto found = file.find(name); found != file.end())
      variables[name] = found->second;
  }
  variables["SSL_CERT_FILE"] = ca_bundle;
  return variables;
}

/// The canonical path of a host file, since a symlink's target need not exist in the sandbox; empty if there is no
/// file.
fs::path host_file(const fs::path& path) {
  std::error_code error;
  const fs::path file = fs::canonical(path, error);
  return error || !fs::is_regular_file(file, error) ? fs::path() : file;
}

fs::path host_ca_bundle() {
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"})
    if (const std::string value = environment_variable(name); !value.empty())
      if (const fs::path file = host_file(value); !file.empty()) return file;
  return host_file(ca_bundle);
}

std::size_t depth(const std::string& path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

}  // namespace

const std::vector<std::string>& sandbox_mount_points() {
  static const std::vector<std::string> points{"dev/",
                                               "proc/",
                                               "tmp/",
                                               "in/",
                                               "out/",
                                               "build/",
                                               "cache/",
                                               "run/",
                                               "sys/",
                                               "etc/hosts",
                                               "etc/resolv.conf",
                                               "etc/ssl/certs/ca-certificates.crt"};
  return points;
}

Command sandbox(const SandboxCommand& command) {
  Command result;
  std::vector<std::string>& argv = result.argv;
  const auto add = [&](std::initializer_list<std::string> arguments) { argv.insert(argv.end(), arguments); };

  add({"bwrap", "--unshare-all"});
  if (command.network) add({"--share-net"});
  add({"--die-with-parent"});
  if (!command.interactive) add({"--new-session"});
  add({"--hostname", "k8simg", "--cap-drop", "ALL"});
  const std::string id = command.map_root ? "0" : "1000";
  add({"--uid", id, "--gid", id});
  add({"--ro-bind", command.root.string(), "/", "--dev", "/dev", "--proc", "/proc", "--perms", "1777", "--tmpfs",
       "/tmp"});

  std::vector<SandboxBind> binds = command.binds;
  if (command.network) {
    for (const char* file : {"/etc/hosts", "/etc/resolv.conf"})
      if (const fs::path host = host_file(file); !host.empty()) binds.push_back({host, file});
    if (const fs::path bundle = host_ca_bundle(); !bundle.empty()) binds.push_back({bundle, ca_bundle});
  }
  const auto bound = [&](const char* point) {
    return std::any_of(binds.begin(), binds.end(), [&](const SandboxBind& bind) { return bind.inside == point; });
  };
  // bwrap creates missing mount points in these tmpfs; it cannot do so in the read-only root.
  if (!bound("/in")) add({"--size", "1048576", "--tmpfs", "/in"});
  if (!bound("/build")) add({"--size", "67108864", "--tmpfs", "/build"});
  std::stable_sort(binds.begin(), binds.end(),
                   [](const SandboxBind& a, const SandboxBind& b) { return depth(a.inside) < depth(b.inside); });
  for (const SandboxBind& bind : binds)
    add({bind.device ? "--dev-bind" : bind.writable ? "--bind" : "--ro-bind", bind.host.string(), bind.inside});

  Environment environment{{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/go-1.26/bin"},
                          {"HOME", "/tmp"},
                          {"LC_ALL", "C.UTF-8"},
                          {"TZ", "UTC"}};
  if (command.network)
    for (const auto& [name, value] : network_environment()) environment[name] = value;
  for (const auto& [name, value] : command.environment) environment[name] = value;

  argv.insert(argv.end(), command.extra_arguments.begin(), command.extra_arguments.end());
  add({"--chdir", command.working_folder, "--"});
  argv.insert(argv.end(), command.argv.begin(), command.argv.end());

  // bwrap passes its environment on. Arguments would show passwords of proxies to every user of the machine.
  result.environment = std::move(environment);
  result.interactive = command.interactive;
  return result;
}

}  // namespace k8simg
