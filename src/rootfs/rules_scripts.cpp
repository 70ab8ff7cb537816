// Maintainer scripts that are evaluated: the result of components/maintscript becomes part of the tree.
#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "rootfs/evaluation.hpp"
#include "rootfs/evaluation_text.hpp"
#include "rootfs/rules.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

using nlohmann::json;

const ScriptAnalysis* analysis_of(const Assembly& assembly, const std::string& package, const std::string& script) {
  const auto* found = assembly.package(package);
  if (found == nullptr) return nullptr;
  if (script.starts_with("preinst")) return &found->preinst;
  return script.starts_with("postinst") ? &found->postinst : nullptr;
}

/// One failed script: what, where, why, and what a judgement of it would name.
std::string describe(const Assembly& assembly, const json& failure) {
  const std::string package = failure.at("package"), script = failure.at("script"), command = failure.at("command");
  const auto line = failure.at("line").get<int>();
  std::string text = fmt::format("\n{} of {}", script, package);
  if (const auto* found = assembly.package(package)) text += " " + found->version;
  if (line > 0) text += fmt::format(", line {}", line);
  if (!command.empty()) text += fmt::format(": {}", command);
  text += fmt::format("\n  {}", failure.at("message").get<std::string>());
  if (const auto hint = failure.value("hint", std::string()); !hint.empty()) text += fmt::format("\n  {}", hint);
  if (const auto* analysis = analysis_of(assembly, package, script))
    text += fmt::format("\n  remainder = \"{}\"", analysis->remainder_sha256);
  return text;
}

void check_report(const Assembly& assembly, const json& report) {
  std::string failures;
  int count = 0;
  for (const auto& script : report.at("scripts")) {
    assembly.log(fmt::format("{} of {}: {} commands", script.at("script").get<std::string>(),
                             script.at("package").get<std::string>(), script.at("commands").get<int>()));
    for (const auto& note : script.value("notes", json::array()))
      assembly.log(fmt::format("  line {}: {}: {}", note.at("line").get<int>(), note.at("command").get<std::string>(),
                               note.at("why").get<std::string>()));
    if (!script.contains("failure")) continue;
    ++count;
    failures += describe(assembly, script.at("failure"));
  }
  if (count == 0) return;
  throw Error(ErrorKind::Resolve,
              fmt::format("{} maintainer script{} cannot be evaluated:{}", count, count == 1 ? "" : "s", failures),
              "Leave the package out, answer its questions with packages.answers, or add a [[judgement]] to "
              "defconfigs/scripts.toml with package, script, remainder, and a rule or the reason why a new image does "
              "not need the script.");
}

void set_node(Assembly& assembly, const json& change, const std::filesystem::path& folder) {
  const auto path = as_bytes(change.at("path").get<std::string>());
  if (assembly.from_layer(path)) {
    assembly.log(fmt::format("scripts: /{} stays as {} gives it", path, assembly.tree.find(path)->origin.text()));
    return;
  }
  const auto* known = assembly.tree.find(path);
  Node node = known != nullptr ? *known : Node{};
  node.type = type_of(change.at("type").get<std::string>());
  node.mode = change.at("mode");
  node.uid = change.at("uid");
  node.gid = change.at("gid");
  node.mtime = change.at("mtime");
  node.target = as_bytes(change.value("target", std::string()));
  const auto device = change.value("device", std::uint64_t{0});
  node.major = static_cast<std::uint32_t>(device >> 32), node.minor = static_cast<std::uint32_t>(device);
  node.xattrs.clear();
  for (const auto& [name, value] : change.value("xattrs", std::map<std::string, std::string>()))
    node.xattrs[as_bytes(name)] = bytes_of(value);
  if (const auto by = change.value("by", std::string()); !by.empty()) node.origin = Origin(by);
  if (const auto content = change.value("content", std::string()); !content.empty()) {
    const auto blob = assembly.store.put_file(folder / content);
    node.content = blob.digest;
    node.size = blob.size;
  } else if (node.type != NodeType::File) {
    node.content = {};
    node.size = 0;
  }
  if (const auto link = change.value("link", std::string()); !link.empty()) {
    const auto first = as_bytes(link);
    node.link_group = first;
    if (auto* other = assembly.tree.find(first)) {
      if (other->link_group.empty()) other->link_group = first;
      node.link_group = other->link_group;
      node.content = other->content;
      node.size = other->size;
    }
  } else if (known == nullptr || node.type != NodeType::File) {
    node.link_group.clear();
  }
  assembly.tree.set(path, std::move(node));
}

std::uint32_t number_in(const std::string& text) {
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Later rules look accounts up by name.
void read_accounts(Assembly& assembly) {
  for (const auto& line : split(assembly.text("etc/passwd"), '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 7 || std::any_of(assembly.users.begin(), assembly.users.end(),
                                         [&](const User& user) { return user.name == fields[0]; }))
      continue;
    assembly.users.push_back(
        {fields[0], number_in(fields[2]), number_in(fields[3]), fields[4], fields[5], fields[6], "!", false, false});
  }
  for (const auto& line : split(assembly.text("etc/group"), '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4 || std::any_of(assembly.groups.begin(), assembly.groups.end(),
                                         [&](const Group& group) { return group.name == fields[0]; }))
      continue;
    assembly.groups.push_back({fields[0], number_in(fields[2]), {}});
  }
}

std::vector<std::string> names(const json& report, const char* key) {
  const auto found = report.find(key);
  return found == report.end() || found->is_null() ? std::vector<std::string>()
                                                   : found->get<std::vector<std::string>>();
}

}  // namespace

void apply_evaluation(Assembly& assembly, const std::filesystem::path& folder) {
  const auto result = json::parse(read_file(folder / "result.json"));
  const auto& report = result.at("report");
  check_report(assembly, report);
  for (const auto& removal : result.at("removed")) {
    const auto path = as_bytes(removal.at("path").get<std::string>());
    if (!assembly.from_layer(path)) assembly.tree.erase(path);
  }
  // The first name of a file comes before its links.
  for (const bool links : {false, true})
    for (const auto& change : result.at("nodes"))
      if (change.contains("link") == links) set_node(assembly, change, folder);
  const auto diverted = names(report, "diverted");
  std::erase_if(assembly.contested, [&](const Contested& each) {
    return std::find(diverted.begin(), diverted.end(), as_text(each.path)) != diverted.end();
  });
  if (!assembly.contested.empty()) throw_contested(assembly, assembly.contested);
  read_accounts(assembly);
  assembly.enable = names(report, "enable");
  assembly.enable_user = names(report, "enable_user");
  assembly.mask = names(report, "mask");
  assembly.log(fmt::format("{} scripts evaluated: {} paths changed, {} removed", report.at("scripts").size(),
                           result.at("nodes").size(), result.at("removed").size()));
}

void scripts(Assembly& assembly) {
  if (assembly.options.evaluate.empty()) return;  // then nothing is contested
  if (!assembly.evaluator) throw Error(ErrorKind::Internal, "scripts are to be evaluated, and nothing evaluates them");
  apply_evaluation(assembly, assembly.evaluator(evaluation_request(assembly)));
}

}  // namespace k8simg::rootfs
