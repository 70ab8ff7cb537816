// What components/maintscript is asked: packages, tree and accounts' numbers.
#include <map>
#include <nlohmann/json.hpp>

#include "rootfs/debian.hpp"
#include "rootfs/evaluation.hpp"
#include "rootfs/evaluation_text.hpp"
#include "rootfs/rules.hpp"
#include "util/bytes.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

using nlohmann::json;

json package_entry(const Assembly& assembly, const Package& package) {
  const auto member = [&](const std::string& name) {
    const auto found = package.members.find(name);
    return found == package.members.end() ? std::string() : found->second;
  };
  json scripts = json::object(), evaluate = json::array(), fields = json::object(), files = json::array(),
       conffiles = json::array();
  if (assembly.evaluates(package.name)) {
    const auto add = [&](const std::string& script, const ScriptAnalysis& analysis) {
      if (analysis.remainder.empty() || is_judged(assembly.options.judgements, package.name, script, analysis)) return;
      scripts[script] = member(script);
      evaluate.push_back(script);
    };
    add("preinst", package.preinst);
    add("postinst", package.postinst);
    if (const auto config = member("config"); !config.empty()) scripts["config"] = config;
  }
  for (const auto& field : package.control.fields()) fields[field.name] = field.value;
  for (const auto& [path, node] : package.data.nodes()) files.push_back(as_text("/" + path));
  for (const auto& line : split(member("conffiles"), '\n'))
    if (!line.empty()) conffiles.push_back(line);
  return {{"name", package.name},
          {"version", package.version},
          {"architecture", package.architecture},
          {"fields", fields},
          {"scripts", scripts},
          {"evaluate", evaluate},
          {"conffiles", conffiles},
          {"triggers", member("triggers")},
          {"templates", member("templates")},
          {"files", files}};
}

json node_entry(const Assembly& assembly, const std::string& path, const Node& node,
                std::map<std::string, std::string>& groups) {
  json entry = json::object();
  entry["path"] = as_text(path);
  if (assembly.excluded(path)) entry["excluded"] = true;
  if (!node.link_group.empty()) {
    const auto [first, fresh] = groups.emplace(node.link_group, path);
    if (!fresh) {
      entry["link"] = as_text(first->second);
      return entry;
    }
  }
  entry["type"] = type_name(node.type);
  entry["mode"] = node.mode;
  entry["uid"] = node.uid;
  entry["gid"] = node.gid;
  entry["mtime"] = node.mtime;
  if (node.type == NodeType::File) {
    const auto hex = node.content.hex();
    entry["size"] = node.size;
    entry["source"] = hex.substr(0, 2) + "/" + hex.substr(2);
  }
  if (!node.target.empty()) entry["target"] = as_text(node.target);
  if (node.type == NodeType::CharDevice || node.type == NodeType::BlockDevice)
    entry["device"] = (static_cast<std::uint64_t>(node.major) << 32) | node.minor;
  for (const auto& [name, value] : node.xattrs) entry["xattrs"][as_text(name)] = to_hex(value);
  return entry;
}

}  // namespace

std::string evaluation_request(const Assembly& assembly) {
  json request{{"date", assembly.options.source_date_epoch},
               {"architecture", assembly.options.architecture},
               {"multiarch", assembly.options.triplet},
               {"hostname", assembly.options.hostname},
               {"answers", assembly.options.answers},
               {"numbers", debian().account_numbers},
               {"limits", json::object()},
               {"packages", json::array()},
               {"nodes", json::array()},
               {"contested", json::array()}};
  for (const auto& package : assembly.packages) request["packages"].push_back(package_entry(assembly, package));
  std::map<std::string, std::string> groups;
  for (const auto& [path, node] : assembly.tree.nodes())
    request["nodes"].push_back(node_entry(assembly, path, node, groups));
  for (const auto& each : assembly.contested) {
    const auto entry = [&](const std::string& package, Node node) {
      node.link_group.clear();
      return json{{"package", package},
                  {"origin", node.origin.text()},
                  {"node", node_entry(assembly, each.path, node, groups)}};
    };
    request["contested"].push_back(
        {{"first", entry(each.first, *assembly.tree.find(each.path))}, {"second", entry(each.second, each.node)}});
  }
  return request.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace k8simg::rootfs
