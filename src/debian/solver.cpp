// Fills a libsolv pool from the catalogue, solves it, and explains libsolv's problem rules.
#include "debian/solver.hpp"

#include <fmt/format.h>

// "requires" is a keyword in C++20; with this macro libsolv names its fields dep_requires etc.
#define LIBSOLV_SOLVABLE_PREPEND_DEP
extern "C" {
#include <solv/pool.h>
#include <solv/repo.h>
#include <solv/solver.h>
}

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

class IdQueue {
 public:
  IdQueue() { queue_init(&queue_); }
  ~IdQueue() { queue_free(&queue_); }
  IdQueue(const IdQueue&) = delete;
  IdQueue& operator=(const IdQueue&) = delete;
  Queue* get() { return &queue_; }
  void push(Id a, Id b) { queue_push2(&queue_, a, b); }
  int size() const { return queue_.count; }
  Id operator[](int i) const { return queue_.elements[i]; }

 private:
  Queue queue_;
};

int to_flags(VersionOperator op) {
  switch (op) {
    case VersionOperator::Earlier:
      return REL_LT;
    case VersionOperator::EarlierOrEqual:
      return REL_LT | REL_EQ;
    case VersionOperator::Equal:
      return REL_EQ;
    case VersionOperator::LaterOrEqual:
      return REL_GT | REL_EQ;
    case VersionOperator::Later:
      return REL_GT;
    case VersionOperator::None:
      break;
  }
  return 0;
}

/// Offers in the order of the walk, with the offer that first led to each, for the explanation of errors.
struct Closure {
  std::vector<OfferId> offers;
  std::unordered_map<OfferId, OfferId> parent;  ///< `nothing`: requested
};

bool is_excluded(const Catalogue& catalogue, const Wanted& wanted, const Relation& relation) {
  const auto name = catalogue.find(relation.name);
  return name && wanted.excluded[*name];
}

bool meets_by_exclusion(const Catalogue& catalogue, const Wanted& wanted, const Alternatives& alternatives) {
  for (const Relation& relation : alternatives) {
    if (is_excluded(catalogue, wanted, relation)) return true;
    // Names that the excluded package provides count as provided.
    bool provided = false;
    catalogue.for_each_match(
        relation, [&](NameId name) { return wanted.excluded[name] ? catalogue.name(name).candidate : nothing; },
        [&](OfferId) { provided = true; });
    if (provided) return true;
  }
  return false;
}

/// All candidates of all alternatives of all dependencies. Preferred ones come first, since libsolv's choice follows
/// the order.
Closure close_over(const Catalogue& catalogue, const Wanted& wanted, const std::vector<OfferId>& preferred) {
  Closure closure;
  const auto add = [&](OfferId offer, OfferId parent) {
    if (closure.parent.emplace(offer, parent).second) closure.offers.push_back(offer);
  };
  for (OfferId offer : wanted.offers) add(offer, nothing);
  std::vector<bool> is_preferred(catalogue.offer_count());
  for (OfferId offer : preferred) is_preferred[offer] = true;
  for (std::size_t next = 0; next < closure.offers.size(); ++next) {
    const OfferId offer = closure.offers[next];
    for (const Alternatives& alternatives : catalogue.relations(offer).requires_) {
      if (meets_by_exclusion(catalogue, wanted, alternatives)) continue;
      for (const bool first : {true, false})
        for (const Relation& relation : alternatives)
          catalogue.for_each_match(
              relation, [&](NameId name) { return wanted.excluded[name] ? nothing : catalogue.name(name).candidate; },
              [&](OfferId match) {
                if (is_preferred[match] == first) add(match, offer);
              });
    }
  }
  return closure;
}

class Proof {
 public:
  Proof(const Catalogue& catalogue, const Wanted& wanted)
      : catalogue_(catalogue), wanted_(wanted), pool_(pool_create(), pool_free), solver_(nullptr, solver_free) {
    if (pool_setdisttype(pool_.get(), DISTTYPE_DEB) < 0)
      throw Error(ErrorKind::Internal, "this libsolv was built without support for Debian packages");
    pool_setarch(pool_.get(), catalogue.architecture().c_str());
  }

  void add(const std::vector<OfferId>& offers) {
    for (OfferId offer : offers) add(offer);
    pool_createwhatprovides(pool_.get());
  }

  void install(OfferId offer) { jobs_.push(SOLVER_INSTALL | SOLVER_SOLVABLE, solvable_.at(offer)); }
  void favor(OfferId offer) {
    if (const auto known = solvable_.find(offer); known != solvable_.end())
      jobs_.push(SOLVER_FAVOR | SOLVER_SOLVABLE, known->second);
  }

  bool solve() {
    solver_.reset(solver_create(pool_.get()));
    solver_set_flag(solver_.get(), SOLVER_FLAG_IGNORE_RECOMMENDED, 1);
    return solver_solve(solver_.get(), jobs_.get()) == 0;
  }

  std::vector<OfferId> solution() const {
    IdQueue decisions;
    solver_get_decisionqueue(solver_.get(), decisions.get());
    std::vector<OfferId> offers;
    for (int i = 0; i < decisions.size(); ++i)
      if (const auto known = offer_.find(decisions[i]); known != offer_.end()) offers.push_back(known->second);
    std::sort(offers.begin(), offers.end());
    return offers;
  }

  [[noreturn]] void explain(const Closure& closure) const;

 private:
  Id string_id(std::string_view text) {
    return pool_strn2id(pool_.get(), text.data(), static_cast<unsigned>(text.size()), 1);
  }

  Repo* repo_of(OfferId offer) {
    const std::string& suite = catalogue_.file_of(offer).suite;
    Repo*& repo = repos_[suite];
    if (!repo) repo = repo_create(pool_.get(), suite.c_str());
    return repo;
  }

  Id relation_id(const Relation& relation) {
    const bool plain =
        relation.qualifier.empty() || relation.qualifier == catalogue_.architecture() || relation.qualifier == "native";
    const Id name =
        plain ? string_id(relation.name) : string_id(fmt::format("{}:{}", relation.name, relation.qualifier));
    if (relation.op == VersionOperator::None) return name;
    return pool_rel2id(pool_.get(), name, string_id(relation.version), to_flags(relation.op), 1);
  }

  void add(OfferId offer) {
    const Offer& source = catalogue_.offer(offer);
    Repo* repo = repo_of(offer);
    const Id id = repo_add_solvable(repo);
    solvable_[offer] = id;
    offer_[id] = offer;
    Solvable* solvable = pool_id2solvable(pool_.get(), id);
    solvable->name = string_id(catalogue_.name_of(offer));
    solvable->evr = string_id(source.version);
    // Only one architecture and "all" exist; both are native.
    solvable->arch = string_id(catalogue_.architecture());

    const auto provide = [&](std::string_view name, std::string_view version, bool plain, bool any) {
      for (const bool qualified : {false, true}) {
        if (qualified ? !any : !plain) continue;
        const Id provided = qualified ? string_id(fmt::format("{}:any", name)) : string_id(name);
        solvable->dep_provides = repo_addid_dep(
            repo, solvable->dep_provides,
            version.empty() ? provided : pool_rel2id(pool_.get(), provided, string_id(version), REL_EQ, 1), 0);
      }
    };
    const bool allowed = source.multi_arch == MultiArch::Allowed;
    provide(catalogue_.name_of(offer), source.version, true, allowed);
    if (const auto provides = parse_relations(source.provides))
      for (const Alternatives& alternatives : *provides)
        for (const Relation& relation : alternatives) {
          if (relation.op != VersionOperator::None && relation.op != VersionOperator::Equal) continue;
          const bool any = relation.qualifier == "any";
          if (!any && !relation.qualifier.empty() && relation.qualifier != catalogue_.architecture()) continue;
          provide(relation.name, relation.version, !any, any || allowed);
        }
    const OfferRelations& relations = catalogue_.relations(offer);
    for (const Alternatives& alternatives : relations.requires_) {
      if (meets_by_exclusion(catalogue_, wanted_, alternatives)) continue;
      Id dependency = 0;
      for (auto relation = alternatives.rbegin(); relation != alternatives.rend(); ++relation)
        dependency = dependency ? pool_rel2id(pool_.get(), relation_id(*relation), dependency, REL_OR, 1)
                                : relation_id(*relation);
      dependencies_[dependency] = &alternatives;
      solvable->dep_requires = repo_addid_dep(repo, solvable->dep_requires, dependency, 0);
    }
    for (const Alternatives& alternatives : relations.conflicts)
      for (const Relation& relation : alternatives)
        if (!is_excluded(catalogue_, wanted_, relation))
          solvable->dep_conflicts = repo_addid_dep(repo, solvable->dep_conflicts, relation_id(relation), 0);
  }

  std::string text_of(Id dependency) const {
    const auto known = dependencies_.find(dependency);
    return known == dependencies_.end() ? pool_dep2str(pool_.get(), dependency) : to_string(*known->second);
  }
  std::string package(Id id) const {
    const auto known = offer_.find(id);
    return known == offer_.end() ? "the request" : catalogue_.describe(known->second);
  }
  std::string what_there_is(Id dependency) const;
  std::string chain(const Closure& closure, Id id) const;

  const Catalogue& catalogue_;
  const Wanted& wanted_;
  std::unique_ptr<Pool, void (*)(Pool*)> pool_;
  std::unique_ptr<Solver, void (*)(Solver*)> solver_;
  std::map<std::string, Repo*> repos_;
  std::unordered_map<OfferId, Id> solvable_;
  std::unordered_map<Id, OfferId> offer_;
  std::unordered_map<Id, const Alternatives*> dependencies_;
  IdQueue jobs_;
};

/// "; trixie has libfoo 1.4": packages similar to a dependency that cannot be met.
std::string Proof::what_there_is(Id dependency) const {
  const auto known = dependencies_.find(dependency);
  if (known == dependencies_.end()) return {};
  std::vector<std::string> found;
  for (const Relation& relation : *known->second) {
    const auto name = catalogue_.find(relation.name);
    if (!name) continue;
    for (OfferId offer : catalogue_.name(*name).offers) {
      if (found.size() == 4) break;
      const std::string& suite = catalogue_.file_of(offer).suite;
      if (catalogue_.is_off(offer) && satisfies(catalogue_.offer(offer).version, relation))
        found.push_back(fmt::format("{} has {}, but is only used when asked for as {}/{}", suite,
                                    catalogue_.describe(offer), relation.name, suite));
      else
        found.push_back(fmt::format("{} has {}", suite, catalogue_.describe(offer)));
    }
    for (const Provider& provider : catalogue_.name(*name).providers) {
      if (found.size() == 4) break;
      found.push_back(fmt::format("{} {} provides {}{}", catalogue_.file_of(provider.offer).suite,
                                  catalogue_.describe(provider.offer), relation.name,
                                  provider.version.empty() ? "" : fmt::format(" {}", provider.version)));
    }
  }
  return found.empty() ? "" : "; " + join(found, ", ");
}

/// " (needed by ssh, needed by task-x, which was asked for)".
std::string Proof::chain(const Closure& closure, Id id) const {
  const auto known = offer_.find(id);
  if (known == offer_.end()) return {};
  std::vector<std::string> names;
  OfferId at = known->second;
  for (auto parent = closure.parent.find(at); parent != closure.parent.end(); parent = closure.parent.find(at)) {
    names.emplace_back(catalogue_.name_of(at));
    at = parent->second;
    if (at == nothing) break;
  }
  std::reverse(names.begin(), names.end());
  if (names.size() == 1) return fmt::format(" ({} was asked for)", names[0]);
  names.pop_back();
  return fmt::format(" (needed by {}, which was asked for)",
                     join(std::vector<std::string>(names.rbegin(), names.rend()), ", needed by "));
}

void Proof::explain(const Closure& closure) const {
  std::vector<std::string> causes, steps, in_the_way;
  const auto was_asked_for = [&](Id id) {
    const auto known = offer_.find(id);
    if (known == offer_.end()) return false;
    const auto parent = closure.parent.find(known->second);
    return parent == closure.parent.end() || parent->second == nothing;
  };
  const auto note = [](std::vector<std::string>& lines, std::string line) {
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
  };
  const Id problems = static_cast<Id>(solver_problem_count(solver_.get()));
  for (Id problem = 1; problem <= problems; ++problem) {
    IdQueue rules;
    solver_findallproblemrules(solver_.get(), problem, rules.get());
    for (int i = 0; i < rules.size(); ++i) {
      Id source = 0, target = 0, dependency = 0;
      switch (solver_ruleinfo(solver_.get(), rules[i], &source, &target, &dependency)) {
        case SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
          note(causes, fmt::format("{} depends on {}, which no suite has{}{}", package(source), text_of(dependency),
                                   what_there_is(dependency), chain(closure, source)));
          break;
        case SOLVER_RULE_PKG_CONFLICTS:
          note(causes, fmt::format("{} conflicts with {}, and both are needed{}", package(source), package(target),
                                   chain(closure, source)));
          for (const Id each : {target, source})
            if (was_asked_for(each)) note(in_the_way, std::string(catalogue_.name_of(offer_.at(each))));
          break;
        case SOLVER_RULE_PKG_SAME_NAME:
          note(causes, fmt::format("{} and {} cannot both be installed", package(source), package(target)));
          break;
        case SOLVER_RULE_PKG_NOT_INSTALLABLE:
          note(causes, fmt::format("{} cannot be installed on {}{}", package(source), catalogue_.architecture(),
                                   chain(closure, source)));
          break;
        case SOLVER_RULE_PKG_REQUIRES:
          note(steps, fmt::format("{} depends on {}", package(source), text_of(dependency)));
          break;
        default:
          break;
      }
    }
  }
  // Missing dependencies first: they often cause the conflicts.
  std::stable_partition(causes.begin(), causes.end(),
                        [](const std::string& cause) { return cause.find("which no suite has") != std::string::npos; });
  if (causes.empty()) causes.push_back("the packages that were asked for cannot be installed together");
  std::string hint =
      "Take the package out, ask for another version (name=version) or suite (name/suite), or exclude what is "
      "not needed.";
  if (!in_the_way.empty()) {
    for (auto& name : in_the_way) name = fmt::format("`\"!{}\"`", name);
    hint = fmt::format(
        "Take one of them out: {} in packages.install takes out what an inherited list asks for. Or ask for another "
        "version (name=version) or suite (name/suite).",
        join(in_the_way, " or "));
  }
  Error error(ErrorKind::Resolve, causes[0], hint);
  for (std::size_t i = 1; i < causes.size() && i < 8; ++i) error.add_context(causes[i]);
  for (std::size_t i = 0; i < steps.size() && i < 12; ++i) error.add_context(steps[i]);
  throw error;
}

}  // namespace

std::vector<OfferId> prove(const Catalogue& catalogue, const Wanted& wanted, const Chosen& chosen) {
  if (chosen.complete) {
    // The usual case: a pool of only the chosen packages, all of which must be installable together.
    Proof proof(catalogue, wanted);
    proof.add(chosen.offers);
    for (OfferId offer : chosen.offers) proof.install(offer);
    if (proof.solve()) {
      std::vector<OfferId> same = chosen.offers;
      std::sort(same.begin(), same.end());
      if (proof.solution() == same) return same;
    }
  }
  const Closure closure = close_over(catalogue, wanted, chosen.offers);
  Proof proof(catalogue, wanted);
  proof.add(closure.offers);
  for (OfferId offer : wanted.offers) proof.install(offer);
  for (OfferId offer : chosen.offers) proof.favor(offer);
  if (!proof.solve()) proof.explain(closure);
  return proof.solution();
}

}  // namespace k8simg
