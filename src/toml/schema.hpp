// Schemas of TOML files: tables of key, type and destination, and the reader that checks documents against them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "toml/document.hpp"

namespace k8simg::toml {

/// The kinds of documents that may set a key: bits of an enumeration of the caller.
inline constexpr unsigned anywhere = ~0u;
/// Whether a list that is set again grows ("!x" removes an inherited x) or is replaced.
enum class Growth { Accumulate, Replace };
/// Returns the problem of a value ("must be ..."), or "".
using Check = std::function<std::string(const std::string&)>;

class Reader;
struct Table;

struct Field {
  std::string key;
  std::function<void(Reader&, const std::string& path, const Member&)> read;
  /// Reports missing required keys below `path`. Only tables have it.
  std::function<void(Reader&, const std::string& path, const SourcePosition& where)> complete;
  bool required = false;
  unsigned allowed = anywhere;

  Field require() && {
    required = true;
    return std::move(*this);
  }
  Field from(unsigned places) && {
    allowed = places;
    return std::move(*this);
  }
};

struct Table {
  std::vector<Field> fields;
};

// --- types; each binds a key to its destination ---
Field text(const std::string& key, std::string& target, Check check = {});
/// A text that settings() does not show.
Field secret(const std::string& key, std::string& target, Check check);
Field list(const std::string& key, std::vector<std::string>& target, Growth growth = Growth::Accumulate,
           Check check = {});
Field number(const std::string& key, int& target, std::int64_t least, std::int64_t most);
Field number(const std::string& key, std::optional<std::int64_t>& target, std::int64_t least, std::int64_t most);
Field size(const std::string& key, std::uint64_t& target);   ///< bytes: a whole number, or "256M"
Field octal(const std::string& key, std::uint32_t& target);  ///< a mode: "0644"
Field flag(const std::string& key, bool& target);
Field text_map(const std::string& key, std::map<std::string, std::string>& target, Check check = {});
Field list_map(const std::string& key, std::map<std::string, std::vector<std::string>>& target, Check key_check,
               Check check);
Field table(const std::string& key, Table table);
/// A list of tables, identified by one of their keys. [[key]] adds an entry or changes the entry of that name;
/// [key.NAME] changes an entry.
template <class Entry>
Field entries(const std::string& key, const std::string& id, std::vector<Entry>& target, std::string Entry::*name,
              std::function<Table(Entry&)> table, Check check = {});
/// A list of tables without names: [[key]], or one inline table.
template <class Entry>
Field records(const std::string& key, std::vector<Entry>& target, std::function<Table(Entry&)> table);

Check one_of(std::vector<std::string> choices);
/// "a.b" or "a.\"b c\"".
std::string join_key(const std::string& path, const std::string& key);

/// Checks documents against tables one after another, and records the position that set each value.
class Reader {
 public:
  /// `belongs`: names the kinds of documents that may set a key, for messages.
  explicit Reader(Diagnostics& diagnostics, std::string (*belongs)(unsigned places) = nullptr)
      : diagnostics_(diagnostics), belongs_(belongs) {}

  /// `place`: the kind of this document. `replace`: its lists replace earlier values (--set key=value).
  void read(const Table& table, const Value& document, unsigned place = anywhere, bool replace = false);
  /// Reports the required keys that no document set. `where`: the file that should have them. Keys that are missing in
  /// a section that began in a file of `bases` are reported in `where`.
  void complete(const Table& table, const SourcePosition& where, std::set<std::string> bases = {});

  using Item = SettingItem;
  const std::vector<Item>& items(const std::string& path) const;
  /// The position that set `path` last; nullptr if none did.
  const SourcePosition* position(const std::string& path) const;
  /// Reports each item of the list that is not in `names`: "unknown overlay ...".
  void check_names(const std::string& path, const std::string& what, const std::vector<std::string>& names);
  std::vector<Setting> settings(const std::string& prefix = "") const;  ///< sorted by key

  /// A document that others build on could not be read. Items and entries that are not there are no mistakes then.
  void set_partial() { partial_ = true; }

  // For the code of fields:
  bool partial() const { return partial_; }
  Diagnostics& diagnostics() { return diagnostics_; }
  void read_table(const Table& table, const std::string& path, const Value& value);
  void complete_table(const Table& table, const std::string& path, const SourcePosition& where);
  bool expect(Kind kind, const char* what, const std::string& path, const Value& value);
  bool passes(const Check& check, const std::string& text, const std::string& path, const SourcePosition& position);
  void record(const std::string& path, const Value& value, std::string shown);
  void read_list(const std::string& path, const Value& value, std::vector<std::string>& target, Growth growth,
                 const Check& check);
  std::optional<std::string> as_text(const std::string& path, const Value& value);
  void open(const std::string& path, const SourcePosition& position) { opened_[path] = position; }
  const SourcePosition* opened(const std::string& path) const;
  /// The position for missing keys of `path`: its beginning, otherwise `where`.
  const SourcePosition& place_of_missing(const std::string& path, const SourcePosition& where) const;
  /// Whether a document has the key, even with a value that was refused.
  bool attempted(const std::string& path) const { return attempted_.count(path) > 0; }

 private:
  struct Scalar {
    std::string shown;
    SourcePosition position;
  };
  struct List {
    std::vector<Item> items;
    std::vector<SourcePosition> set_by;
  };
  Diagnostics& diagnostics_;
  std::string (*belongs_)(unsigned places);
  bool partial_ = false;
  unsigned place_ = anywhere;
  bool replace_ = false;
  std::map<std::string, Scalar> scalars_;
  std::map<std::string, List> lists_;
  std::map<std::string, SourcePosition> opened_;  ///< where tables and entries begin
  std::set<std::string> attempted_, bases_;
};

// --- templates ---

/// The part of `entries` that does not depend on the Entry type; see entries.cpp.
struct EntryList {
  std::function<int(const std::string& name)> find;  ///< index, or -1
  std::function<int(const std::string& name)> add;   ///< index of the new entry
  std::function<Table(int index)> table;
  std::function<std::vector<std::string>()> names;
  Check check;  ///< for names
};
Field entries_field(const std::string& key, const std::string& id, EntryList list);
Field records_field(const std::string& key, std::function<Table()> add);

template <class Entry>
Field entries(const std::string& key, const std::string& id, std::vector<Entry>& target, std::string Entry::*name,
              std::function<Table(Entry&)> make, Check check) {
  EntryList list;
  list.check = std::move(check);
  list.find = [&target, name](const std::string& wanted) {
    for (std::size_t i = 0; i < target.size(); ++i)
      if (target[i].*name == wanted) return static_cast<int>(i);
    return -1;
  };
  list.add = [&target, name](const std::string& wanted) {
    target.emplace_back();
    target.back().*name = wanted;
    return static_cast<int>(target.size()) - 1;
  };
  list.table = [&target, make](int index) { return make(target[static_cast<std::size_t>(index)]); };
  list.names = [&target, name] {
    std::vector<std::string> names;
    for (const auto& entry : target) names.push_back(entry.*name);
    return names;
  };
  return entries_field(key, id, std::move(list));
}

template <class Entry>
Field records(const std::string& key, std::vector<Entry>& target, std::function<Table(Entry&)> make) {
  return records_field(key, [&target, make] {
    target.emplace_back();
    return make(target.back());
  });
}

}  // namespace k8simg::toml
