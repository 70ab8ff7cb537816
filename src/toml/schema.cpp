// The types of keys, and the reader that checks a document against a table of keys.
#include "toml/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "toml/value_checks.hpp"
#include "util/text.hpp"

namespace k8simg::toml {

std::string join_key(const std::string& path, const std::string& key) {
  bool bare = !key.empty() && std::all_of(key.begin(), key.end(),
                                          [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
  return (path.empty() ? "" : path + ".") + (bare ? key : quote(key));
}

Check one_of(std::vector<std::string> choices) {
  return [choices](const std::string& text) -> std::string {
    if (std::find(choices.begin(), choices.end(), text) != choices.end()) return "";
    std::vector<std::string> quoted;
    for (const auto& choice : choices) quoted.push_back(quote(choice));
    auto near = nearest(text, choices);
    return fmt::format("must be {}, not {}{}", join(quoted, " or "), quote(text),
                       near ? " (did you mean " + quote(*near) + "?)" : "");
  };
}

// --- reader ---

void Reader::read(const Table& table, const Value& document, unsigned place, bool replace) {
  place_ = place;
  replace_ = replace;
  read_table(table, "", document);
}

void Reader::complete(const Table& table, const SourcePosition& where, std::set<std::string> bases) {
  bases_ = std::move(bases);
  complete_table(table, "", where);
}

void Reader::read_table(const Table& table, const std::string& path, const Value& value) {
  for (const auto& member : value.members) {
    auto field =
        std::find_if(table.fields.begin(), table.fields.end(), [&](const Field& f) { return f.key == member.key; });
    std::string full = join_key(path, member.key);
    if (field == table.fields.end()) {
      std::vector<std::string> keys;
      for (const auto& known : table.fields)
        if (known.allowed & place_) keys.push_back(known.key);
      diagnostics_.add(member.position, fmt::format("unknown key {}{}", full, suggest(member.key, keys)));
    } else if (!(field->allowed & place_)) {
      diagnostics_.add(member.position, fmt::format("{} cannot be set here{}", full,
                                                    belongs_ ? ": it belongs in " + belongs_(field->allowed) : ""));
    } else {
      attempted_.insert(full);
      field->read(*this, full, member);
    }
  }
}

void Reader::complete_table(const Table& table, const std::string& path, const SourcePosition& where) {
  for (const auto& field : table.fields) {
    std::string full = join_key(path, field.key);
    if (field.complete) {
      // If the section itself was refused, its missing keys are not reported.
      if (opened(full) || (field.required && !attempted(full)))
        field.complete(*this, full, place_of_missing(full, where));
    } else if (field.required && !attempted(full)) {
      diagnostics_.add(where, fmt::format("{} is missing", full));
    }
  }
}

const SourcePosition* Reader::opened(const std::string& path) const {
  auto found = opened_.find(path);
  return found == opened_.end() ? nullptr : &found->second;
}

const SourcePosition& Reader::place_of_missing(const std::string& path, const SourcePosition& where) const {
  const SourcePosition* begun = opened(path);
  return begun && !bases_.contains(begun->file) ? *begun : where;
}

const SourcePosition* Reader::position(const std::string& path) const {
  if (auto scalar = scalars_.find(path); scalar != scalars_.end()) return &scalar->second.position;
  if (auto list = lists_.find(path); list != lists_.end()) return &list->second.set_by.back();
  return nullptr;
}

const std::vector<Reader::Item>& Reader::items(const std::string& path) const {
  static const std::vector<Item> none;
  auto list = lists_.find(path);
  return list == lists_.end() ? none : list->second.items;
}

void Reader::check_names(const std::string& path, const std::string& what, const std::vector<std::string>& names) {
  for (const auto& item : items(path))
    if (std::find(names.begin(), names.end(), item.text) == names.end())
      diagnostics_.add(item.position,
                       fmt::format("{}: unknown {} {}{}", path, what, quote(item.text), suggest(item.text, names)));
}

std::vector<Setting> Reader::settings(const std::string& prefix) const {
  std::vector<Setting> settings;
  for (const auto& [path, scalar] : scalars_) settings.push_back({prefix + path, scalar.shown, {scalar.position}, {}});
  for (const auto& [path, list] : lists_) {
    std::vector<std::string> items;
    for (const auto& item : list.items) items.push_back(quote(item.text));
    settings.push_back({prefix + path, "[" + join(items, ", ") + "]", list.set_by, list.items});
  }
  std::sort(settings.begin(), settings.end(), [](const Setting& a, const Setting& b) { return a.key < b.key; });
  return settings;
}

bool Reader::expect(Kind kind, const char* what, const std::string& path, const Value& value) {
  if (value.kind == kind) return true;
  diagnostics_.add(value.position, fmt::format("{} must be {}, not {}", path, what, describe(value)));
  return false;
}

bool Reader::passes(const Check& check, const std::string& text, const std::string& path,
                    const SourcePosition& position) {
  for (unsigned char c : text)
    if (c == 0) {
      diagnostics_.add(position, fmt::format("{} must not contain a NUL character", path));
      return false;
    }
  std::string complaint = check ? check(text) : "";
  if (!complaint.empty()) diagnostics_.add(position, fmt::format("{} {}", path, complaint));
  return complaint.empty();
}

void Reader::record(const std::string& path, const Value& value, std::string shown) {
  scalars_[path] = {std::move(shown), value.position};
}

std::optional<std::string> Reader::as_text(const std::string& path, const Value& value) {
  bool typed_scalar = value.typed && value.kind != Kind::Array && value.kind != Kind::Table;
  if (!typed_scalar && !expect(Kind::String, "a string", path, value)) return std::nullopt;
  return value.text;
}

void Reader::read_list(const std::string& path, const Value& value, std::vector<std::string>& target, Growth growth,
                       const Check& check) {
  std::vector<Item> written;
  if (value.typed && value.kind != Kind::Array && value.kind != Kind::Table)
    written.push_back({value.text, value.position});
  else if (expect(Kind::Array, "a list of strings", path, value)) {
    for (const auto& item : value.items) {
      if (item.kind == Kind::String)
        written.push_back({item.text, item.position});
      else
        diagnostics_.add(item.position,
                         fmt::format("{} must be a list of strings, but this is {}", path, describe(item)));
    }
  } else {
    return;
  }

  List& list = lists_[path];
  if (replace_ || growth == Growth::Replace) list = {};
  const std::size_t inherited = list.items.size();
  auto find = [&](const std::string& wanted) {
    return std::find_if(list.items.begin(), list.items.end(), [&](const Item& item) { return item.text == wanted; });
  };
  std::vector<std::string> added, inherited_texts;
  for (std::size_t i = 0; i < inherited; ++i) inherited_texts.push_back(list.items[i].text);
  for (const auto& item : written) {
    if (growth == Growth::Accumulate && item.text.rfind('!', 0) == 0) {
      std::string unwanted = item.text.substr(1);
      auto found = find(unwanted);
      bool own = std::find(added.begin(), added.end(), unwanted) != added.end();
      if (found == list.items.end() && partial_) continue;
      if (found == list.items.end() || own)
        diagnostics_.add(item.position, fmt::format("{}: {} removes an item that is not in the list{}", path,
                                                    quote(item.text), suggest(unwanted, inherited_texts)));
      else
        list.items.erase(found);
      continue;
    }
    if (!passes(check, item.text, path, item.position)) continue;
    if (growth == Growth::Accumulate && std::find(added.begin(), added.end(), item.text) != added.end()) {
      diagnostics_.add(item.position, fmt::format("{} names {} twice", path, quote(item.text)));
      continue;
    }
    added.push_back(item.text);
    if (growth == Growth::Replace || find(item.text) == list.items.end()) list.items.push_back(item);
  }
  list.set_by.push_back(value.position);
  target.clear();
  for (const auto& item : list.items) target.push_back(item.text);
}

// --- fields ---

Field text(const std::string& key, std::string& target, Check check) {
  return {key,
          [&target, check](Reader& reader, const std::string& path, const Member& member) {
            auto text = reader.as_text(path, member.value);
            if (!text || !reader.passes(check, *text, path, member.value.position)) return;
            target = *text;
            reader.record(path, member.value, quote(without_secrets(*text)));
          },
          {}};
}

Field secret(const std::string& key, std::string& target, Check check) {
  return {key,
          [&target, check](Reader& reader, const std::string& path, const Member& member) {
            auto text = reader.as_text(path, member.value);
            if (!text || !reader.passes(check, *text, path, member.value.position)) return;
            target = *text;
            reader.record(path, member.value, "***");
          },
          {}};
}

Field list(const std::string& key, std::vector<std::string>& target, Growth growth, Check check) {
  return {key,
          [&target, growth, check](Reader& reader, const std::string& path, const Member& member) {
            reader.read_list(path, member.value, target, growth, check);
          },
          {}};
}

namespace {
std::optional<std::int64_t> read_number(Reader& reader, const std::string& path, const Value& value, std::int64_t least,
                                        std::int64_t most) {
  if (!reader.expect(Kind::Integer, "a whole number", path, value)) return std::nullopt;
  if (value.integer < least || value.integer > most) {
    std::string range =
        most == INT64_MAX ? fmt::format("{} or more", least) : fmt::format("from {} to {}", least, most);
    reader.diagnostics().add(value.position, fmt::format("{} must be {}, not {}", path, range, value.integer));
    return std::nullopt;
  }
  reader.record(path, value, std::to_string(value.integer));
  return value.integer;
}
}  // namespace

Field number(const std::string& key, int& target, std::int64_t least, std::int64_t most) {
  return {key,
          [=, &target](Reader& reader, const std::string& path, const Member& member) {
            if (auto number = read_number(reader, path, member.value, least, most)) target = static_cast<int>(*number);
          },
          {}};
}

Field number(const std::string& key, std::optional<std::int64_t>& target, std::int64_t least, std::int64_t most) {
  return {key,
          [=, &target](Reader& reader, const std::string& path, const Member& member) {
            if (auto number = read_number(reader, path, member.value, least, most)) target = *number;
          },
          {}};
}

Field size(const std::string& key, std::uint64_t& target) {
  return {key,
          [&target](Reader& reader, const std::string& path, const Member& member) {
            const Value& value = member.value;
            std::optional<std::uint64_t> bytes;
            if (value.kind == Kind::Integer && value.integer >= 0) bytes = static_cast<std::uint64_t>(value.integer);
            if (value.kind == Kind::String) bytes = parse_size(value.text);
            if (!bytes) {
              reader.diagnostics().add(
                  value.position, fmt::format("{} must be a size such as \"256M\" or a number of bytes, not {}", path,
                                              value.kind == Kind::String ? quote(value.text) : describe(value)));
              return;
            }
            target = *bytes;
            reader.record(path, value, value.kind == Kind::String ? quote(value.text) : std::to_string(value.integer));
          },
          {}};
}

Field octal(const std::string& key, std::uint32_t& target) {
  return {key,
          [&target](Reader& reader, const std::string& path, const Member& member) {
            const auto text = reader.as_text(path, member.value);
            if (!text || !reader.passes(octal_mode(), *text, path, member.value.position)) return;
            target = static_cast<std::uint32_t>(std::stoul(*text, nullptr, 8));
            reader.record(path, member.value, quote(*text));
          },
          {}};
}

Field flag(const std::string& key, bool& target) {
  return {key,
          [&target](Reader& reader, const std::string& path, const Member& member) {
            if (!reader.expect(Kind::Boolean, "true or false", path, member.value)) return;
            target = member.value.boolean;
            reader.record(path, member.value, target ? "true" : "false");
          },
          {}};
}

Field text_map(const std::string& key, std::map<std::string, std::string>& target, Check check) {
  return {key,
          [&target, check](Reader& reader, const std::string& path, const Member& member) {
            if (!reader.expect(Kind::Table, "a table", path, member.value)) return;
            for (const auto& entry : member.value.members)
              text(entry.key, target[entry.key], check).read(reader, join_key(path, entry.key), entry);
          },
          {}};
}

Field list_map(const std::string& key, std::map<std::string, std::vector<std::string>>& target, Check key_check,
               Check check) {
  return {key,
          [&target, key_check, check](Reader& reader, const std::string& path, const Member& member) {
            if (!reader.expect(Kind::Table, "a table", path, member.value)) return;
            for (const auto& entry : member.value.members) {
              const std::string below = join_key(path, entry.key);
              if (reader.passes(key_check, entry.key, below, entry.position))
                list(entry.key, target[entry.key], Growth::Replace, check).read(reader, below, entry);
            }
          },
          {}};
}

Field table(const std::string& key, Table table) {
  Field field;
  field.key = key;
  field.read = [table](Reader& reader, const std::string& path, const Member& member) {
    if (!reader.expect(Kind::Table, "a table", path, member.value)) return;
    // A missing key is reported where the section begins, not where a later file adds to it.
    if (!reader.opened(path)) reader.open(path, member.position);
    reader.read_table(table, path, member.value);
  };
  field.complete = [table](Reader& reader, const std::string& path, const SourcePosition& where) {
    reader.complete_table(table, path, where);
  };
  return field;
}

}  // namespace k8simg::toml
