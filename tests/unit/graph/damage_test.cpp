// Tests blobs that are damaged or lost between runs: they are reported, made again in the same run, and never used.
#include <fcntl.h>
#include <sys/stat.h>

#include <random>

#include "support/catch.hpp"
#include "tree/archive.hpp"
#include "util/file.hpp"
#include "workshop.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

std::vector<std::string> warnings(const Recorder& reporter) {
  std::vector<std::string> texts;
  for (const Event& event : reporter.events())
    if (event.kind == Event::Kind::Warning) texts.push_back(event.text);
  return texts;
}

// unpack makes a tree of two files, merge a tree with the files of both inputs, read the bytes of all files of a tree.
Step unpack_step(const std::string& id, std::vector<Input> inputs, const std::string& text) {
  BuiltinAction action{.function = "test.unpack", .parameters = text};
  action.run = [text, id](StepContext& context) {
    Tree tree;
    for (const char* name : {"a", "b"}) tree.add_file(context.store(), id + "/" + name, text + name, 0644, id);
    return std::map<std::string, Value>{{"out", put_tree(context.store(), tree)}};
  };
  return {.id = id, .inputs = std::move(inputs), .action = action};
}

Step merge_step(const std::string& id, std::vector<Input> inputs) {
  BuiltinAction action{.function = "test.merge"};
  action.run = [](StepContext& context) {
    Tree all;
    for (const auto& input : context.inputs()) {
      const Tree tree = get_tree(context.store(), input.value.digest);
      for (const auto& [path, node] : tree.nodes()) all.set(path, node);
    }
    return std::map<std::string, Value>{{"out", put_tree(context.store(), all)}};
  };
  return {.id = id, .inputs = std::move(inputs), .action = action};
}

// A step that uses the bytes of its input before the damage is found.
Step careless_step(const std::string& id, std::vector<Input> inputs, const std::string& text,
                   std::map<Digest, std::string>* disk) {
  BuiltinAction action{.function = "test.careless", .parameters = text};
  action.run = [text, disk](StepContext& context) {
    std::string result = text;
    for (const auto& input : context.inputs()) {
      context.store().note_taken(input.value);
      const Tree tree = get_tree(context.store(), input.value.digest);
      for (const auto& [path, node] : tree.nodes()) {
        const auto damaged = disk->find(node.content);
        if (damaged != disk->end() && context.store().check(node.content) != Condition::Whole)
          result += damaged->second;
        else if (context.store().check(node.content) == Condition::Whole)
          result += context.store().read(node.content);
        else
          throw Error(ErrorKind::Step, path + " is not there");
      }
    }
    return std::map<std::string, Value>{{"out", context.store().put(result)}};
  };
  return {.id = id, .inputs = std::move(inputs), .action = action};
}

// A step that reads file by file and fails at the first damaged one.
Step strict_step(const std::string& id, std::vector<Input> inputs, const std::string& text) {
  BuiltinAction action{.function = "test.strict", .parameters = text};
  action.run = [text](StepContext& context) {
    std::string result = text;
    const Tree tree = get_tree(context.store(), context.inputs().front().value.digest);
    for (const auto& [path, node] : tree.nodes()) {
      context.store().note_taken({ValueKind::Blob, node.content, node.size});
      if (context.store().check(node.content) != Condition::Whole) throw Error(ErrorKind::Step, path + " is malformed");
      result += context.store().read(node.content);
    }
    return std::map<std::string, Value>{{"out", context.store().put(result)}};
  };
  return {.id = id, .inputs = std::move(inputs), .action = action};
}

}  // namespace

TEST_CASE("an input with other bytes of the same size is made again before its step is recorded") {
  Workshop shop;
  const auto graph = [&](const std::string& text) {
    return graph_of({join_step("a", {}, "a"), join_step("b", {from("a")}, text)}, {"b"});
  };
  shop.run(graph("b"));
  shop.store.damage(value_of("a()").digest, "x()");
  CHECK(shop.text(graph("c"), "b") == "c(a(),)");
  CHECK(shop.started() == Ids{"a", "b"});
  REQUIRE(warnings(shop.reporter).size() == 1);
  CHECK(warnings(shop.reporter)[0].find("a, blob " + sha256("a()").hex() + ", is damaged in the store") == 0);
  shop.run(graph("c"));
  CHECK(shop.started().empty());
}

TEST_CASE("a file of a tree that is damaged or missing comes from the package that brought it") {
  Workshop shop;
  std::map<Digest, std::string> disk;
  const auto graph = [&](const std::string& text) {
    return graph_of({fetch_step("fetch/p", "deb p"), fetch_step("fetch/q", "deb q"),
                     unpack_step("unpack/p", {from("fetch/p")}, "p"), unpack_step("unpack/q", {from("fetch/q")}, "q"),
                     merge_step("merge", {from("unpack/p"), from("unpack/q")}),
                     careless_step("image", {from("merge")}, text, &disk)},
                    {"image"});
  };
  CHECK(shop.text(graph("1"), "image") == "1papbqaqb");
  SECTION("damaged") {
    shop.store.damage(sha256("qa"), "QA");
    disk[sha256("qa")] = "QA";
    CHECK(shop.text(graph("2"), "image") == "2papbqaqb");
    CHECK(shop.started() == Ids{"unpack/q", "image"});
  }
  SECTION("missing: the step fails, and that is no failure of the step") {
    shop.store.lose(sha256("pb"));
    CHECK(shop.text(graph("2"), "image") == "2papbqaqb");
    CHECK(shop.started() == Ids{"unpack/p", "image"});
    CHECK(shop.reporter.steps(Event::Kind::StepFailed).empty());
  }
  SECTION("with the download gone too") {
    shop.store.lose(sha256("pb"));
    shop.store.lose(value_of("deb p").digest);
    CHECK(shop.text(graph("2"), "image") == "2papbqaqb");
    CHECK(shop.started() == Ids{"fetch/p", "unpack/p", "image"});
  }
  REQUIRE(warnings(shop.reporter).size() >= 1);
}

TEST_CASE("all damaged files of an input are reported, although the step failed at the first one") {
  Workshop shop;
  const auto graph = [&](const std::string& text) {
    return graph_of(
        {unpack_step("unpack/p", {}, "p"), unpack_step("unpack/q", {}, "q"),
         merge_step("merge", {from("unpack/p"), from("unpack/q")}), strict_step("image", {from("merge")}, text)},
        {"image"});
  };
  CHECK(shop.text(graph("1"), "image") == "1papbqaqb");
  shop.store.damage(sha256("pa"), "PA");
  shop.store.damage(sha256("qb"), "Q");  // its size tells that it is lost, so only the verification reports it
  CHECK(shop.text(graph("2"), "image") == "2papbqaqb");
  CHECK(shop.started() == Ids{"unpack/p", "unpack/q", "image"});
  const auto said = warnings(shop.reporter);
  REQUIRE(said.size() == 2);
  CHECK(said[0].find("unpack/p/a, blob " + sha256("pa").hex()) != std::string::npos);
  CHECK(said[1].find("unpack/q/b, blob " + sha256("qb").hex()) != std::string::npos);
}

TEST_CASE("a damaged target is made again before it is taken out") {
  Workshop shop;
  const StepGraph graph = graph_of({join_step("a", {}, "a"), join_step("b", {from("a")}, "b")}, {"b"});
  shop.run(graph);
  shop.store.damage(value_of("b(a(),)").digest, "b(A(),)");
  SECTION("taken") {
    CHECK(shop.text(graph, "b") == "b(a(),)");
    CHECK(shop.started() == Ids{"b"});
  }
  SECTION("not taken: nobody looks") {
    shop.options.taken = [](const OutputRef&, const Value&) { return false; };
    const int before = shop.store.checks(value_of("b(a(),)").digest);
    shop.run(graph);
    CHECK(shop.started().empty());
    CHECK(shop.store.checks(value_of("b(a(),)").digest) == before);
  }
}

TEST_CASE("a disk that damages everything ends the build with an error") {
  Workshop shop;
  BuiltinAction action{.function = "test.rot"};
  action.run = [&](StepContext& context) {
    const Value value = context.store().put("apple");
    shop.store.damage(value.digest, "APPLE");
    return std::map<std::string, Value>{{"out", value}};
  };
  const StepGraph graph = graph_of({{.id = "rot", .action = action}, join_step("pie", {from("rot")}, "pie")}, {"pie"});
  try {
    shop.run(graph);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.describe().find("repeatedly") != std::string::npos);
    CHECK(error.describe().find(sha256("apple").hex()) != std::string::npos);
  }
}

TEST_CASE("the store is synced once for a build, and not for one with nothing to do") {
  Workshop shop;
  const StepGraph graph = graph_of({join_step("a", {}, "a"), join_step("b", {from("a")}, "b")}, {"b"});
  shop.run(graph);
  CHECK(shop.store.syncs() == 1);
}

// A model of a power cut: of the files written since the last sync, some are missing, empty, truncated or have other
// bytes, and the records of that boot are dropped. Synced files are kept.
TEST_CASE("after a power cut at any moment the next build gives the right result") {
  class Unsynced : public DiskStore {
   public:
    using DiskStore::DiskStore;
    void sync() override {}
  };
  for (unsigned seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    std::mt19937 dice(seed);
    const TempDir folder(fs::temp_directory_path(), "cut");
    const fs::path root = folder.path() / "store";
    Recorder reporter;
    NoRunner runner;
    const RunOptions options{.defconfig = "pc", .jobs = 2};
    int version = 0;
    const auto graph = [&](Store& store) {
      const std::string text = std::to_string(version);
      return graph_of(
          {unpack_step("p", {{"local", store.put("p" + text)}}, "p" + text), unpack_step("q", {}, "q"),
           merge_step("merge", {from("p"), from("q")}), join_step("image", {from("merge")}, "image" + text)},
          {"image", "merge"});
    };
    const auto build = [&](Store& store) {
      const StepGraph steps = graph(store);
      return run_plan(steps, make_plan(steps, store, "pc"), store, runner, reporter, options).values;
    };
    std::set<Digest> durable;
    {
      DiskStore store(root);
      build(store);
      for (const Digest& digest : store.blobs()) durable.insert(digest);
    }
    version = 1;
    {
      Unsynced store(root);
      const auto values = build(store);
      checkout(store, values.at({"merge", "out"}));
    }
    const std::string boot = fs::directory_iterator(root / "pending")->path().filename().string();
    fs::rename(root / "pending" / boot, root / "pending" / (boot.substr(0, boot.find('.')) + ".before"));
    {
      // No store object exists, because the machine is off.
      for (const auto& entry : fs::recursive_directory_iterator(root / "blobs")) {
        if (!entry.is_regular_file()) continue;
        const auto digest =
            Digest::parse(entry.path().parent_path().filename().string() + entry.path().filename().string());
        if (durable.contains(*digest)) continue;
        const auto size = fs::file_size(entry.path());
        ::chmod(entry.path().c_str(), 0755);
        switch (dice() % 5) {
          case 0:
            fs::remove(entry.path());
            break;
          case 1:
            fs::resize_file(entry.path(), 0);
            break;
          case 2:
            fs::resize_file(entry.path(), size / 2);
            break;
          case 3:
            fs::resize_file(entry.path(), 0);
            fs::resize_file(entry.path(), size);  // the right size, and zeros
            break;
          default:
            break;
        }
      }
    }
    MemoryStore truth;
    const auto expected = build(truth);
    DiskStore store(root);
    const auto values = build(store);
    CHECK(values == expected);
    const Tree merged = get_tree(store, values.at({"merge", "out"}).digest);
    const fs::path laid_out = checkout(store, values.at({"merge", "out"}));
    for (const auto& [path, node] : merged.nodes())
      if (node.type == NodeType::File) CHECK(sha256(read_file(laid_out / path)) == node.content);
    CHECK(sha256(store.read(values.at({"image", "out"}).digest)) == expected.at({"image", "out"}).digest);
  }
}
