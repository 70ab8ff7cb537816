// Rule alternatives: the alternatives that packages register in their scripts, the selected one, and its links. Format
// of the administrative files: update-alternatives(1), "FILES", and dpkg's utils/update-alternatives.c.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "rootfs/rules.hpp"
#include "rootfs/shell_words.hpp"
#include "tree/usr_merge.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

struct Choice {
  std::string path;
  int priority = 0;
  std::map<std::string, std::string> slaves;  // name → path
};
struct Alternative {
  std::string link;
  std::map<std::string, std::string> slave_links;  // name → link
  std::map<std::string, Choice> choices;           // by path, as in dpkg's file
};

/// --install LINK NAME PATH PRIORITY and --slave LINK NAME PATH. A call may have several of both.
void read_call(const std::vector<std::string>& words, std::map<std::string, Alternative>& all) {
  Alternative* alternative = nullptr;
  Choice* choice = nullptr;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--install" && i + 4 < words.size()) {
      alternative = &all[words[i + 2]];
      alternative->link = words[i + 1];
      choice = &alternative->choices[words[i + 3]];
      choice->path = words[i + 3];
      const auto& priority = words[i + 4];
      std::from_chars(priority.data(), priority.data() + priority.size(), choice->priority);
      i += 4;
    } else if (words[i] == "--slave" && i + 3 < words.size() && choice != nullptr) {
      alternative->slave_links[words[i + 2]] = words[i + 1];
      choice->slaves[words[i + 2]] = words[i + 3];
      i += 3;
    }
  }
}

std::string administrative_file(const Alternative& alternative, bool manual) {
  std::string text = fmt::format("{}\n{}\n", manual ? "manual" : "auto", alternative.link);
  for (const auto& [name, link] : alternative.slave_links) text += fmt::format("{}\n{}\n", name, link);
  text += "\n";
  for (const auto& [path, choice] : alternative.choices) {
    text += fmt::format("{}\n{}\n", path, choice.priority);
    for (const auto& [name, link] : alternative.slave_links) {
      const auto slave = choice.slaves.find(name);
      text += (slave == choice.slaves.end() ? std::string() : slave->second) + "\n";
    }
  }
  return text + "\n";
}

}  // namespace

void alternatives(Assembly& assembly) {
  const std::string rule = "alternatives";
  std::map<std::string, Alternative> all;
  for (const auto& package : assembly.packages) {
    // Calls have the same form in blocks of dh_installalternatives and elsewhere, so the whole script is read.
    const auto script = package.members.find("postinst");
    if (script == package.members.end()) continue;
    for (const auto& call : calls_of(script->second, "update-alternatives")) read_call(call, all);
  }
  const auto there = [&](const std::string& path) {
    return assembly.exists(relative(path)) && !assembly.excluded(relative(path));
  };
  for (auto& [name, alternative] : all) {
    // update-alternatives too ignores choices and slaves whose file does not exist.
    auto& choices = alternative.choices;
    std::erase_if(choices, [&](const auto& each) { return !there(each.first); });
    std::erase_if(alternative.slave_links, [&](const auto& slave) {
      return std::none_of(choices.begin(), choices.end(), [&](const auto& choice) {
        const auto found = choice.second.slaves.find(slave.first);
        return found != choice.second.slaves.end() && there(found->second);
      });
    });
    if (alternative.choices.empty() || assembly.excluded(relative(alternative.link))) continue;
    auto best = alternative.choices.begin();
    for (auto each = alternative.choices.begin(); each != alternative.choices.end(); ++each) {
      if (each->second.priority > best->second.priority) best = each;
    }
    const auto wanted = assembly.options.alternatives.find(name);
    const bool manual = wanted != assembly.options.alternatives.end();
    if (manual) {
      best = alternative.choices.find(wanted->second);
      if (best == alternative.choices.end()) {
        std::vector<std::string> paths;
        for (const auto& [path, choice] : alternative.choices) paths.push_back(path);
        throw Error(ErrorKind::Usage, fmt::format("the alternative {} cannot be set to {}", name, wanted->second),
                    fmt::format("Choices are: {}.", join(paths, ", ")));
      }
    }
    const auto connect = [&](const std::string& link, const std::string& each, const std::string& path) {
      assembly.link(rule, "etc/alternatives/" + each, path);
      assembly.link(rule, usr_merged_path(relative(link)),
                    "/etc/alternatives/" + each);  // "/lib/cpp" is below a link
    };
    connect(alternative.link, name, best->first);
    for (const auto& [slave, link] : alternative.slave_links) {
      const auto path = best->second.slaves.find(slave);
      if (path != best->second.slaves.end() && there(path->second)) connect(link, slave, path->second);
    }
    assembly.file(rule, "var/lib/dpkg/alternatives/" + name, administrative_file(alternative, manual));
  }
  for (const auto& [name, path] : assembly.options.alternatives) {
    if (all.contains(name)) continue;
    std::vector<std::string> names;
    for (const auto& [known, alternative] : all) names.push_back(known);
    const auto near = nearest(name, names);
    throw Error(ErrorKind::Usage, fmt::format("no package registers the alternative {}", name),
                near ? fmt::format("Did you mean {}?", *near) : std::string());
  }
}

}  // namespace k8simg::rootfs
