// The catalogue of all package versions that the suites offer for one architecture, by name and by provided name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/relation.hpp"
#include "debian/resolve.hpp"

namespace k8simg {

using OfferId = std::uint32_t;
using NameId = std::uint32_t;
constexpr std::uint32_t nothing = UINT32_MAX;

enum class MultiArch : std::uint8_t { No, Same, Foreign, Allowed };

/// One version of a package in one suite, as views into the index.
struct Offer {
  std::string_view stanza;
  std::string_view version, depends, pre_depends, conflicts, breaks, provides;
  NameId name = nothing;
  std::uint32_t file = 0;     ///< IndexSet::packages
  std::uint8_t priority = 5;  ///< 1 required, 2 important, 3 standard, 4 optional, 5 extra
  MultiArch multi_arch = MultiArch::No;
  bool essential = false, important = false;
};

struct Provider {
  OfferId offer = nothing;
  std::string_view version;  ///< "" for an unversioned Provides
  bool any = false;          ///< "name:any": satisfies only relations with this qualifier
};

struct Name {
  std::string_view text;
  std::vector<OfferId> offers;      ///< newest version first
  std::vector<Provider> providers;  ///< other packages that provide it, in index order
  OfferId candidate = nothing;      ///< the version that is installed by default
};

/// The relations that installation must respect, parsed on first use.
struct OfferRelations {
  std::vector<Alternatives> requires_;  ///< Pre-Depends, then Depends
  std::vector<Alternatives> conflicts;  ///< Conflicts, then Breaks: one relation each
};

class Catalogue {
 public:
  /// Error{Fetch} naming suite, section and line for invalid control data. Offers of suites that are off by default
  /// (not_automatic, or in `off_suites`) are in the catalogue, but are not candidates.
  Catalogue(const IndexSet& indexes, const std::string& architecture, const std::vector<std::string>& off_suites);

  std::size_t offer_count() const { return offers_.size(); }
  std::size_t name_count() const { return names_.size(); }
  const Offer& offer(OfferId id) const { return offers_[id]; }
  const Name& name(NameId id) const { return names_[id]; }
  std::string_view name_of(OfferId id) const { return names_[offers_[id].name].text; }
  std::optional<NameId> find(std::string_view name) const;
  const IndexSet::Packages& file_of(OfferId id) const { return indexes_.packages[offers_[id].file]; }
  const std::string& architecture() const { return architecture_; }
  const std::vector<LockedSuite>& suites() const { return indexes_.suites; }
  bool is_off(OfferId id) const { return off_[offers_[id].file]; }
  std::string describe(OfferId id) const;  ///< "systemd 257.9-1"

  /// Resets every candidate to the newest version of the suites that are on by default.
  void reset_candidates();
  void set_candidate(NameId name, OfferId offer) { names_[name].candidate = offer; }
  const OfferRelations& relations(OfferId id) const;

  /// Calls `visit(OfferId)` for each offer that satisfies `relation` and for which `taken(NameId)` returns the same
  /// offer (its candidate, or a chosen one). Visits the package of that name first, then its providers in index order;
  /// an offer may be visited twice.
  template <class Taken, class Visit>
  void for_each_match(const Relation& relation, Taken&& taken, Visit&& visit) const;

  /// The position at which a stanza first mentions a name, as a package or in a relation. apt numbers packages in this
  /// order and prefers the later one of otherwise equal packages. Computed on first use.
  std::uint32_t mention(NameId name) const;

  LockedPackage locked(OfferId id) const;

 private:
  NameId intern(std::string_view name);
  void read(std::uint32_t file);
  void add_provides(OfferId id);
  [[noreturn]] void refuse(std::uint32_t file, std::size_t line, const std::string& what) const;
  std::vector<Alternatives> parse(OfferId id, std::string_view field, const char* what) const;

  const IndexSet& indexes_;
  std::string architecture_;
  std::vector<bool> off_;  ///< by file
  std::vector<Offer> offers_;
  std::vector<Name> names_;
  std::unordered_map<std::string_view, NameId> by_name_;
  mutable std::unordered_map<OfferId, OfferRelations> relations_;
  mutable std::vector<std::uint32_t> mentions_;
};

/// Like resolve() of an IndexSet, for several requests to one catalogue; `architecture` and `prefer_suites` are those
/// of the catalogue.
Resolution resolve(Catalogue& catalogue, const ResolveRequest& request);

template <class Taken, class Visit>
void Catalogue::for_each_match(const Relation& relation, Taken&& taken, Visit&& visit) const {
  const auto id = find(relation.name);
  if (!id) return;
  const Name& target = names_[*id];
  const bool any = relation.qualifier == "any";
  // Dependencies on another architecture cannot be met: an image has one architecture.
  if (!relation.qualifier.empty() && !any && relation.qualifier != architecture_ && relation.qualifier != "native")
    return;
  if (const OfferId own = taken(*id); own != nothing && offers_[own].name == *id)
    if ((!any || offers_[own].multi_arch == MultiArch::Allowed) && satisfies(offers_[own].version, relation))
      visit(own);
  for (const Provider& provider : target.providers) {
    if (taken(offers_[provider.offer].name) != provider.offer) continue;
    if (any ? !(provider.any || offers_[provider.offer].multi_arch == MultiArch::Allowed) : provider.any) continue;
    if (satisfies(provider.version, relation)) visit(provider.offer);
  }
}

}  // namespace k8simg
