// resolve(): reads the request, chooses packages as apt would, has libsolv prove the choice, and returns the result.
#include "debian/resolve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/version.hpp"
#include "debian/catalogue.hpp"
#include "debian/choice.hpp"
#include "debian/kept.hpp"
#include "debian/solver.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// "name", "name:arch", "name=version" or "name/suite".
struct Asked {
  std::string text, name, version, suite, architecture;
};

Asked parse_asked(const std::string& text) {
  Asked asked;
  asked.text = text;
  asked.name = text;
  if (const std::size_t equals = text.find('='); equals != std::string::npos) {
    asked.name = text.substr(0, equals);
    asked.version = text.substr(equals + 1);
  } else if (const std::size_t slash = text.find('/'); slash != std::string::npos) {
    asked.name = text.substr(0, slash);
    asked.suite = text.substr(slash + 1);
  }
  if (const std::size_t colon = asked.name.find(':'); colon != std::string::npos) {
    asked.architecture = asked.name.substr(colon + 1);
    asked.name.erase(colon);
  }
  return asked;
}

class Request {
 public:
  Request(Catalogue& catalogue, const ResolveRequest& request, const Kept& kept)
      : catalogue_(catalogue), request_(request), kept_(kept) {
    wanted_.excluded.resize(catalogue.name_count());
    for (const std::string& name : request.exclude)
      if (const auto id = catalogue.find(name)) wanted_.excluded[*id] = true;
  }

  Wanted read() {
    std::vector<OfferId> asked;
    for (const LockedPackage& package : request_.pinned)
      if (const OfferId offer = pin(package); offer != nothing) asked.push_back(offer);
    for (const std::string& text : request_.install)
      if (const OfferId offer = find(parse_asked(text)); offer != nothing) asked.push_back(offer);
    if (!mistakes_.empty()) {
      Error error(ErrorKind::Resolve, mistakes_[0], "Correct the list of packages.");
      for (std::size_t i = 1; i < mistakes_.size(); ++i) error.add_context(mistakes_[i]);
      throw error;
    }
    if (request_.essential) add_essential();
    for (OfferId offer : asked)
      if (std::find(wanted_.offers.begin(), wanted_.offers.end(), offer) == wanted_.offers.end())
        wanted_.offers.push_back(offer);
    return std::move(wanted_);
  }

  /// nullptr for an offer that is not pinned.
  const LockedPackage* find_pinned(OfferId offer) const {
    for (const LockedPackage& package : request_.pinned)
      if (package.name == catalogue_.name_of(offer) && pinned_.at(catalogue_.offer(offer).name) == offer)
        return &package;
    return nullptr;
  }

 private:
  OfferId pin(const LockedPackage& package) {
    const auto id = catalogue_.find(package.name);
    if (id && wanted_.excluded[*id]) return refuse(fmt::format("{} is both asked for and excluded", package.name));
    if (id)
      for (OfferId offer : catalogue_.name(*id).offers) {
        if (catalogue_.file_of(offer).repository != package.repository ||
            catalogue_.locked(offer).sha256 != package.sha256)
          continue;
        pinned_[*id] = offer;
        catalogue_.set_candidate(*id, offer);
        return offer;
      }
    throw Error(ErrorKind::Internal, fmt::format("no index has the pinned package {}", package.name));
  }

  OfferId refuse(std::string mistake) {
    mistakes_.push_back(std::move(mistake));
    return nothing;
  }

  OfferId find(const Asked& asked) {
    if (asked.name.empty() || (asked.text.find('=') != std::string::npos && asked.version.empty()) ||
        (asked.text.find('/') != std::string::npos && asked.suite.empty()))
      return refuse(fmt::format("\"{}\" is not a package: name, name=version or name/suite", asked.text));
    if (!asked.architecture.empty() && asked.architecture != catalogue_.architecture() && asked.architecture != "all")
      return refuse(fmt::format("{} is of another architecture: packages are taken for {} only", asked.text,
                                catalogue_.architecture()));
    const auto id = catalogue_.find(asked.name);
    if (id && wanted_.excluded[*id]) return refuse(fmt::format("{} is both asked for and excluded", asked.name));
    if (!id || catalogue_.name(*id).offers.empty()) return find_provider(asked, id);
    const OfferId offer = pick(asked, *id);
    if (offer == nothing) return nothing;
    if (const auto before = pinned_.find(*id); before != pinned_.end() && before->second != offer)
      return refuse(fmt::format("{} is asked for twice: {} and {}", asked.name, catalogue_.describe(before->second),
                                catalogue_.describe(offer)));
    if (!asked.version.empty() || !asked.suite.empty()) pinned_[*id] = offer;
    catalogue_.set_candidate(*id, offer);
    if (!asked.suite.empty()) follow_suite(offer, asked.suite);
    return offer;
  }

  OfferId pick(const Asked& asked, NameId id) {
    const Name& name = catalogue_.name(id);
    std::vector<std::string> there;
    // A kept version counts as a version of the suite that it was taken from.
    if (!asked.suite.empty() && kept_.is_kept(name.candidate) &&
        catalogue_.file_of(name.candidate).suite == asked.suite)
      return name.candidate;
    if (const auto pinned = pinned_.find(id);
        pinned != pinned_.end() && !asked.version.empty() &&
        compare_versions(catalogue_.offer(pinned->second).version, asked.version) == 0)
      return pinned->second;
    for (OfferId offer : name.offers) {
      const std::string& suite = catalogue_.file_of(offer).suite;
      if (!asked.version.empty() && compare_versions(catalogue_.offer(offer).version, asked.version) == 0) return offer;
      if (!asked.suite.empty() && suite == asked.suite) return offer;
      there.push_back(fmt::format("{} in {}", catalogue_.offer(offer).version, suite));
    }
    if (!asked.version.empty())
      return refuse(fmt::format("no suite has {} {}; there is {}", asked.name, asked.version, join(there, ", ")));
    if (!asked.suite.empty()) {
      std::vector<std::string> suites;
      for (const LockedSuite& suite : catalogue_.suites()) suites.push_back(suite.suite);
      if (std::find(suites.begin(), suites.end(), asked.suite) == suites.end())
        return refuse(
            fmt::format("{}: there is no suite \"{}\"; there is {}", asked.text, asked.suite, join(suites, ", ")));
      return refuse(fmt::format("suite {} has no {}; there is {}", asked.suite, asked.name, join(there, ", ")));
    }
    if (name.candidate == nothing)
      return refuse(fmt::format("{0} is only in a suite that is used on request: {1}; ask for {0}/{2}", asked.name,
                                join(there, ", "), catalogue_.file_of(name.offers[0]).suite));
    // An earlier entry may have pinned the candidate.
    return name.candidate;
  }

  OfferId find_provider(const Asked& asked, std::optional<NameId> id) {
    std::vector<std::string> names;
    OfferId found = nothing;
    if (id)
      for (const Provider& provider : catalogue_.name(*id).providers) {
        if (catalogue_.name(catalogue_.offer(provider.offer).name).candidate != provider.offer) continue;
        if (found == provider.offer) continue;
        found = provider.offer;
        names.emplace_back(catalogue_.name_of(provider.offer));
      }
    if (names.size() > 1)
      return refuse(
          fmt::format("{} is provided by several packages: ask for one of {}", asked.name, join(names, ", ")));
    if (names.size() == 1) return found;
    std::vector<std::string> all;
    for (NameId other = 0; other < catalogue_.name_count(); ++other)
      if (!catalogue_.name(other).offers.empty()) all.emplace_back(catalogue_.name(other).text);
    const auto near = nearest(asked.name, all);
    return refuse(fmt::format("no suite has a package {} for {}{}", asked.name, catalogue_.architecture(),
                              near ? fmt::format("; did you mean {}?", *near) : ""));
  }

  /// A package requested from a suite may need others from it: if no candidate meets a dependency, a package of that
  /// suite becomes the candidate.
  void follow_suite(OfferId offer, const std::string& suite) {
    for (const Alternatives& alternatives : catalogue_.relations(offer).requires_) {
      bool met = false;
      for (const Relation& relation : alternatives) {
        if (const auto name = catalogue_.find(relation.name)) met = met || wanted_.excluded[*name];
        catalogue_.for_each_match(
            relation, [&](NameId name) { return catalogue_.name(name).candidate; }, [&](OfferId) { met = true; });
      }
      if (met) continue;
      if (const OfferId other = find_in_suite(alternatives, suite); other != nothing) {
        catalogue_.set_candidate(catalogue_.offer(other).name, other);
        follow_suite(other, suite);
      }
    }
  }

  OfferId find_in_suite(const Alternatives& alternatives, const std::string& suite) const {
    for (const Relation& relation : alternatives) {
      OfferId found = nothing;
      const auto newest_of_suite = [&](NameId name) {
        for (OfferId offer : catalogue_.name(name).offers)
          if (catalogue_.file_of(offer).suite == suite && !pinned_.contains(name)) return offer;
        return nothing;
      };
      catalogue_.for_each_match(relation, newest_of_suite, [&](OfferId match) {
        if (found == nothing) found = match;
      });
      if (found != nothing) return found;
    }
    return nothing;
  }

  void add_essential() {
    for (NameId id = 0; id < catalogue_.name_count(); ++id) {
      const OfferId candidate = catalogue_.name(id).candidate;
      if (candidate != nothing && catalogue_.offer(candidate).essential && !wanted_.excluded[id])
        wanted_.offers.push_back(candidate);
    }
    std::sort(wanted_.offers.begin(), wanted_.offers.end(),
              [&](OfferId a, OfferId b) { return catalogue_.name_of(a) < catalogue_.name_of(b); });
  }

  Catalogue& catalogue_;
  const ResolveRequest& request_;
  const Kept& kept_;
  Wanted wanted_;
  std::map<NameId, OfferId> pinned_;
  std::vector<std::string> mistakes_;
};

/// Breadth-first from the requested packages, so that the nearest dependent package is the reason.
std::map<std::string, std::string> needs(const Catalogue& catalogue, const Wanted& wanted,
                                         const std::vector<OfferId>& proven) {
  const std::set<OfferId> taken(proven.begin(), proven.end());
  std::map<std::string, std::string> needed_by;
  std::vector<OfferId> queue;
  const auto add = [&](OfferId offer, std::string_view by) {
    if (taken.contains(offer) && needed_by.emplace(catalogue.name_of(offer), by).second) queue.push_back(offer);
  };
  for (OfferId offer : wanted.offers) add(offer, "");
  std::map<NameId, OfferId> chosen;
  for (OfferId offer : proven) chosen[catalogue.offer(offer).name] = offer;
  const auto of_name = [&](NameId name) {
    const auto found = chosen.find(name);
    return found == chosen.end() ? nothing : found->second;
  };
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const OfferId by = queue[next];
    for (const Alternatives& alternatives : catalogue.relations(by).requires_)
      for (const Relation& relation : alternatives)
        catalogue.for_each_match(relation, of_name, [&](OfferId match) { add(match, catalogue.name_of(by)); });
  }
  return needed_by;
}

}  // namespace

Resolution resolve(const IndexSet& indexes, const ResolveRequest& request) {
  Catalogue catalogue(indexes, request.architecture, request.prefer_suites);
  return resolve(catalogue, request);
}

Resolution resolve(Catalogue& catalogue, const ResolveRequest& request) {
  if (catalogue.offer_count() == 0)
    throw Error(ErrorKind::Resolve,
                fmt::format("no index has a package for the architecture \"{}\"", catalogue.architecture()));
  catalogue.reset_candidates();
  Kept kept(catalogue, request.keep);
  Wanted wanted;
  std::vector<OfferId> proven;
  std::optional<Request> reading;
  for (;;) {
    wanted = reading.emplace(catalogue, request, kept).read();
    try {
      proven = prove(catalogue, wanted, choose_as_apt(catalogue, wanted));
      break;
    } catch (const Error&) {
      if (!kept.release_what_is_in_the_way(wanted)) throw;
    }
  }
  Resolution resolution{.packages = {}, .needed_by = needs(catalogue, wanted, proven), .released = kept.released()};
  for (OfferId offer : proven) {
    const LockedPackage* known = kept.find(offer);
    if (!known) known = reading->find_pinned(offer);
    resolution.packages.push_back(known ? *known : catalogue.locked(offer));
  }
  std::sort(resolution.packages.begin(), resolution.packages.end(),
            [](const LockedPackage& a, const LockedPackage& b) { return a.name < b.name; });
  return resolution;
}

}  // namespace k8simg
