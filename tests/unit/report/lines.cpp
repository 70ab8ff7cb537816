// Tests plain lines for logs and JSON lines for programs.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "report/reporter.hpp"
#include "support/catch.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using Kind = Event::Kind;

namespace {

std::string told(ProgressStyle style, const std::vector<Event>& events) {
  const TempDir folder(fs::temp_directory_path());
  const fs::path file = folder.path() / "out";
  const Fd fd = Fd::open(file, O_WRONLY | O_CREAT);
  const auto reporter = make_reporter(style, fd.get());
  for (const Event& event : events) reporter->report(event);
  return read_file(file);
}

const std::vector<Event>& a_run() {
  static const std::vector<Event> events{
      {.kind = Kind::Message, .text = "building pc"},
      {.kind = Kind::Warning, .text = "no KVM\nfalling back"},
      {.kind = Kind::PlanReady, .done = 30, .total = 10},
      {.kind = Kind::StepStarted, .step = "kernel", .text = "input vxlan.config changed"},
      {.kind = Kind::StepStarted, .step = "fetch"},
      {.kind = Kind::StepProgress, .step = "fetch", .done = 1024, .total = 2048},
      {.kind = Kind::StepFinished, .step = "fetch", .seconds = 0.42},
      {.kind = Kind::StepCached, .step = "rootfs"},
      {.kind = Kind::StepFailed, .step = "kernel", .text = "make failed\nlog: \x1b[31mred"},
      {.kind = Kind::Finished, .text = "failed", .seconds = 192},
  };
  return events;
}

}  // namespace

TEST_CASE("plain lines say each thing once, without control characters") {
  CHECK(told(ProgressStyle::Plain, a_run()) ==
        "building pc\n"
        "warning: no KVM\n  falling back\n"
        "10 steps to run, 30 cached\n"
        "[ 0/10] kernel: input vxlan.config changed\n"
        "[ 0/10] fetch\n"
        "[ 1/10] fetch: done in 0.42 s\n"
        "[ 2/10] rootfs: cached, its inputs came out the same\n"
        "[ 3/10] kernel: FAILED\n  make failed\n  log: \\x1b[31mred\n"
        "failed (3 min 12 s)\n");
}

TEST_CASE("Auto is plain where there is no terminal, and None is silent") {
  CHECK(told(ProgressStyle::Auto, a_run()) == told(ProgressStyle::Plain, a_run()));
  CHECK(told(ProgressStyle::None, a_run()).empty());
}

TEST_CASE("each event is one JSON object on its line") {
  std::vector<nlohmann::json> objects;
  for (const std::string& line : split(told(ProgressStyle::Json, a_run()), '\n'))
    if (!line.empty()) objects.push_back(nlohmann::json::parse(line));
  REQUIRE(objects.size() == a_run().size());
  CHECK(objects[0]["event"] == "message");
  CHECK(objects[0]["text"] == "building pc");
  CHECK(objects[0]["at"].get<double>() >= 0);
  CHECK(objects[1]["text"] == "no KVM\nfalling back");
  CHECK(objects[2]["event"] == "plan-ready");
  CHECK(objects[2]["to_run"] == 10);
  CHECK(objects[2]["cached"] == 30);
  CHECK(objects[3]["step"] == "kernel");
  CHECK_FALSE(objects[4].contains("text"));
  CHECK(objects[5]["event"] == "step-progress");
  CHECK(objects[5]["done"] == 1024);
  CHECK(objects[5]["total"] == 2048);
  CHECK(objects[6]["seconds"] == 0.42);
  CHECK(objects[7]["event"] == "step-cached");
  CHECK(objects[8]["event"] == "step-failed");
  CHECK(objects[8]["text"] == "make failed\nlog: \x1b[31mred");
  CHECK(objects[9]["event"] == "finished");
}

TEST_CASE("JSON stays JSON when a log's tail is not UTF-8") {
  const std::string line = told(ProgressStyle::Json, {{.kind = Kind::Message, .text = "caf\xe9 \xc3"}});
  CHECK(nlohmann::json::parse(line)["text"] == "caf\xef\xbf\xbd \xef\xbf\xbd");
}

TEST_CASE("progress in JSON is thinned out, but its end always comes") {
  std::vector<Event> events;
  for (std::uint64_t i = 1; i <= 10'000; ++i)
    events.push_back({.kind = Kind::StepProgress, .step = "fetch", .done = i, .total = 10'000});
  const std::vector<std::string> lines = split(told(ProgressStyle::Json, events), '\n');
  CHECK(lines.size() < 100);
  REQUIRE(lines.size() >= 3);
  CHECK(nlohmann::json::parse(lines[lines.size() - 2])["done"] == 10'000);
}

TEST_CASE("lines of many threads do not mix, and a reader that has gone away stops nobody") {
  for (const ProgressStyle style : {ProgressStyle::Plain, ProgressStyle::Json, ProgressStyle::Terminal}) {
    const TempDir folder(fs::temp_directory_path());
    const fs::path file = folder.path() / "out";
    {
      const Fd fd = Fd::open(file, O_WRONLY | O_CREAT);
      const auto reporter = make_reporter(style, fd.get());
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i)
        threads.emplace_back([&reporter] {
          for (int j = 0; j < 250; ++j) reporter->message(std::string(100, 'm'));
        });
    }
    const std::vector<std::string> lines = split(read_file(file), '\n');
    CHECK(lines.size() == 1001);
    for (const std::string& line : lines)
      if (!line.empty() && line.find(std::string(100, 'm')) == std::string::npos) FAIL(line);
    const Fd full = Fd::open("/dev/full", O_WRONLY);
    make_reporter(style, full.get())->message("lost");
  }
}
