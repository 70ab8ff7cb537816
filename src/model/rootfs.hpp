// What the configuration says of the root filesystem.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace k8simg {

/// What is left of a maintainer script without its recognised blocks, judged by a person (defconfigs/scripts.toml).
struct Judgement {
  std::string package, script;  ///< "openssh-server", "postinst"
  std::string remainder;        ///< hex SHA-256 of what is left once the recognised blocks are out
  std::string rule;             ///< name of the rule that models it, or "" when harmless
  std::string reason;
};

/// A declared collision: the later layer wins.
struct PathReplacement {
  std::string path, reason;  ///< path: a glob
};

/// What git cannot keep of overlays' files, and what packages ship otherwise.
struct PathMode {
  std::string path;        ///< a glob
  std::uint32_t mode = 0;  ///< permission bits
  std::string owner;       ///< "user:group", names of the image or numbers; "" for unchanged
};

/// An account for people, or a change of an account that packages bring.
struct AccountConfig {
  std::string name, comment;
  int uid = 0;        ///< 0: the next free number from 1000
  std::string shell;  ///< "": bash, else sh
  std::vector<std::string> groups;
  std::vector<std::string> authorized_keys;
  std::string password_hash;  ///< of crypt(5); "": no password
};

struct ProxyConfig {
  std::string http, https;            ///< URLs
  std::vector<std::string> no_proxy;  ///< hosts, domains and networks
};

struct RootfsConfig {
  std::vector<std::string> exclude, keep;  ///< globs on the target; keep wins
  std::vector<PathReplacement> replace;
  std::vector<PathMode> modes;  ///< applied when all else is done, in order
  std::string hostname, timezone;
  std::string keymap;  ///< of consoles: layouts of XKB, "de(nodeadkeys)" or "us,ru"; "": the kernel's
  std::string locale;  ///< "de_DE.UTF-8"; "": C.UTF-8
  std::vector<std::string> authorized_keys;  ///< lines for root
  std::vector<std::string> enable_units, disable_units, mask_units;
  std::map<std::string, std::string> alternatives;  ///< name → path chosen, "iptables" = "/usr/sbin/iptables-nft"
  std::vector<Judgement> judgements;
  std::vector<AccountConfig> users;
  std::map<std::string, std::vector<std::string>> registry_mirrors;  ///< "docker.io" or "*" → URLs in their order
  ProxyConfig proxy;
  std::map<std::string, std::string> answers;  ///< to debconf's questions, for scripts that are evaluated
};

}  // namespace k8simg
