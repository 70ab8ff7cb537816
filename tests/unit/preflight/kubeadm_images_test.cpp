// Tests running kubeadm for its list of container images.
#include "preflight/kubeadm_images.hpp"

#include <algorithm>

#include "image.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

/// A fake: accepts the sandbox check, and answers the second command like kubeadm.
class Kubeadm : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    commands.push_back(command);
    if (commands.size() == 1) return {};
    if (!words.empty()) write_file_atomically(command.log, words);
    return {.exit_code = exit_code, .output = output};
  }
  std::vector<Command> commands;
  std::string output = "registry.k8s.io/kube-proxy:v1.37.1\nregistry.k8s.io/pause:3.10.2\n", words;
  int exit_code = 0;
};

struct Question {
  PreflightImage image;
  Kubeadm kubeadm;

  std::vector<std::string> ask() {
    return kubeadm_images(kubeadm, image.context.store(), image.root, image.config, "/tools", log());
  }
  std::filesystem::path log() const { return image.context.folder() / "kubeadm.log"; }
  /// The program and its arguments, without those of bwrap.
  std::vector<std::string> asked() const {
    const auto& argv = kubeadm.commands.at(1).argv;
    return {std::find(argv.begin(), argv.end(), "--") + 1, argv.end()};
  }
};

}  // namespace

TEST_CASE("kubeadm of the image is asked for the images of the node's version") {
  Question question;
  CHECK(question.ask() ==
        std::vector<std::string>{"registry.k8s.io/kube-proxy:v1.37.1", "registry.k8s.io/pause:3.10.2"});
  CHECK(question.asked() == std::vector<std::string>{"/usr/bin/env", "-a", "kubeadm", "/in/kubeadm", "config", "images",
                                                     "list", "--kubernetes-version", "v1.37.1"});
  // The multi-call binary that the link names, without network access.
  const auto& command = question.kubeadm.commands[1];
  const auto& store = question.image.context.store();
  const std::string program = store.path(question.image.root.find("usr/local/bin/hyperkube")->content).string();
  const auto bound = std::find(command.argv.begin(), command.argv.end(), program);
  REQUIRE(bound != command.argv.end());
  CHECK(*(bound + 1) == "/in/kubeadm");
  CHECK(std::find(command.argv.begin(), command.argv.end(), "--share-net") == command.argv.end());
  CHECK(command.capture_stdout);
  CHECK(command.timeout_seconds > 0);
}

TEST_CASE("kubeadm of another architecture is emulated") {
  Question question;
  question.image.config.arch.go = "arm64";
  question.ask();
  CHECK(question.asked().front().starts_with("/usr/bin/qemu-"));
}

TEST_CASE("an image without kubeadm needs no images, and nothing is run") {
  Question question;
  question.image.root.erase("usr/local/bin/kubeadm");
  CHECK(question.ask().empty());
  CHECK(question.kubeadm.commands.empty());
}

TEST_CASE("a kubeadm that fails or names no image is an error that names its log") {
  Question question;
  const auto refused = [&] {
    question.kubeadm.commands.clear();
    try {
      question.ask();
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Step);
      return error.describe();
    }
    return std::string("no error");
  };
  question.kubeadm.output = "\n";
  const std::string nothing = refused();
  CHECK(nothing.find("/usr/local/bin/hyperkube of pc names no images") != std::string::npos);
  CHECK(nothing.find(question.log().string()) != std::string::npos);
  question.kubeadm.exit_code = 1, question.kubeadm.words = "unknown version\n";
  const std::string failed = refused();
  CHECK(failed.find("kubeadm config images list") != std::string::npos);
  CHECK(failed.find("unknown version") != std::string::npos);
}
