// Reads Packages indexes into the catalogue in one pass. Relations are parsed later.
#include "debian/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "control/paragraph.hpp"
#include "control/version.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

std::uint8_t parse_priority(std::string_view text) {
  if (text == "required") return 1;
  if (text == "important") return 2;
  if (text == "standard") return 3;
  if (text == "optional") return 4;
  return 5;
}

MultiArch parse_multi_arch(std::string_view text) {
  if (text == "same") return MultiArch::Same;
  if (text == "foreign") return MultiArch::Foreign;
  if (text == "allowed") return MultiArch::Allowed;
  return MultiArch::No;
}

/// The fields that are read of every stanza. They are compared by length first, since an index has 1.5 million fields.
struct HotFields {
  std::string_view package, version, architecture, priority, multi_arch, essential, important, protected_, depends,
      pre_depends, conflicts, breaks, provides;

  explicit HotFields(const ControlParagraph& paragraph) {
    for (const ControlField& field : paragraph.fields()) {
      switch (field.name.size()) {
        case 6:
          take(field, "Breaks", breaks);
          break;
        case 7:
          take(field, "Package", package) || take(field, "Version", version) || take(field, "Depends", depends);
          break;
        case 8:
          take(field, "Priority", priority) || take(field, "Provides", provides);
          break;
        case 9:
          take(field, "Essential", essential) || take(field, "Conflicts", conflicts) ||
              take(field, "Important", important) || take(field, "Protected", protected_);
          break;
        case 10:
          take(field, "Multi-Arch", multi_arch);
          break;
        case 11:
          take(field, "Pre-Depends", pre_depends);
          break;
        case 12:
          take(field, "Architecture", architecture);
          break;
        default:
          break;
      }
    }
  }

 private:
  static bool take(const ControlField& field, std::string_view name, std::string_view& value) {
    if (!equal_ignoring_case(field.name, name)) return false;
    value = field.value;
    return true;
  }
};

}  // namespace

Catalogue::Catalogue(const IndexSet& indexes, const std::string& architecture,
                     const std::vector<std::string>& off_suites)
    : indexes_(indexes), architecture_(architecture) {
  std::size_t bytes = 0;
  for (const IndexSet::Packages& packages : indexes.packages) bytes += packages.text.size();
  offers_.reserve(bytes / 700);
  names_.reserve(bytes / 500);
  by_name_.reserve(bytes / 500);
  for (std::uint32_t file = 0; file < indexes.packages.size(); ++file) {
    const IndexSet::Packages& packages = indexes.packages[file];
    off_.push_back(packages.not_automatic ||
                   std::find(off_suites.begin(), off_suites.end(), packages.suite) != off_suites.end());
    if (packages.architecture == architecture || packages.architecture == "all") read(file);
  }
  for (Name& name : names_) {
    // Stable: if two suites have the same version, the suite named first has priority.
    if (name.offers.size() > 1)
      std::stable_sort(name.offers.begin(), name.offers.end(), [&](OfferId a, OfferId b) {
        return compare_versions(offers_[a].version, offers_[b].version) > 0;
      });
  }
  reset_candidates();
  for (OfferId id = 0; id < offers_.size(); ++id)
    if (!offers_[id].provides.empty()) add_provides(id);
}

void Catalogue::reset_candidates() {
  for (Name& name : names_) {
    const auto first = std::find_if(name.offers.begin(), name.offers.end(), [&](OfferId id) { return !is_off(id); });
    name.candidate = first == name.offers.end() ? nothing : *first;
  }
}

NameId Catalogue::intern(std::string_view name) {
  const auto [entry, added] = by_name_.emplace(name, static_cast<NameId>(names_.size()));
  if (added) names_.emplace_back().text = name;
  return entry->second;
}

void Catalogue::refuse(std::uint32_t file, std::size_t line, const std::string& what) const {
  const IndexSet::Packages& packages = indexes_.packages[file];
  if (packages.repository.empty())
    throw Error(ErrorKind::Fetch, fmt::format("{}: its control file, line {}: {}", packages.section, line, what),
                "Build the package again, or take it out of packages.files.");
  throw Error(ErrorKind::Fetch,
              fmt::format("the Packages index of {} {}, {}, line {}: {}", packages.suite, packages.section,
                          packages.architecture, line, what),
              "The index is signed but cannot be read: report it to the archive, or use another mirror.");
}

void Catalogue::read(std::uint32_t file) {
  ControlReader reader(indexes_.packages[file].text);
  ControlParagraph paragraph;
  for (;;) {
    const auto found = reader.next(paragraph);
    if (!found) refuse(file, found.error().line, found.error().message);
    if (!*found) return;
    const HotFields fields(paragraph);
    if (fields.package.empty()) refuse(file, paragraph.line(), "a stanza without Package");
    if (!is_package_name(fields.package))
      refuse(file, paragraph.line(), fmt::format("\"{}\" is not a package name", fields.package));
    if (auto version = parse_version(fields.version); !version)
      refuse(file, paragraph.line(),
             fmt::format("{} \"{}\": {}", fields.package, fields.version, version.error().message));
    if (fields.architecture != architecture_ && fields.architecture != "all") continue;
    Offer offer;
    offer.stanza = paragraph.text();
    offer.version = fields.version;
    offer.depends = fields.depends;
    offer.pre_depends = fields.pre_depends;
    offer.conflicts = fields.conflicts;
    offer.breaks = fields.breaks;
    offer.provides = fields.provides;
    offer.name = intern(fields.package);
    offer.file = file;
    offer.priority = parse_priority(fields.priority);
    offer.multi_arch = parse_multi_arch(fields.multi_arch);
    offer.essential = equal_ignoring_case(fields.essential, "yes");
    offer.important = equal_ignoring_case(fields.important, "yes") || equal_ignoring_case(fields.protected_, "yes");
    const OfferId id = static_cast<OfferId>(offers_.size());
    names_[offer.name].offers.push_back(id);
    offers_.push_back(offer);
  }
}

void Catalogue::add_provides(OfferId id) {
  for (const Alternatives& alternatives : parse(id, offers_[id].provides, "Provides")) {
    for (const Relation& relation : alternatives) {
      // Only "= version" is defined in Provides; apt ignores other operators too.
      if (relation.op != VersionOperator::None && relation.op != VersionOperator::Equal) continue;
      const bool any = relation.qualifier == "any";
      if (!relation.qualifier.empty() && !any && relation.qualifier != architecture_) continue;
      names_[intern(relation.name)].providers.push_back({id, relation.version, any});
    }
  }
}

std::vector<Alternatives> Catalogue::parse(OfferId id, std::string_view field, const char* what) const {
  if (field.empty()) return {};
  auto relations = parse_relations(field);
  if (relations) return std::move(*relations);
  const Offer& offer = offers_[id];
  const std::string& text = indexes_.packages[offer.file].text;
  refuse(offer.file, line_of(text, field), fmt::format("{} of {}: {}", what, describe(id), relations.error().message));
}

std::optional<NameId> Catalogue::find(std::string_view name) const {
  const auto entry = by_name_.find(name);
  if (entry == by_name_.end()) return std::nullopt;
  return entry->second;
}

std::string Catalogue::describe(OfferId id) const { return fmt::format("{} {}", name_of(id), offers_[id].version); }

const OfferRelations& Catalogue::relations(OfferId id) const {
  const auto known = relations_.find(id);
  if (known != relations_.end()) return known->second;
  const Offer& offer = offers_[id];
  OfferRelations relations;
  relations.requires_ = parse(id, offer.pre_depends, "Pre-Depends");
  for (Alternatives& alternatives : parse(id, offer.depends, "Depends"))
    relations.requires_.push_back(std::move(alternatives));
  relations.conflicts = parse(id, offer.conflicts, "Conflicts");
  for (Alternatives& alternatives : parse(id, offer.breaks, "Breaks"))
    relations.conflicts.push_back(std::move(alternatives));
  return relations_.emplace(id, std::move(relations)).first->second;
}

std::uint32_t Catalogue::mention(NameId name) const {
  if (mentions_.empty()) {
    mentions_.assign(names_.size(), nothing);
    std::uint32_t count = 0;
    const auto note = [&](std::string_view text) {
      const auto id = find(text);
      if (id && mentions_[*id] == nothing) mentions_[*id] = count++;
    };
    for (OfferId id = 0; id < offers_.size(); ++id) {
      note(name_of(id));
      const auto paragraph = parse_control(offers_[id].stanza);
      if (!paragraph) continue;  // cannot happen: the text was parsed before
      for (const char* field : {"Pre-Depends", "Depends", "Conflicts", "Breaks", "Recommends", "Suggests", "Replaces",
                                "Enhances", "Provides"}) {
        const auto relations = parse_relations(paragraph->get(field));
        if (!relations) continue;
        for (const Alternatives& alternatives : *relations)
          for (const Relation& relation : alternatives)
            if (relation.qualifier.empty()) note(relation.name);
      }
    }
  }
  return mentions_[name];
}

LockedPackage Catalogue::locked(OfferId id) const {
  const Offer& offer = offers_[id];
  const IndexSet::Packages& file = file_of(id);
  const auto paragraph = parse_control(offer.stanza);
  const auto refuse_field = [&](const std::string& what) {
    throw Error(ErrorKind::Fetch,
                fmt::format("the Packages index of {} {}: {} {}", file.suite, file.section, describe(id), what),
                "The index is signed but cannot be used: report it to the archive, or use another mirror.");
  };
  if (!paragraph) refuse_field(paragraph.error().message);
  LockedPackage package;
  package.name = name_of(id);
  package.version = offer.version;
  package.architecture = paragraph->get("Architecture");
  package.source = package.name;
  if (const std::vector<std::string> source = split_words(paragraph->get("Source")); !source.empty())
    package.source = source[0];
  package.repository = file.repository;
  package.suite = file.suite;
  package.path = paragraph->get("Filename");
  while (package.path.starts_with("./")) package.path.erase(0, 2);  // as dpkg-scanpackages writes it
  // The path is appended to a mirror's URL and used for file names, so it must not leave the mirror.
  bool safe = !package.path.empty() && package.path.front() != '/';
  for (const std::string& part : split(package.path, '/')) safe = safe && !part.empty() && part != "." && part != "..";
  if (!safe) refuse_field(fmt::format("has the unusable Filename \"{}\"", package.path));
  const std::string_view size = paragraph->get("Size");
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), package.size);
  if (size.empty() || error != std::errc{} || end != size.data() + size.size())
    refuse_field(fmt::format("has the unusable Size \"{}\"", size));
  const auto digest = Digest::parse(paragraph->get("SHA256"));
  if (!digest) refuse_field(fmt::format("has the unusable SHA256 \"{}\"", paragraph->get("SHA256")));
  package.sha256 = *digest;
  return package;
}

}  // namespace k8simg
