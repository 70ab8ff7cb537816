// Writes locks in a form with readable diffs, and parses them strictly.
#include "lock/lock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "lock/document.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

using lock_document::Kind;
using lock_document::Value;

constexpr std::uint64_t format_version = 2;  // format 1 also had the tools, and each line of go.sum
const char* const damaged_hint = "the lock is written by `k8simg lock`: restore it from version control or lock again";

// --- dates: seconds since 1970 in memory, RFC 3339 in the file, for readable diffs ---

std::string format_date(std::int64_t seconds) {
  using namespace std::chrono;
  sys_seconds time{std::chrono::seconds(seconds)};
  auto day = floor<days>(time);
  year_month_day date{day};
  hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  constexpr std::string_view shape = "0000-00-00T00:00:00Z";
  if (text.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == '0' ? !digit : text[i] != shape[i]) return std::nullopt;
  }
  auto number = [&](std::size_t at, std::size_t length) {
    int value = 0;
    for (std::size_t i = at; i < at + length; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  using namespace std::chrono;
  year_month_day date{year(number(0, 4)), month(unsigned(number(5, 2))), day(unsigned(number(8, 2)))};
  if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) return std::nullopt;
  auto time = sys_days(date) + hours(number(11, 2)) + minutes(number(14, 2)) + std::chrono::seconds(number(17, 2));
  return duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// --- writing ---

std::string quote(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::Internal, "a name or version to be locked is not valid UTF-8");
  }
}

/// A JSON object on one line: {"key": "value", ...}.
class Line {
 public:
  Line& add(const char* key, const std::string& value) { return raw(key, quote(value)); }
  Line& add(const char* key, std::uint64_t value) { return raw(key, std::to_string(value)); }
  Line& add(const char* key, const Digest& value) { return raw(key, '"' + value.hex() + '"'); }
  std::string text() const { return '{' + text_ + '}'; }
  const std::string& members() const { return text_; }

 private:
  Line& raw(const char* key, const std::string& value) {
    text_ += fmt::format("{}\"{}\": {}", text_.empty() ? "" : ", ", key, value);
    return *this;
  }
  std::string text_;
};

std::string list(const std::vector<std::string>& lines, const std::string& indent) {
  if (lines.empty()) return "[]";
  return "[\n" + indent + " " + join(lines, ",\n" + indent + " ") + "\n" + indent + "]";
}

std::string list_packages(std::vector<LockedPackage> packages, std::int64_t date) {
  std::sort(packages.begin(), packages.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<std::string> lines;
  for (const auto& package : packages) {
    Line line;
    line.add("name", package.name)
        .add("version", package.version)
        .add("architecture", package.architecture)
        .add("source", package.source);
    if (package.is_file())
      line.add("file", package.path);
    else
      line.add("repository", package.repository).add("suite", package.suite).add("path", package.path);
    line.add("size", package.size).add("sha256", package.sha256);
    if (!package.is_file() && package.date != date) line.add("date", format_date(package.date));
    lines.push_back(line.text());
  }
  return list(lines, " ");
}

std::string list_suites(std::vector<LockedSuite> suites) {
  std::sort(suites.begin(), suites.end(), [](const auto& a, const auto& b) {
    return std::tie(a.repository, a.suite) < std::tie(b.repository, b.suite);
  });
  std::vector<std::string> lines;
  for (const auto& suite : suites)
    lines.push_back(Line()
                        .add("repository", suite.repository)
                        .add("suite", suite.suite)
                        .add("date", format_date(suite.date))
                        .add("inrelease", suite.inrelease)
                        .text());
  return list(lines, " ");
}

std::string list_names(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const auto& name : names) quoted.push_back(quote(name));
  return "[" + join(quoted, ", ") + "]";
}

// --- reading ---

/// One object of the file. All its members must be taken, in any order; others are errors.
class Fields {
 public:
  Fields(const Value& value, const std::string& file, std::string what)
      : value_(value), file_(file), what_(std::move(what)) {
    if (value.kind != Kind::Object)
      fail(value.line, fmt::format("{} must be an object, not {}", what_, describe(value.kind)));
  }

  [[noreturn]] void fail(int line, const std::string& message, const char* hint = damaged_hint) const {
    throw Error(ErrorKind::Usage, fmt::format("{}:{}: {}", file_, line, message), hint);
  }
  [[noreturn]] void fail(const char* key, const std::string& message) const {
    fail(take_line(key), fmt::format("\"{}\" of {} {}", key, what_, message));
  }

  const Value& take(const char* key, Kind kind) {
    taken_.emplace_back(key);
    for (const auto& [name, member] : value_.members) {
      if (name != key) continue;
      if (member.kind != kind)
        fail(member.line,
             fmt::format("\"{}\" of {} must be {}, not {}", key, what_, describe(kind), describe(member.kind)));
      return member;
    }
    fail(value_.line, fmt::format("{} has no \"{}\"", what_, key));
  }
  bool has(const char* key) const {
    return std::any_of(value_.members.begin(), value_.members.end(),
                       [&](const auto& member) { return member.key == key; });
  }
  std::string text(const char* key) {
    const std::string& text = take(key, Kind::String).text;
    if (text.empty()) fail(key, "is empty");
    for (unsigned char c : text)
      if (c < 0x20 || c == 0x7f) fail(key, "has a control character");
    return text;
  }
  Digest digest(const char* key) {
    auto digest = Digest::parse(take(key, Kind::String).text);
    if (!digest) fail(key, "must be 64 hexadecimal digits");
    return *digest;
  }
  std::int64_t date(const char* key) {
    auto date = parse_date(take(key, Kind::String).text);
    if (!date) fail(key, "must be a date such as \"2026-11-15T08:33:11Z\"");
    return *date;
  }
  std::uint64_t size(const char* key) { return take(key, Kind::Integer).integer; }
  bool flag(const char* key) { return take(key, Kind::Boolean).integer != 0; }
  const std::vector<Value>& items(const char* key) { return take(key, Kind::Array).items; }

  /// Called after the last take. Fields that were not taken are mistakes or from a newer version.
  void finish() const {
    for (const auto& [name, member] : value_.members)
      if (std::find(taken_.begin(), taken_.end(), name) == taken_.end()) {
        auto known = nearest(name, taken_);
        fail(member.line, fmt::format("{} has an unknown field {}{}", what_, quote(name),
                                      known ? fmt::format(" (did you mean \"{}\"?)", *known) : ""));
      }
  }
  int line() const { return value_.line; }

 private:
  int take_line(const char* key) const {
    for (const auto& [name, member] : value_.members)
      if (name == key) return member.line;
    return value_.line;
  }
  const Value& value_;
  const std::string& file_;
  std::string what_;
  std::vector<std::string> taken_;
};

/// A path below a mirror or the project: "pool/...", without host and parent folders.
bool is_path_below(const std::string& path) {
  if (path.front() == '/') return false;
  for (const auto& part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

std::vector<std::string> read_names(Fields& fields, const char* key) {
  std::vector<std::string> names;
  for (const auto& item : fields.items(key)) {
    if (item.kind != Kind::String || item.text.empty())
      fields.fail(item.line, fmt::format("\"{}\" is a list of names", key));
    names.push_back(item.text);
  }
  return names;
}

/// Must be sorted and unique, so that equal contents have equal texts.
std::vector<std::string> read_sorted_names(Fields& fields, const char* key) {
  std::vector<std::string> names = read_names(fields, key);
  for (std::size_t i = 1; i < names.size(); ++i)
    if (!(names[i - 1] < names[i]))
      fields.fail(fields.line(), fmt::format("{} must come after {} only once: \"{}\" is sorted", quote(names[i]),
                                             quote(names[i - 1]), key));
  return names;
}

std::vector<LockedSuite> read_suites(Fields& root, const std::string& file) {
  std::vector<LockedSuite> suites;
  for (const auto& item : root.items("suites")) {
    Fields fields(item, file, fmt::format("suite {}", suites.size() + 1));
    LockedSuite suite;
    suite.repository = fields.text("repository");
    suite.suite = fields.text("suite");
    suite.date = fields.date("date");
    suite.inrelease = fields.digest("inrelease");
    fields.finish();
    suites.push_back(std::move(suite));
  }
  return suites;
}

/// The lock's format, if it is supported.
std::uint64_t read_format(Fields& root, std::uint64_t oldest) {
  const Value& format = root.take("format", Kind::Integer);
  if (format.integer > format_version)
    root.fail(
        format.line,
        fmt::format("this lock has format {}, but this k8simg reads formats up to {}", format.integer, format_version),
        "use a newer k8simg, or lock again with this one");
  if (format.integer < oldest) root.fail("format", fmt::format("must be {}", format_version));
  return format.integer;
}

std::vector<LockedPackage> read_packages(Fields& root, const char* key, const std::string& file, std::int64_t date) {
  std::vector<LockedPackage> packages;
  for (const auto& item : root.items(key)) {
    Fields fields(item, file, fmt::format("package {} of \"{}\"", packages.size() + 1, key));
    LockedPackage package;
    package.name = fields.text("name");
    package.version = fields.text("version");
    package.architecture = fields.text("architecture");
    package.source = fields.text("source");
    const bool is_file = fields.has("file");
    package.path = fields.text(is_file ? "file" : "path");
    if (!is_file) {
      package.repository = fields.text("repository");
      package.suite = fields.text("suite");
      package.date = fields.has("date") ? fields.date("date") : date;
    }
    package.size = fields.size("size");
    package.sha256 = fields.digest("sha256");
    fields.finish();
    if (!is_path_below(package.path))
      fields.fail(is_file ? "file" : "path", fmt::format("must be a path below the {}: relative, no \"..\", no host",
                                                         is_file ? "project's folder" : "mirror's root"));
    if (package.size == 0) fields.fail("size", "must be more than 0");
    if (!packages.empty() && !(packages.back().name < package.name))
      fields.fail(fields.line(), fmt::format("package {} must come after {} only once: \"{}\" is sorted by name",
                                             quote(package.name), quote(packages.back().name), key));
    packages.push_back(std::move(package));
  }
  return packages;
}

LockedComponent read_component(const Value& item, const std::string& file, std::size_t index, std::uint64_t format) {
  Fields fields(item, file, fmt::format("component {}", index + 1));
  LockedComponent component;
  component.name = fields.text("name");
  component.version = fields.text("version");
  component.go_mod = fields.digest("go_mod");
  component.go_sum = fields.digest("go_sum");
  if (format == 1) fields.items("modules");  // a copy of go.sum
  fields.finish();
  return component;
}

/// Binary search: packages are sorted by name.
const LockedPackage* find_package(const std::vector<LockedPackage>& packages, const std::string& name) {
  const auto found =
      std::lower_bound(packages.begin(), packages.end(), name,
                       [](const LockedPackage& package, const std::string& wanted) { return package.name < wanted; });
  return found != packages.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

bool has_package(const std::vector<LockedPackage>& packages, const std::string& name) {
  return find_package(packages, name) != nullptr;
}

std::string Lock::serialise() const {
  // Lines are omitted if they would be empty.
  std::string optional;
  if (!without_suites.empty()) optional += fmt::format(" \"without_suites\": {},\n", list_names(without_suites));
  if (!evaluated.empty()) optional += fmt::format(" \"evaluated\": {},\n", list_names(evaluated));
  const std::string boot_packages = boot.empty() ? "" : fmt::format(" \"boot\": {},\n", list_packages(boot, date));
  auto sorted_components = components;
  std::sort(sorted_components.begin(), sorted_components.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<std::string> component_lines;
  for (const auto& component : sorted_components)
    component_lines.push_back(Line()
                                  .add("name", component.name)
                                  .add("version", component.version)
                                  .add("go_mod", component.go_mod)
                                  .add("go_sum", component.go_sum)
                                  .text());
  return fmt::format(
      "{{\n \"format\": {},\n \"defconfig\": {},\n \"date\": {},\n \"suites\": {},\n{} \"target\": {},\n{} "
      "\"components\": {}\n}}\n",
      format_version, quote(defconfig), quote(format_date(date)), list_suites(suites), optional,
      list_packages(target, date), boot_packages, list(component_lines, " "));
}

Lock Lock::parse(std::string_view text, const std::string& name) {
  Value document = lock_document::parse(text, name);
  Fields root(document, name, "the lock");
  const std::uint64_t format = read_format(root, 1);
  Lock lock;
  lock.defconfig = root.text("defconfig");
  lock.date = root.date("date");
  lock.suites = read_suites(root, name);
  if (root.has("without_suites")) lock.without_suites = read_names(root, "without_suites");
  if (root.has("evaluated")) lock.evaluated = read_names(root, "evaluated");
  lock.target = read_packages(root, "target", name, lock.date);
  if (root.has("boot")) lock.boot = read_packages(root, "boot", name, lock.date);
  if (format == 1) {
    lock.tools.date = lock.date;
    lock.tools.packages = read_packages(root, "tools", name, lock.date);
  }
  for (const auto& item : root.items("components")) {
    auto component = read_component(item, name, lock.components.size(), format);
    if (!lock.components.empty() && !(lock.components.back().name < component.name))
      root.fail(item.line, fmt::format("component {} is out of order: components are sorted by name, each once",
                                       quote(component.name)));
    lock.components.push_back(std::move(component));
  }
  root.finish();
  return lock;
}

std::string ToolsLock::serialise() const {
  auto sorted = sets;
  for (auto& set : sorted) {
    std::sort(set.asked.packages.begin(), set.asked.packages.end());
    std::sort(set.packages.begin(), set.packages.end());
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::tie(a.asked.name, a.asked.essential, a.asked.packages) <
           std::tie(b.asked.name, b.asked.essential, b.asked.packages);
  });
  std::vector<std::string> lines;
  for (const auto& set : sorted)
    lines.push_back(fmt::format("{{{}, \"essential\": {},\n   \"asked\": {},\n   \"packages\": {}}}",
                                Line().add("name", set.asked.name).members(), set.asked.essential,
                                list_names(set.asked.packages), list_names(set.packages)));
  return fmt::format("{{\n \"format\": {},\n \"date\": {},\n \"suites\": {},\n \"sets\": {},\n \"packages\": {}\n}}\n",
                     format_version, quote(format_date(date)), list_suites(suites), list(lines, " "),
                     list_packages(packages, date));
}

ToolsLock ToolsLock::parse(std::string_view text, const std::string& name) {
  Value document = lock_document::parse(text, name);
  Fields root(document, name, "the lock");
  read_format(root, format_version);
  ToolsLock lock;
  lock.date = root.date("date");
  lock.suites = read_suites(root, name);
  lock.packages = read_packages(root, "packages", name, lock.date);
  for (const auto& item : root.items("sets")) {
    Fields fields(item, name, fmt::format("set {}", lock.sets.size() + 1));
    LockedToolSet set;
    set.asked.name = fields.text("name");
    set.asked.essential = fields.flag("essential");
    set.asked.packages = read_sorted_names(fields, "asked");
    set.packages = read_sorted_names(fields, "packages");
    fields.finish();
    for (const auto& package : set.packages)
      if (!find_package(lock.packages, package))
        fields.fail("packages", fmt::format("names {}, which is not among the lock's packages", quote(package)));
    if (lock.find(set.asked))
      fields.fail(fields.line(), fmt::format("set {} exists twice for the same packages", set.asked.name));
    lock.sets.push_back(std::move(set));
  }
  root.finish();
  return lock;
}

const LockedToolSet* ToolsLock::find(const ToolSet& asked) const {
  ToolSet sorted = asked;
  std::sort(sorted.packages.begin(), sorted.packages.end());
  const auto found =
      std::find_if(sets.begin(), sets.end(), [&](const LockedToolSet& set) { return set.asked == sorted; });
  return found == sets.end() ? nullptr : &*found;
}

const LockedPackage& ToolsLock::package(const std::string& name) const {
  if (const LockedPackage* found = find_package(packages, name)) return *found;
  throw Error(ErrorKind::Internal, fmt::format("the tools' lock has no package {}", name));
}

std::string format_lock_date(std::int64_t seconds) { return format_date(seconds); }

}  // namespace k8simg
