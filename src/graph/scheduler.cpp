// Runs a plan: worker threads for each kind of resource, the longest remaining path first.
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>

#include "graph/execute.hpp"
#include "graph/explain.hpp"
#include "graph/frontier.hpp"
#include "graph/verification.hpp"
#include "graph/watched_store.hpp"
#include "store/file_name.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {
namespace {

using State = PlannedStep::State;

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

constexpr double seconds_worth_a_sync = 30;  // after a longer step, the store is synced immediately
constexpr const char* output_gone = "its output is no longer in the store";

// The estimated duration of a step. A heavy step without a record (kernel, Go build) counts as 300 s, so it starts
// first.
double expected_seconds(const PlannedStep& planned, Resource resource) {
  if (planned.state != State::Run && planned.state != State::Maybe) return 0;
  if (planned.last_seconds > 0) return planned.last_seconds;
  return resource == Resource::Heavy ? 300 : 1;
}

class Scheduler {
 public:
  Scheduler(const StepGraph& graph, const Plan& plan, Store& store, CommandRunner& runner, Reporter& reporter,
            const RunOptions& options, std::stop_token stop)
      : graph_(graph),
        plan_(plan),
        store_(store),
        runner_(runner),
        reporter_(reporter),
        options_(options),
        jobs_(options.jobs > 0 ? options.jobs : cores()),
        user_stop_(std::move(stop)),
        verification_(store),
        frontier_(graph, store, options.defconfig),
        reported_(graph.steps().size()) {
    if (plan.steps.size() != graph.steps().size()) throw Error(ErrorKind::Internal, "the plan is of another graph");
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      if (plan.steps[i].id != graph.steps()[i].id) throw Error(ErrorKind::Internal, "the plan is of another graph");
    rank_steps();
  }

  RunResult run() {
    const std::size_t to_run = plan_.count(State::Run) + plan_.count(State::Maybe);
    reporter_.report({.kind = Event::Kind::PlanReady, .done = plan_.count(State::Cached), .total = to_run});
    const std::stop_callback pass_on(user_stop_, [this] { stop_.request_stop(); });
    frontier_.begin();
    emit(collect());
    work_off();
    while (!failure_ && frontier_.complete() && !targets_are_whole()) work_off();
    // After an interruption, the next build syncs the store.
    if (!user_stop_.stop_requested()) store_.sync();

    // failure_ is only set if no stop was requested before.
    const bool interrupted = user_stop_.stop_requested() && !frontier_.complete();
    if (failure_ && !(interrupted && options_.keep_going)) throw *failure_;
    if (interrupted) throw Error(ErrorKind::Interrupted, "the build was interrupted");
    if (!frontier_.complete()) throw Error(ErrorKind::Internal, "the build stopped before all targets were made");
    for (std::size_t i = 0; i < plan_.steps.size(); ++i)  // planned as Maybe, but not needed
      if (expected_to_run(i) && !reported_[i])
        reporter_.report({.kind = Event::Kind::StepCached, .step = graph_.steps()[i].id});
    return {frontier_.target_values(), ran_.load()};
  }

 private:
  static constexpr std::size_t resources = 3;

  void rank_steps() {
    const Edges edges(graph_);
    rank_.resize(graph_.steps().size());
    for (std::size_t i = rank_.size(); i-- > 0;) {
      double longest = 0;
      for (const std::size_t dependent : edges.nodes[i].dependents) longest = std::max(longest, rank_[dependent]);
      rank_[i] = longest + expected_seconds(plan_.steps[i], graph_.steps()[i].resource);
    }
  }

  bool expected_to_run(std::size_t i) const {
    return plan_.steps[i].state == State::Run || plan_.steps[i].state == State::Maybe;
  }

  std::size_t limit(Resource resource) const {
    const int most = resource == Resource::Heavy     ? 1
                     : resource == Resource::Network ? std::max(1, options_.downloads)
                                                     : jobs_;
    const auto& steps = graph_.steps();
    const auto there =
        std::count_if(steps.begin(), steps.end(), [&](const Step& step) { return step.resource == resource; });
    return static_cast<std::size_t>(std::min<std::ptrdiff_t>(most, there));
  }

  void work_off() {
    if (idle_) return;
    std::vector<std::jthread> threads;
    for (const Resource resource : {Resource::Cpu, Resource::Heavy, Resource::Network})
      for (std::size_t n = limit(resource); n > 0; --n) threads.emplace_back([this, resource] { work(resource); });
  }

  void work(Resource resource) {
    auto& waiting = waiting_[static_cast<std::size_t>(resource)];
    while (true) {
      std::size_t step = 0;
      {
        std::unique_lock lock(mutex_);
        std::optional<std::size_t> best;
        wake_.wait(lock, stop_.get_token(), [&] { return idle_ || (best = choose(waiting)); });
        if (stop_.stop_requested() || !best) return;
        step = *best;
        std::erase(waiting, step);
        running_.insert(frontier_.key(step));
      }
      std::vector<Event> events;
      try {
        const auto outputs = carry_out(step);
        std::lock_guard lock(mutex_);
        running_.erase(frontier_.key(step));
        if (outputs)
          frontier_.finished(step, *outputs);
        else
          frontier_.lost(step);
        events = collect();
      } catch (Error& error) {
        fail(step, error);
      } catch (const std::exception& error) {
        Error wrapped(ErrorKind::Internal, error.what());
        fail(step, wrapped);
      }
      emit(events);
      wake_.notify_all();
    }
  }

  // The waiting step with the longest path. A step is skipped while another with the same key runs, because it can then
  // use that record.
  std::optional<std::size_t> choose(const std::vector<std::size_t>& waiting) const {
    std::optional<std::size_t> best;
    for (const std::size_t i : waiting) {
      if (running_.contains(frontier_.key(i))) continue;
      const bool better = !best || rank_[i] > rank_[*best] || (rank_[i] == rank_[*best] && i < *best);
      if (better) best = i;
    }
    return best;
  }

  // Called with the mutex held, or before threads exist: queues the steps that the frontier found.
  std::vector<Event> collect() {
    for (const std::size_t i : frontier_.take_ready())
      waiting_[static_cast<std::size_t>(graph_.steps()[i].resource)].push_back(i);
    std::vector<Event> events;
    for (const std::size_t i : frontier_.take_cached())
      if (expected_to_run(i) && !reported_[i]) {
        reported_[i] = true;
        events.push_back({.kind = Event::Kind::StepCached, .step = graph_.steps()[i].id});
      }
    settle_idle();
    return events;
  }

  void settle_idle() {
    idle_ = running_.empty() &&
            std::all_of(waiting_.begin(), waiting_.end(), [](const auto& waiting) { return waiting.empty(); });
  }

  // Called without the mutex, since a reporter may block.
  void emit(const std::vector<Event>& events) {
    for (const Event& event : events) reporter_.report(event);
  }

  void fail(std::size_t i, Error& error) {
    const std::string& id = graph_.steps()[i].id;
    error.add_context("in step " + id);
    bool first = false, report = false;
    {
      std::lock_guard lock(mutex_);
      running_.erase(frontier_.key(i));
      settle_idle();
      report = !stop_.stop_requested();  // otherwise the step ended because of the stop
      if (report && !failure_) {
        failure_ = error;
        first = true;
      }
    }
    if (report) reporter_.report({.kind = Event::Kind::StepFailed, .step = id, .text = error.describe()});
    if (first && !options_.keep_going) stop_.request_stop();
  }

  // Returns an empty path for a store without folders (tests). If the folder cannot be created, executing the step
  // fails later.
  fs::path log_path(const std::string& id) {
    fs::path folder;
    try {
      folder = store_.folder("logs");
    } catch (const Error&) {
      return {};
    }
    folder /= file_name_of(options_.defconfig);
    fs::create_directories(folder);
    return folder / (file_name_of(id) + ".log");
  }

  // Another process, or another step of this graph with the same key, may have saved a record meanwhile.
  std::optional<StepRecord> found_meanwhile(std::size_t i) {
    auto record = store_.find_record(frontier_.key(i));
    if (!record) return std::nullopt;
    for (const auto& name : frontier_.asked(i))
      if (!record->outputs.contains(name)) return std::nullopt;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [name, value] : record->outputs)
        if (!frontier_.is_present(value)) return std::nullopt;
    }
    for (const auto& [name, value] : graph_.steps()[i].known_outputs)
      if (const auto given = record->outputs.find(name);
          given == record->outputs.end() || !(given->second.digest == value.digest))
        return std::nullopt;
    return record;
  }

  std::string reason_to_run(std::size_t i) const {
    const Step& step = graph_.steps()[i];
    const PlannedStep& planned = plan_.steps[i];
    if (planned.state == State::Run) return planned.reason;
    if (!step.known_outputs.empty()) return "needed by a step that runs";
    if (store_.find_record(frontier_.key(i))) return output_gone;
    return explain_change(step, frontier_.inputs(i), store_.last_record(options_.defconfig, step.id));
  }

  // Moves damaged blobs into the quarantine, so that the frontier finds them missing and they are made again. `what`:
  // the step that needs them.
  void mend(const std::string& what, const std::vector<Damage>& damage) {
    constexpr int most_rounds = 3;
    constexpr std::size_t most_names = 10;
    std::lock_guard lock(mend_);
    if (++rounds_[what] > most_rounds)
      throw Error(ErrorKind::Internal,
                  what + ": " + damage.front().name + " (" + damage.front().digest.hex() + ") is damaged repeatedly",
                  "the store's disk may be failing: run `k8simg store check`, and look at the kernel's "
                  "log");
    std::set<Digest> lost;
    for (std::size_t n = 0; n < damage.size(); ++n) {
      const Damage& one = damage[n];
      lost.insert(one.digest);
      // Another step may have found the same blob, and it may already have been made again.
      if (!one.checkout && store_.check(one.digest) == Condition::Damaged) store_.quarantine(one.digest);
      if (n < most_names) reporter_.warning(describe(one));
    }
    if (damage.size() > most_names)
      reporter_.warning(std::to_string(damage.size() - most_names) + " more files of " + what +
                        " are damaged or missing");
    if (store_.has_folders()) set_checkouts_aside(store_, lost);
  }

  static std::string describe(const Damage& damage) {
    if (damage.checkout)
      return damage.name + " in the checkout of tree " + damage.digest.hex() +
             "; it is moved to quarantine/ and checked out again";
    return damage.name + ", blob " + damage.digest.hex() +
           (damage.condition == Condition::Missing
                ? ", is not in the store; it is made again"
                : ", is damaged in the store; it is moved to quarantine/ and made again");
  }

  // Verifies the values that a step uses while it runs, and returns the damaged ones.
  std::vector<Damage> damage_of(Taken& taken, const std::vector<RecordedInput>& inputs, const std::stop_token& stop) {
    std::vector<Damage> damage;
    while (const auto value = taken.next()) {
      const auto input =
          std::ranges::find(inputs, value->digest, [](const RecordedInput& one) { return one.value.digest; });
      const bool is_input = input != inputs.end();
      auto found = verification_.check(is_input ? input->name : "a tree that the step made", *value, stop);
      if (!found.empty() && !is_input && value->kind == ValueKind::Blob)
        found.front().name = place_of(value->digest, inputs);
      std::ranges::move(found, std::back_inserter(damage));
    }
    return damage;
  }

  // The name of a file in one of the input trees, for messages.
  std::string place_of(const Digest& digest, const std::vector<RecordedInput>& inputs) const {
    for (const auto& input : inputs) {
      if (input.value.kind != ValueKind::Tree || store_.check(input.value.digest) != Condition::Whole) continue;
      const Tree tree = get_tree(store_, input.value.digest);
      for (const auto& [path, node] : tree.nodes())
        if (node.type == NodeType::File && node.content == digest) return input.name + ": " + path;
    }
    return "a file";
  }

  std::vector<Damage> damage_of(const std::vector<RecordedInput>& values) {
    std::vector<Damage> damage;
    for (const auto& [name, value] : values)
      std::ranges::move(verification_.check(name, value, {}), std::back_inserter(damage));
    return damage;
  }

  static void add_damage(std::vector<Damage>& damage, const std::vector<Damage>& more) {
    for (const Damage& one : more) {
      const auto same = [&](const Damage& other) {
        return other.digest == one.digest && other.checkout == one.checkout;
      };
      if (std::none_of(damage.begin(), damage.end(), same)) damage.push_back(one);
    }
  }

  // Verifies the targets before the caller reads them from the store. Damaged ones are made again.
  bool targets_are_whole() {
    std::vector<RecordedInput> taken;
    for (const auto& [ref, value] : frontier_.target_values())
      if (!options_.taken || options_.taken(ref, value)) taken.push_back({ref.step + "/" + ref.output, value});
    const auto damage = damage_of(taken);
    if (damage.empty()) return true;
    mend("the results", damage);
    frontier_.lost();
    emit(collect());
    return false;
  }

  // Called without the mutex: key and inputs of a ready step no longer change. nullopt when an input was damaged.
  std::optional<std::map<std::string, Value>> carry_out(std::size_t i) {
    const Step& step = graph_.steps()[i];
    {
      std::lock_guard lock(mutex_);
      reported_[i] = true;
    }
    if (auto record = found_meanwhile(i)) {
      record->step = step.id;
      store_.save_record(options_.defconfig, *record);
      reporter_.report({.kind = Event::Kind::StepCached, .step = step.id});
      return record->outputs;
    }
    const auto& inputs = frontier_.inputs(i);
    const std::string reason = reason_to_run(i);
    ++ran_;
    reporter_.report({.kind = Event::Kind::StepStarted, .step = step.id, .text = reason});

    const auto start = std::chrono::steady_clock::now();
    // Runs in parallel to the step, and to its end unless the step is stopped: the step is recorded only after
    // everything that it used has been verified.
    Taken taken;
    WatchedStore watched(store_, taken);
    std::stop_source stopped;
    auto verifying = std::async(std::launch::async, [&] { return damage_of(taken, inputs, stopped.get_token()); });
    std::map<std::string, Value> outputs;
    std::exception_ptr failure;
    try {
      outputs = execute({.step = step,
                         .key = frontier_.key(i),
                         .inputs = inputs,
                         .asked = frontier_.asked(i),
                         .reason = reason,
                         .log = log_path(step.id),
                         .jobs = jobs_,
                         .store = watched,
                         .runner = runner_,
                         .reporter = reporter_,
                         .stop = stop_.get_token()});
    } catch (...) {
      failure = std::current_exception();
      if (stop_.stop_requested()) stopped.request_stop();
    }
    taken.close();
    auto damage = verifying.get();
    if (stopped.stop_requested()) std::rethrow_exception(failure);
    // With damaged inputs, neither a failure nor a success of the step is valid. A step may have failed at the first
    // damaged file, so all that it could have used is verified.
    if (failure || !damage.empty()) add_damage(damage, damage_of(inputs));
    if (!damage.empty()) {
      mend("step " + step.id, damage);
      return std::nullopt;
    }
    if (failure) std::rethrow_exception(failure);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    store_.save_record(options_.defconfig, {frontier_.key(i), step.id, action_digest(step), inputs, outputs, seconds});
    if (seconds > seconds_worth_a_sync) store_.sync();
    reporter_.report({.kind = Event::Kind::StepFinished, .step = step.id, .seconds = seconds});
    return outputs;
  }

  const StepGraph& graph_;
  const Plan& plan_;
  Store& store_;
  CommandRunner& runner_;
  Reporter& reporter_;
  const RunOptions& options_;
  const int jobs_;
  const std::stop_token user_stop_;
  std::vector<double> rank_;  // seconds from a step's start to the end of the longest path from it

  std::atomic<std::size_t> ran_{0};  // executed steps
  std::mutex mend_;                  // guards rounds_, and serialises mend()
  std::map<std::string, int> rounds_;
  Verification verification_;

  std::stop_source stop_;  // stopped by the user's token and by the first failure
  std::mutex mutex_;       // guards the members below
  std::condition_variable_any wake_;
  Frontier frontier_;
  std::array<std::vector<std::size_t>, resources> waiting_;  // ready steps by resource
  std::vector<bool> reported_;                               // started, or reported as cached
  std::set<Digest> running_;                                 // keys
  bool idle_ = false;                                        // no step is running or waiting
  std::optional<Error> failure_;
};

}  // namespace

RunResult run_plan(const StepGraph& graph, const Plan& plan, Store& store, CommandRunner& runner, Reporter& reporter,
                   const RunOptions& options, std::stop_token stop) {
  return Scheduler(graph, plan, store, runner, reporter, options, std::move(stop)).run();
}

}  // namespace k8simg
