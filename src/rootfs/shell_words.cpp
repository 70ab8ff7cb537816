// Parses shell commands without running them.
#include "rootfs/shell_words.hpp"

#include <algorithm>
#include <array>

#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

bool separates(const std::string& word) {
  static constexpr std::array<std::string_view, 12> words = {";",    "||",   "&&", "|", "&", "if",
                                                             "then", "else", "do", "!", "{", "("};
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool redirects(const std::string& word) {
  const auto first = word.find_first_not_of("0123456789");
  return first != word.npos && (word[first] == '>' || word[first] == '<');
}

}  // namespace

std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = 0;
  const auto close = [&] {
    if (open) words.push_back(std::move(word));
    word.clear();
    open = false;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == '\\' && i + 1 < line.size()) {
      word += line[++i];
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      close();
    } else if (c == ';') {
      close();
      words.emplace_back(";");
    } else if (c == '#' && !open) {
      break;
    } else {
      word += c;
      open = true;
    }
  }
  close();
  return words;
}

std::vector<std::vector<std::string>> calls_of(std::string_view script, std::string_view program) {
  std::vector<std::vector<std::string>> calls;
  std::string command;
  for (const auto& line : split(script, '\n')) {
    command += line;
    if (command.ends_with('\\')) {
      command.back() = ' ';
      continue;
    }
    const auto words = shell_words(command);
    command.clear();
    for (std::size_t i = 0; i < words.size(); ++i) {
      const bool starts = i == 0 || separates(words[i - 1]);
      const auto slash = words[i].rfind('/');
      if (!starts || (slash == std::string::npos ? words[i] : words[i].substr(slash + 1)) != program) continue;
      std::vector<std::string> call;
      while (i < words.size() && !separates(words[i]) && !redirects(words[i])) call.push_back(words[i++]);
      calls.push_back(std::move(call));
    }
  }
  return calls;
}

}  // namespace k8simg::rootfs
