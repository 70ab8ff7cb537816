// Fields for lists of tables: with names, so that later files can change an entry, and without names.
#include <fmt/format.h>

#include <algorithm>

#include "toml/schema.hpp"

namespace k8simg::toml {
namespace {

Value without(const Value& table, const std::string& key) {
  Value rest = table;
  rest.members.erase(
      std::remove_if(rest.members.begin(), rest.members.end(), [&](const Member& member) { return member.key == key; }),
      rest.members.end());
  return rest;
}

/// [[key]], with the name as one of its keys.
void read_written_out(Reader& reader, const std::string& path, const std::string& id, const EntryList& list,
                      const Value& array) {
  std::vector<std::string> seen;
  for (const auto& item : array.items) {
    if (!reader.expect(Kind::Table, "a list of tables", path, item)) continue;
    const Member* name = find(item, id);
    if (!name) {
      reader.diagnostics().add(item.position, fmt::format("{} is missing in this [[{}]]", id, path));
      continue;
    }
    auto text = reader.as_text(join_key(path, id), name->value);
    if (!text) continue;
    if (text->empty()) {
      reader.diagnostics().add(name->value.position, fmt::format("{} must not be empty", join_key(path, id)));
      continue;
    }
    if (std::find(seen.begin(), seen.end(), *text) != seen.end()) {
      reader.diagnostics().add(name->value.position, fmt::format("{} {} is defined twice", path, quote(*text)));
      continue;
    }
    seen.push_back(*text);
    reader.passes(list.check, *text, join_key(path, id), item.position);
    int index = list.find(*text);
    std::string full = join_key(path, *text);
    if (index < 0) {
      index = list.add(*text);
      reader.open(full, item.position);
    }
    // `show` and messages find an entry by a value of it.
    if (item.members.size() == 1) reader.record(join_key(full, id), name->value, quote(*text));
    reader.read_table(list.table(index), full, without(item, id));
  }
}

/// [key.NAME]: changes an existing entry.
void read_by_name(Reader& reader, const std::string& path, const std::string& id, const EntryList& list,
                  const Value& table) {
  for (const auto& member : table.members) {
    std::string full = join_key(path, member.key);
    int index = list.find(member.key);
    if (index < 0 && reader.partial()) continue;
    if (index < 0)
      reader.diagnostics().add(
          member.position, fmt::format("{}: no {} has this {}{}; to add one, write [[{}]] with {} = {}", full, path, id,
                                       suggest(member.key, list.names()), path, id, quote(member.key)));
    else if (reader.expect(Kind::Table, "a table", full, member.value))
      reader.read_table(list.table(index), full, member.value);
  }
}

}  // namespace

Field entries_field(const std::string& key, const std::string& id, EntryList list) {
  Field field;
  field.key = key;
  field.read = [id, list](Reader& reader, const std::string& path, const Member& member) {
    if (member.value.kind != Kind::Array && member.value.kind != Kind::Table) {
      reader.expect(Kind::Array, "a list of tables", path, member.value);
      return;
    }
    if (!reader.opened(path)) reader.open(path, member.position);
    if (member.value.kind == Kind::Array)
      read_written_out(reader, path, id, list, member.value);
    else
      read_by_name(reader, path, id, list, member.value);
  };
  field.complete = [list](Reader& reader, const std::string& path, const SourcePosition& where) {
    if (!reader.opened(path))
      reader.diagnostics().add(where, fmt::format("{} is missing: write at least one [[{}]]", path, path));
    for (const auto& name : list.names()) {
      std::string full = join_key(path, name);
      reader.complete_table(list.table(list.find(name)), full, reader.place_of_missing(full, where));
    }
  };
  return field;
}

Field records_field(const std::string& key, std::function<Table()> add) {
  return {key,
          [add](Reader& reader, const std::string& path, const Member& member) {
            std::vector<const Value*> values;
            if (member.value.kind == Kind::Table)
              values.push_back(&member.value);
            else if (reader.expect(Kind::Array, "a list of tables", path, member.value))
              for (const auto& item : member.value.items) values.push_back(&item);
            int count = 0;
            for (const Value* value : values) {
              std::string full = fmt::format("{}.{}", path, ++count);
              if (!reader.expect(Kind::Table, "a table", full, *value)) continue;
              Table table = add();
              reader.read_table(table, full, *value);
              reader.complete_table(table, full, value->position);
            }
          },
          {}};
}

}  // namespace k8simg::toml
