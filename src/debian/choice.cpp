// Walks through the dependencies in apt's order.
#include "debian/choice.hpp"

#include <algorithm>

#include "control/paragraph.hpp"

namespace k8simg {

namespace {

/// The state of a name. `fixed` packages are not removed because of conflicts; a name that is fixed but not taken is
/// forbidden.
struct State {
  OfferId candidate = nothing;
  bool taken = false, fixed = false, excluded = false, asked = false;
};

class Walk {
 public:
  Walk(const Catalogue& catalogue, const Wanted& wanted) : catalogue_(catalogue), state_(catalogue.name_count()) {
    for (NameId name = 0; name < state_.size(); ++name) {
      state_[name].candidate = catalogue.name(name).candidate;
      if (wanted.excluded[name]) state_[name].taken = state_[name].fixed = state_[name].excluded = true;
    }
  }

  Chosen run(const std::vector<OfferId>& wanted) {
    for (OfferId offer : wanted) {
      State& state = of(offer);
      state.asked = state.fixed = true;
      take(catalogue_.offer(offer).name);
    }
    for (OfferId offer : wanted) install(catalogue_.offer(offer).name, true, 0);
    Chosen chosen;
    chosen.complete = true;
    for (NameId name : order_)
      if (state_[name].taken && broken(name)) chosen.complete = false;
    for (OfferId offer : wanted) chosen.complete = chosen.complete && of(offer).taken;
    const std::vector<bool> needed = reachable(wanted);
    for (NameId name : order_)
      if (state_[name].taken && needed[name]) chosen.offers.push_back(state_[name].candidate);
    return chosen;
  }

 private:
  State& of(OfferId offer) { return state_[catalogue_.offer(offer).name]; }

  void take(NameId name) {
    if (state_[name].taken) return;
    state_[name].taken = true;
    if (std::find(order_.begin(), order_.end(), name) == order_.end()) order_.push_back(name);
  }

  bool excludes(const Relation& relation) const {
    const auto name = catalogue_.find(relation.name);
    return name && state_[*name].excluded;
  }

  bool met(const Relation& relation) const {
    if (excludes(relation)) return true;
    bool found = false;
    catalogue_.for_each_match(
        relation, [&](NameId name) { return state_[name].taken ? state_[name].candidate : nothing; },
        [&](OfferId) { found = true; });
    return found;
  }
  bool met(const Alternatives& alternatives) const {
    return std::any_of(alternatives.begin(), alternatives.end(),
                       [&](const Relation& relation) { return met(relation); });
  }

  /// Offers other than `self` that the relation names and that are taken, or could be. A package never conflicts with
  /// itself.
  std::vector<OfferId> opponents(NameId self, const Relation& relation, bool only_taken) const {
    std::vector<OfferId> found;
    if (excludes(relation)) return found;
    catalogue_.for_each_match(
        relation,
        [&](NameId name) {
          return state_[name].excluded || (only_taken && !state_[name].taken) ? nothing : state_[name].candidate;
        },
        [&](OfferId offer) {
          if (catalogue_.offer(offer).name != self) found.push_back(offer);
        });
    return found;
  }

  bool broken(NameId name) const {
    if (state_[name].excluded) return false;
    const OfferRelations& relations = catalogue_.relations(state_[name].candidate);
    for (const Alternatives& alternatives : relations.requires_)
      if (!met(alternatives)) return true;
    for (const Alternatives& alternatives : relations.conflicts)
      for (const Relation& relation : alternatives)
        if (!opponents(name, relation, true).empty()) return true;
    return false;
  }

  /// Offers that could meet the dependency, best first: in the written order of the alternatives, with providers in
  /// apt's order.
  std::vector<OfferId> solutions(const Alternatives& alternatives) const {
    std::vector<OfferId> all;
    for (const Relation& relation : alternatives) {
      std::vector<OfferId> some;
      catalogue_.for_each_match(
          relation, [&](NameId name) { return state_[name].candidate; },
          [&](OfferId offer) {
            if (std::find(some.begin(), some.end(), offer) == some.end()) some.push_back(offer);
          });
      const auto target = relation.qualifier.empty() ? catalogue_.find(relation.name) : std::nullopt;
      std::stable_sort(some.begin(), some.end(), [&](OfferId a, OfferId b) { return is_better(a, b, target); });
      for (OfferId offer : some)
        if (std::find(all.begin(), all.end(), offer) == all.end()) all.push_back(offer);
    }
    // Remove forbidden offers.
    std::erase_if(all, [&](OfferId offer) {
      const State& state = state_[catalogue_.offer(offer).name];
      return state.fixed && !state.taken;
    });
    return all;
  }

  bool is_better(OfferId left, OfferId right, std::optional<NameId> target) const {
    const Offer &a = catalogue_.offer(left), &b = catalogue_.offer(right);
    if (a.name == b.name) return false;
    if (state_[a.name].fixed != state_[b.name].fixed) return state_[a.name].fixed;
    if (target && (a.name == *target) != (b.name == *target)) return a.name == *target;
    if (a.essential != b.essential) return a.essential;
    if (a.important != b.important) return a.important;
    if (a.priority != b.priority) return a.priority < b.priority;
    return catalogue_.mention(a.name) > catalogue_.mention(b.name);
  }

  /// Returns false when the package cannot be installed; it may then no longer be a candidate.
  bool install(NameId name, bool asked, unsigned depth) {
    State& state = state_[name];
    if (depth > 3000 || state.excluded) return state.excluded;
    if (!asked && !state.taken && state.fixed) return false;
    if (state.candidate == nothing) return false;
    if (!state.fixed && state.taken && !broken(name)) return true;
    const OfferRelations& relations = catalogue_.relations(state.candidate);
    for (const Alternatives& alternatives : relations.requires_) {
      if (met(alternatives) || is_possible(alternatives)) continue;
      if (!state.fixed) give_up(name);
      return false;
    }
    const bool patient = state.fixed || asked;
    bool failed = false;
    std::vector<const Alternatives*> open;
    for (const Alternatives& alternatives : relations.requires_)
      if (state.fixed || !met(alternatives)) open.push_back(&alternatives);
    if (!make_room(name, relations.conflicts, asked)) {
      if (!patient) return false;
      failed = true;
    }
    take(name);

    // While its dependencies are installed, the package must not be removed because of one of them.
    const bool was_fixed = state.fixed;
    state.fixed = true;
    const bool installed = install_dependencies(open, was_fixed, asked, depth);
    state_[name].fixed = was_fixed;
    if (!installed) {
      if (!patient) {
        give_up(name);
        return false;
      }
      failed = true;
    }
    return !failed;
  }

  bool is_possible(const Alternatives& alternatives) const {
    for (const Relation& relation : alternatives) {
      bool found = false;
      catalogue_.for_each_match(
          relation, [&](NameId name) { return state_[name].candidate; }, [&](OfferId) { found = true; });
      if (found) return true;
    }
    return false;
  }

  void give_up(NameId name) {
    state_[name].taken = false;
    state_[name].candidate = nothing;
  }

  bool make_room(NameId name, const std::vector<Alternatives>& conflicts, bool asked) {
    const bool fixed = state_[name].fixed;
    bool failed = false;
    for (const Alternatives& alternatives : conflicts) {
      for (const Relation& relation : alternatives) {
        for (OfferId offer : opponents(name, relation, false)) {
          State& opponent = of(offer);
          if (opponent.candidate != offer) continue;
          if (opponent.taken && opponent.fixed) {
            failed = true;
            if (!fixed && !asked) return false;
            continue;
          }
          opponent.taken = false;
          if (fixed) {
            opponent.candidate = nothing;
            opponent.fixed = true;
          }
        }
      }
    }
    return !failed;
  }

  bool install_dependencies(const std::vector<const Alternatives*>& open, bool fix, bool asked, unsigned depth) {
    bool failed = false;
    for (const Alternatives* alternatives : open) {
      const bool was_met = met(*alternatives);
      if (was_met && !fix) continue;
      std::vector<OfferId> possible = solutions(*alternatives);
      if (was_met) {
        // If only one package can meet the dependency, it gets the same fixed state as the dependent package.
        if (possible.size() != 1 || of(possible[0]).fixed) continue;
        of(possible[0]).fixed = true;
        if (!install(catalogue_.offer(possible[0]).name, false, depth + 1)) failed = true;
        continue;
      }
      bool found = false;
      for (OfferId offer : possible) {
        if (of(offer).candidate != offer) continue;
        if (fix && possible.size() == 1) {
          if (!of(offer).taken && of(offer).fixed) continue;
          take(catalogue_.offer(offer).name);
          of(offer).fixed = true;
        }
        if (!install(catalogue_.offer(offer).name, false, depth + 1)) continue;
        found = true;
        break;
      }
      if (!found) {
        failed = true;
        if (!fix && !asked) return false;
      }
    }
    return !failed;
  }

  /// The packages that requested packages depend on, directly or indirectly, including alternatives and
  /// recommendations. Others were taken in vain and are dropped, as by apt.
  std::vector<bool> reachable(const std::vector<OfferId>& wanted) const {
    std::vector<bool> needed(state_.size());
    std::vector<NameId> queue;
    const auto need = [&](NameId name) {
      if (needed[name] || !state_[name].taken || state_[name].excluded) return;
      needed[name] = true;
      queue.push_back(name);
    };
    for (OfferId offer : wanted) need(catalogue_.offer(offer).name);
    for (NameId name : order_)
      if (state_[name].taken &&
          (catalogue_.offer(state_[name].candidate).essential || catalogue_.offer(state_[name].candidate).important))
        need(name);
    while (!queue.empty()) {
      const OfferId offer = state_[queue.back()].candidate;
      queue.pop_back();
      const auto follow = [&](const std::vector<Alternatives>& dependencies) {
        for (const Alternatives& alternatives : dependencies)
          for (const Relation& relation : alternatives)
            catalogue_.for_each_match(
                relation, [&](NameId name) { return state_[name].taken ? state_[name].candidate : nothing; },
                [&](OfferId match) { need(catalogue_.offer(match).name); });
      };
      follow(catalogue_.relations(offer).requires_);
      const auto paragraph = parse_control(catalogue_.offer(offer).stanza);
      if (!paragraph) continue;  // cannot happen: the text was parsed before
      for (const char* field : {"Recommends", "Suggests"})
        if (const auto relations = parse_relations(paragraph->get(field))) follow(*relations);
    }
    return needed;
  }

  const Catalogue& catalogue_;
  std::vector<State> state_;
  std::vector<NameId> order_;  ///< every name that was taken at some time, once
};

}  // namespace

Chosen choose_as_apt(const Catalogue& catalogue, const Wanted& wanted) {
  return Walk(catalogue, wanted).run(wanted.offers);
}

}  // namespace k8simg
