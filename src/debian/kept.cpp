// Finds kept packages in the catalogue, and releases those that cannot stay.
#include "debian/kept.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "control/paragraph.hpp"
#include "control/version.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The package's stanza as in an index. Path, size and digest are from the lock, since the control file lacks them.
std::string stanza(const LockedPackage& package, const std::string& control) {
  const auto paragraph = parse_control_file(control, package.name, package.version);
  return fmt::format("{}\nFilename: {}\nSize: {}\nSHA256: {}\n\n", trim(paragraph.text()), package.path, package.size,
                     package.sha256.hex());
}

/// Calls `visit` for every stanza of a package in `packages`.
template <class Visit>
void each_offer(const IndexSet& indexes, const std::string& architecture, const std::vector<LockedPackage>& packages,
                Visit&& visit) {
  std::map<std::string_view, const LockedPackage*> by_name;
  for (const auto& package : packages) by_name[package.name] = &package;
  if (by_name.empty()) return;
  for (const auto& index : indexes.packages) {
    if (index.architecture != architecture && index.architecture != "all") continue;
    ControlReader reader(index.text);
    ControlParagraph paragraph;
    // Invalid texts are reported by the catalogue, with their line.
    for (auto found = reader.next(paragraph); found && *found; found = reader.next(paragraph))
      if (const auto known = by_name.find(paragraph.get("Package")); known != by_name.end())
        visit(*known->second, index, paragraph);
  }
}

}  // namespace

std::vector<LockedPackage> not_offered(const IndexSet& indexes, const std::string& architecture,
                                       const std::vector<LockedPackage>& packages) {
  std::set<std::string> missing;
  for (const auto& package : packages) missing.insert(package.name);
  // Compares digests, since a version may be rebuilt.
  each_offer(indexes, architecture, packages,
             [&](const LockedPackage& package, const IndexSet::Packages&, const ControlParagraph& paragraph) {
               if (paragraph.get("SHA256") == package.sha256.hex()) missing.erase(package.name);
             });
  std::vector<LockedPackage> list;
  std::copy_if(packages.begin(), packages.end(), std::back_inserter(list),
               [&](const LockedPackage& package) { return missing.contains(package.name); });
  return list;
}

std::map<std::string, std::string> superseded_by_security(const IndexSet& indexes, const std::string& architecture,
                                                          const std::vector<LockedPackage>& packages) {
  std::map<std::string, std::string> superseded;
  each_offer(
      indexes, architecture, packages,
      [&](const LockedPackage& package, const IndexSet::Packages& index, const ControlParagraph& paragraph) {
        if (index.suite.ends_with("-security") && compare_versions(paragraph.get("Version"), package.version) > 0)
          superseded[package.name] = index.suite;
      });
  return superseded;
}

void add_offer(IndexSet& indexes, const std::string& architecture, const LockedPackage& package,
               const std::string& control) {
  indexes.packages.push_back({.repository = package.repository,
                              .suite = package.is_file() ? "the project" : package.suite,
                              .section = package.is_file() ? package.path : "kept",
                              .architecture = architecture,
                              .text = stanza(package, control),
                              .not_automatic = true});
}

Kept::Kept(Catalogue& catalogue, const std::vector<LockedPackage>& keep) : catalogue_(catalogue) {
  for (const LockedPackage& package : keep) {
    const auto name = catalogue.find(package.name);
    if (!name) continue;
    for (OfferId offer : catalogue.name(*name).offers) {
      if (compare_versions(catalogue.offer(offer).version, package.version) != 0 ||
          catalogue.locked(offer).sha256 != package.sha256)
        continue;
      newest_[*name] = catalogue.name(*name).candidate;
      catalogue.set_candidate(*name, offer);
      by_offer_[offer] = &package;
      break;
    }
  }
}

const LockedPackage* Kept::find(OfferId offer) const {
  const auto found = by_offer_.find(offer);
  return found == by_offer_.end() ? nullptr : found->second;
}

bool Kept::release(NameId name, OfferId because) {
  const auto newest = newest_.find(name);
  if (newest == newest_.end()) return false;
  const OfferId instead = newest->second;
  newest_.erase(newest);
  if (instead == nothing || instead == catalogue_.name(name).candidate) return false;
  by_offer_.erase(catalogue_.name(name).candidate);
  released_[std::string(catalogue_.name(name).text)] = catalogue_.name_of(because);
  catalogue_.set_candidate(name, instead);
  return true;
}

/// If no candidate meets the dependency, releases a package whose current version in the suites would meet it, or
/// otherwise the package with the dependency.
bool Kept::release_for(OfferId offer, const Alternatives& alternatives, const Wanted& wanted) {
  const auto candidate = [&](NameId name) { return catalogue_.name(name).candidate; };
  for (const Relation& relation : alternatives) {
    if (const auto name = catalogue_.find(relation.name); name && wanted.excluded[*name]) return false;
    bool met = false;
    catalogue_.for_each_match(relation, candidate, [&](OfferId) { met = true; });
    if (met) return false;
  }
  const auto newest = [&](NameId name) {
    const auto found = newest_.find(name);
    return found == newest_.end() ? nothing : found->second;
  };
  for (const Relation& relation : alternatives) {
    OfferId found = nothing;
    catalogue_.for_each_match(relation, newest, [&](OfferId match) { found = found == nothing ? match : found; });
    if (found != nothing && release(catalogue_.offer(found).name, offer)) return true;
  }
  for (const Relation& relation : alternatives)
    if (const auto name = catalogue_.find(relation.name); name && catalogue_.name(*name).candidate != nothing)
      return is_kept(offer) && release(catalogue_.offer(offer).name, catalogue_.name(*name).candidate);
  return false;
}

bool Kept::release_what_is_in_the_way(const Wanted& wanted) {
  const auto candidate = [&](NameId name) { return wanted.excluded[name] ? nothing : catalogue_.name(name).candidate; };
  std::vector<OfferId> queue = wanted.offers;
  std::set<OfferId> seen(queue.begin(), queue.end());
  bool released = false;
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const OfferId offer = queue[next];
    for (const Alternatives& alternatives : catalogue_.relations(offer).requires_) {
      released = release_for(offer, alternatives, wanted) || released;
      for (const Relation& relation : alternatives)
        catalogue_.for_each_match(relation, candidate, [&](OfferId match) {
          if (seen.insert(match).second) queue.push_back(match);
        });
    }
  }
  if (released) return true;
  // Conflicts and Breaks: releases the kept package, on either side of the relation.
  for (const OfferId offer : seen) {
    const NameId self = catalogue_.offer(offer).name;
    for (const Alternatives& alternatives : catalogue_.relations(offer).conflicts)
      for (const Relation& relation : alternatives)
        catalogue_.for_each_match(relation, candidate, [&](OfferId match) {
          const NameId name = catalogue_.offer(match).name;
          if (name == self || !seen.contains(match)) return;
          released = release(name, offer) || released;
          released = release(self, match) || released;
        });
  }
  return released;
}

}  // namespace k8simg
