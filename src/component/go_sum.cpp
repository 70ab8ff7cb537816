// Reads go.sum: the modules whose content is compiled, without the lines for go.mod files alone.
#include "component/go_sum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

std::vector<LockedModule> parse_go_sum(std::string_view text, const std::string& name) {
  std::vector<LockedModule> modules;
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const auto words = split_words(line);
    if (words.size() != 3 || !words[2].starts_with("h1:")) {
      throw Error(ErrorKind::Usage, fmt::format("{}:{}: not a go.sum line: {}", name, number, line), "run `go mod tidy` in the component's folder");
    }
    if (!words[1].ends_with("/go.mod")) modules.push_back({words[0], words[1], words[2]});
  }
  std::sort(modules.begin(), modules.end(), [](const auto& a, const auto& b) { return std::tie(a.path, a.version) < std::tie(b.path, b.version); });
  return modules;
}

}  // namespace k8simg
