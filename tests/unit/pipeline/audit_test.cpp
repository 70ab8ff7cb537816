// Tests the audit step: findings, allowed files, and that later steps only get an audited tree.
#include "pipeline/audit.hpp"

#include "pipeline/interpreters.hpp"
#include "project.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

std::string word(std::size_t value) { return {static_cast<char>(value), static_cast<char>(value >> 8), 0, 0}; }

/// A 32-bit ARM program with a section of `type` and `content`, and the section of names.
std::string arm_program(const std::string& name, std::uint32_t type, const std::string& content) {
  const std::string names = std::string(1, '\0') + name + '\0';
  const std::size_t at = 64, names_at = at + content.size(), sections_at = names_at + names.size();
  std::string bytes(
      "\x7f"
      "ELF\1\1\1");
  bytes.resize(16);
  bytes += std::string("\2\0\x28\0", 4) + word(1) + word(0) + word(0) + word(sections_at) + word(0x200) +
           std::string("\x34\0\0\0\0\0\x28\0\3\0\2\0", 12);
  bytes.resize(at);
  bytes += content + names + std::string(40, '\0');
  const auto section = [&](std::size_t name_at, const std::string& kind, std::size_t offset, std::size_t size) {
    bytes += word(name_at) + kind + word(0) + word(0) + word(offset) + word(size) + std::string(16, '\0');
  };
  section(1, word(type & 0xff).substr(0, 3) + static_cast<char>(type >> 24), at, content.size());
  section(0, word(3), names_at, names.size());
  return bytes;
}
/// With ARM build attributes: Tag_CPU_arch and Tag_Advanced_SIMD_arch.
std::string arm_library(char architecture, char neon = 0) {
  const std::string tags{6, architecture, 12, neon}, scoped = "\1" + word(5 + tags.size()) + tags,
                                                     vendor = std::string("aeabi") + '\0' + scoped;
  return arm_program(".ARM.attributes", 0x70000003, "A" + word(4 + vendor.size()) + vendor);
}
std::string go_program(const std::string& goarm) {
  const std::string settings = "build\tGOARM=" + goarm + "\n";
  return arm_program(".go.buildinfo", 1,
                     std::string("\xff Go buildinf:\x04\x02", 16) + std::string(16, '\0') + "\x06go1.26" +
                         static_cast<char>(settings.size()) + settings);
}

struct Fixture {
  Project project;
  Tree root;

  Fixture() {
    project.config.board = "zero";
    project.config.arch = {
        .debian = "armel", .go = "arm", .goarm = "6", .kernel = "arm", .cross = {}, .triplet = "arm-linux-gnueabi"};
    file("usr/bin/true", arm_library(4), "package:coreutils=9.7-3:armel");
    file("usr/bin/kubelet", go_program("6"), "component:kubernetes");
    file("usr/bin/script", "#!/bin/sh\n", "overlay:base");
    file("etc/empty", "", "overlay:base");
    root.add_symlink("usr/bin/false", "true", "package:coreutils=9.7-3:armel");
    root.add_symlink("usr/bin/sh", "true", "package:coreutils=9.7-3:armel");
    root.add_symlink("bin", "usr/bin", "package:base-files=1:armel");
    root.add_directory("usr/lib", 0755, "package:base-files=1:armel");
  }
  void file(const std::string& path, const std::string& content, const std::string& origin) {
    root.add_file(project.context.store(), path, content, 0755, origin);
  }
  void allow(const std::string& path) { project.config.audit_allow.push_back({path, "asks the processor first"}); }

  Value run() {
    StepGraph graph;
    graph.add({.id = "rootfs/tree", .action = BuiltinAction{}});
    const TreeHandle tree = add_audit_step(graph, project.config, TreePort{"tree"}.of("rootfs/tree"));
    return project.context.run(*graph.find("rootfs/audit"), {{"tree", project.tree(root)}}).at(OutputRef(tree).output);
  }
  std::string mistakes() {
    return failure([&] { run(); });
  }
};

}  // namespace

TEST_CASE("a tree that fits the board comes out as it went in") {
  Fixture f;
  CHECK(f.run() == f.project.tree(f.root));
  CHECK(audit_tree(f.project.context.store(), f.root, {"arm", "6"}).empty());
}

TEST_CASE("a planted ARMv7 binary fails the build, with its path and who brought it") {
  Fixture f;
  f.file("usr/lib/libfast.so.1", arm_library(10, 1), "package:libfast1=2.0-1:armel");
  f.file("usr/local/bin/etcd", go_program("7"), "component:etcd");
  f.file("opt/tool", arm_library(10), "overlay:mine");
  const std::string text = f.mistakes();
  INFO(text);
  CHECK(contains(text, "does not fit board zero (ARMv6KZ, VFPv2)"));
  CHECK(contains(text, "/usr/lib/libfast.so.1 (package:libfast1=2.0-1:armel) is for ARMv7, NEON"));
  CHECK(contains(text, "/usr/local/bin/etcd (component:etcd) is a Go program for GOARM=7"));
  CHECK(contains(text, "/opt/tool (overlay:mine) is for ARMv7"));
  CHECK_FALSE(contains(text, "/usr/bin"));
  try {
    f.run();
    FAIL("nothing was found");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Step);
    CHECK(contains(error.hint(), "[[audit.allow]]"));
  }
}

TEST_CASE("programs of another machine and damaged ones fail it too") {
  Fixture f;
  std::string other = arm_library(4);
  other[18] = 62;
  f.file("usr/bin/host", other, "overlay:mine");
  f.file("usr/bin/half", arm_library(4).substr(0, 70), "overlay:mine");
  CHECK(contains(f.mistakes(), "/usr/bin/host (overlay:mine) is for x86-64, 32 bits"));
  CHECK(contains(f.mistakes(), "/usr/bin/half (overlay:mine) is a damaged ELF file"));
}

TEST_CASE("firmware, and data for all machines, are not for the board's processor") {
  Fixture f;
  std::string other = arm_library(4);
  other[18] = 62;
  f.file("usr/lib/firmware/wifi.elf", other, "package:firmware=1:all");
  f.file("usr/share/qemu/bios.img", other, "package:qemu-system-data=1:all");
  CHECK(f.run() == f.project.tree(f.root));
  f.file("usr/lib/qemu/bios.so", other, "package:qemu-system-gui=1:armel");
  CHECK(contains(f.mistakes(), "/usr/lib/qemu/bios.so"));
}

TEST_CASE("every name of one program is told") {
  Fixture f;
  f.file("usr/bin/a", arm_library(10), "component:x");
  f.file("usr/bin/b", arm_library(10), "component:x");
  const auto findings = audit_tree(f.project.context.store(), f.root, {"arm", "6"});
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].path == "/usr/bin/a");
  CHECK(findings[1].path == "/usr/bin/b");
  CHECK(findings[1].origin == "component:x");
}

TEST_CASE("a program without its interpreter fails the build, unless the defconfig says why nobody needs it") {
  Fixture f;
  f.file("usr/bin/inxi", "#! /usr/bin/perl -w\n", "package:inxi=1:all");
  f.file("usr/bin/tool", "#!/usr/bin/env python3\nprint()\n", "package:tool=1:all");
  f.file("usr/bin/shell", "#!/usr/bin/env sh\n", "package:tool=1:all");
  f.file("usr/share/inxi/example", "#!/usr/bin/pike\n", "package:inxi=1:all");
  f.root.find("usr/bin/tool")->mode = 0644;
  const std::string text = f.mistakes();
  INFO(text);
  CHECK(contains(text, "/usr/bin/inxi (package:inxi=1:all) needs /usr/bin/perl, which the image does not have"));
  CHECK_FALSE(contains(text, "/usr/bin/tool"));
  CHECK_FALSE(contains(text, "/usr/bin/shell"));
  CHECK_FALSE(contains(text, "pike"));
  f.root.find("usr/bin/tool")->mode = 0755;
  CHECK(contains(f.mistakes(), "/usr/bin/tool (package:tool=1:all) needs python3"));
  f.project.config.audit_no_interpreter = {
      {"/usr/bin/inxi", "shown to nobody"}, {"/usr/bin/t*", "unused"}, {"/usr/bin/absent", "not there"}};
  CHECK(f.run() == f.project.tree(f.root));
  f.project.config.audit_no_interpreter.clear();
  f.file("usr/bin/perl", arm_library(4), "package:perl-base=1:armel");
  f.file("usr/bin/python3", arm_library(4), "package:python3=1:armel");
  CHECK(f.run() == f.project.tree(f.root));
}

TEST_CASE("an interpreter is called by its path, by /bin or through PATH") {
  CHECK(calls_program("/usr/bin/perl", "/usr/bin/perl"));
  CHECK(calls_program("/bin/perl", "/usr/bin/perl"));
  CHECK(calls_program("perl", "/usr/bin/perl"));
  CHECK_FALSE(calls_program("erl", "/usr/bin/perl"));
  CHECK_FALSE(calls_program("/opt/perl", "/usr/bin/perl"));
}

TEST_CASE("firmware of devices runs on the devices") {
  Fixture f;
  f.file("usr/lib/firmware/modem.elf", arm_library(11), "package:firmware=1:all");
  CHECK(f.mistakes() == "");
}

TEST_CASE("what asks the processor first can be allowed, by path or glob, and the log says so") {
  Fixture f;
  f.file("usr/lib/libfast.so.1.2", arm_library(10, 1), "package:libfast1=2.0-1:armel");
  f.allow("/usr/lib/libfast.so.*");
  CHECK(f.run() == f.project.tree(f.root));
  CHECK(contains(
      f.project.context.lines.back(),
      "allowed: /usr/lib/libfast.so.1.2 (package:libfast1=2.0-1:armel) is for ARMv7, NEON: asks the processor first"));
  f.file("usr/lib/other.so", arm_library(10), "overlay:mine");
  CHECK(contains(f.mistakes(), "/usr/lib/other.so"));
  CHECK_FALSE(contains(f.mistakes(), "libfast"));
}

TEST_CASE("an allowance that nothing needs is a mistake, so that the table stays true") {
  Fixture f;
  f.allow("/usr/bin/true");
  f.allow("/usr/lib/gone.so");
  const std::string text = f.mistakes();
  CHECK(contains(text, "audit.allow of board zero or its defconfig is out of date"));
  CHECK(contains(text, "audit.allow /usr/bin/true: no file there needs it"));
  CHECK(contains(text, "audit.allow /usr/lib/gone.so: no file there needs it"));
  CHECK(contains(text, "remove the entry"));
}

TEST_CASE(
    "the pipeline's images, verification and manifest take the audited tree; what is allowed is part of the key") {
  Project p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  CHECK(pipeline.rootfs == OutputRef{"rootfs/audit", "tree"});
  for (const auto& step : pipeline.graph.steps()) {
    for (const auto& input : step.inputs) {
      const auto* source = std::get_if<OutputRef>(&input.source);
      INFO(step.id << " takes " << input.name);
      if (source && source->step == "rootfs/tree") CHECK(step.id == "rootfs/audit");
    }
  }
  const auto digest = [&] { return action_digest(*make_pipeline(p.inputs()).graph.find("rootfs/audit")); };
  const Digest before = digest();
  p.config.audit_allow.push_back({"/usr/lib/x", "reason"});
  CHECK(digest() != before);
}
