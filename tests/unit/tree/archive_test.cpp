// Tests reading and writing tars: the same tree gives the same bytes, other readers agree, and bad archives are
// refused.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clocale>
#include <functional>

#include <fmt/format.h>

#include "random_tree.hpp"
#include "support/catch.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

extern char** environ;

using namespace k8simg;

namespace {

const std::string hungarian = "usr/share/ca-certificates/NetLock_Arany_=Class_Gold=_Főtanúsítvány.crt";

std::string tar_of(const Store& store, const Tree& tree, const WriteOptions& options = {}) {
  const TempDir folder(fs::temp_directory_path());
  const auto file = folder.path() / "t.tar";
  write_tar(store, tree, Fd::open(file, O_CREAT | O_WRONLY).get(), options);
  return read_file(file);
}

Tree read_back(Store& store, std::string_view bytes, ReadOptions options = {}) {
  if (options.origin.empty()) options.origin = "component:test";
  return read_tar_bytes(store, bytes, options, "t.tar");
}

/// "kind: message"; fails the test if nothing is thrown.
std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Fetch);
    return error.message();
  }
  return "no error";
}

int run(std::vector<std::string> words, const fs::path& output) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);  // GNU tar warns about the year 1969
  pid_t child = 0;
  const int failure = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failure != 0 || waitpid(child, &status, 0) != child) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// Writes an archive member by member, like another program.
class Archive {
 public:
  explicit Archive(int (*filter)(archive*) = archive_write_add_filter_none) : writer_(archive_write_new()) {
    archive_write_set_format_pax_restricted(writer_);
    filter(writer_);
    archive_write_set_bytes_in_last_block(writer_, 1);
    archive_write_open(writer_, &bytes_, nullptr, &Archive::append, nullptr);
  }
  Archive& add(const std::string& name, int type, const std::string& content = "", const std::string& link = "") {
    auto* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, static_cast<unsigned>(type));
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    if (type == AE_IFLNK) archive_entry_set_symlink(entry, link.c_str());
    if (type == AE_IFREG && !link.empty()) archive_entry_set_hardlink(entry, link.c_str());
    archive_write_header(writer_, entry);
    archive_write_data(writer_, content.data(), content.size());
    archive_entry_free(entry);
    return *this;
  }
  std::string finish() {
    archive_write_free(writer_);
    return std::move(bytes_);
  }

 private:
  static la_ssize_t append(archive*, void* bytes, const void* data, std::size_t size) {
    static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  }
  archive* writer_;
  std::string bytes_;
};

}  // namespace

TEST_CASE("random trees survive the tar, and give the same bytes again") {
  MemoryStore store;
  for (unsigned seed = 0; seed < 150; ++seed) {
    const auto tree = RandomTree(store, seed).make();
    const auto bytes = tar_of(store, tree);
    INFO("seed " << seed);
    const auto back = read_back(store, bytes);
    REQUIRE(back.serialise() == tree.serialise());
    REQUIRE(tar_of(store, back) == bytes);
    REQUIRE(bytes.size() % 10240 == 0);
  }
}

TEST_CASE("the header is ustar, to the byte") {
  MemoryStore store;
  Tree tree;
  tree.add_file(store, "etc/hostname", "pc\n", 0644, "");
  tree.find("etc/hostname")->uid = 1000;
  tree.find("etc/hostname")->mtime = 1700000000;
  const auto bytes = tar_of(store, tree, {1600000000});
  CHECK(bytes.substr(0, 13) == std::string("etc/hostname\0", 13));
  CHECK(bytes.substr(100, 8) == std::string("0000644\0", 8));
  CHECK(bytes.substr(108, 8) == std::string("0001750\0", 8));
  CHECK(bytes.substr(124, 12) == std::string("00000000003\0", 12));
  CHECK(bytes.substr(136, 12) == std::string("13727410000\0", 12));
  CHECK(bytes.substr(156, 1) == "0");
  CHECK(bytes.substr(257, 8) == std::string("ustar\0"
                                            "00",
                                            8));
  CHECK(bytes.substr(512, 4) == std::string("pc\n\0", 4));
  CHECK(bytes.size() == 10240);
}

TEST_CASE("names are bytes under any locale") {
  MemoryStore store;
  Tree tree;
  tree.add_file(store, hungarian, "x", 0644, "component:test");
  tree.add_file(store, "e\xcc\x81-decomposed", "x", 0644, "component:test");
  tree.add_file(store, "\xff-latin", "x", 0644, "component:test");
  tree.add_symlink("link", hungarian, "component:test");
  auto linked = *tree.find(hungarian);
  linked.link_group = hungarian;
  tree.set(hungarian, linked);
  tree.set("ő-hard-link-after", linked);
  tree.find("ő-hard-link-after")->link_group = tree.find(hungarian)->link_group;
  const auto bytes = tar_of(store, tree);
  for (const auto* locale : {"C", "C.UTF-8"}) {
    REQUIRE(std::setlocale(LC_ALL, locale) != nullptr);
    CHECK(read_back(store, bytes).serialise() == tree.serialise());
  }
  std::setlocale(LC_ALL, "C");
}

TEST_CASE("a group whose members came to differ is not written as one inode") {
  MemoryStore store;
  Tree tree;
  tree.add_file(store, "a", "1", 0644, "component:test");
  tree.add_file(store, "b", "2", 0644, "component:test");
  tree.add_file(store, "c", "1", 0644, "component:test");
  for (const auto* path : {"a", "b", "c"}) tree.find(path)->link_group = "a";
  const auto back = read_back(store, tar_of(store, tree));
  CHECK(back.find("a")->link_group == "a");
  CHECK(back.find("c")->link_group == "a");
  CHECK(back.find("b")->link_group.empty());
  CHECK(store.read(back.find("b")->content) == "2");
}

TEST_CASE("Python's reader and GNU tar see what the tree says") {
  const TempDir folder(fs::temp_directory_path());
  DiskStore store(folder.path() / "store");
  Tree tree;
  tree.add_directory("usr", 0755, "");
  tree.add_file(store, "usr/setuid", "s", 04755, "");
  tree.add_file(store, "usr/" + std::string(140, 'n'), "long", 0600, "");
  tree.add_file(store, "Főtanúsítvány.crt", "x", 0644, "");
  tree.add_file(store, "large", std::string((1 << 20) + 77, 'l'), 0644, "");
  tree.add_symlink("s", std::string(120, 't'), "");
  tree.find("usr/setuid")->uid = 3000000;
  tree.find("usr/setuid")->xattrs["security.capability"] = std::string("\x01\x00\x00\x02\x00 \x00\xff\n=", 10);
  tree.find("large")->mtime = -1;
  auto group = *tree.find("large");
  group.link_group = "large";
  tree.set("large", group);
  tree.set("zlink", group);
  const auto file = folder.path() / "t.tar";
  write_tar(store, tree, Fd::open(file, O_CREAT | O_WRONLY).get());

  const auto listing = folder.path() / "listing";
  const std::string script =
      "import sys, tarfile, hashlib\n"
      "for m in tarfile.open(sys.argv[1], errors='surrogateescape'):\n"
      "    x = m.pax_headers.get('SCHILY.xattr.security.capability', '').encode('utf-8', 'surrogateescape').hex()\n"
      "    sys.stdout.buffer.write(f'{m.name} {m.type.decode()} {m.mode:o} {m.uid} {m.gid} {m.size} {int(m.mtime)} "
      "{m.linkname} {x}\\n'.encode())\n";
  REQUIRE(run({"python3", "-I", "-c", script, file.string()}, listing) == 0);
  const auto large = std::to_string((1 << 20) + 77);
  CHECK(read_file(listing) ==
        "Főtanúsítvány.crt 0 644 0 0 1 0  \n"
        "large 0 644 0 0 " +
            large +
            " -1  \n"
            "s 2 777 0 0 0 0 " +
            std::string(120, 't') +
            " \n"
            "usr 5 755 0 0 0 0  \n"
            "usr/" +
            std::string(140, 'n') +
            " 0 600 0 0 4 0  \n"
            "usr/setuid 0 4755 3000000 0 1 0  01000002002000ff0a3d\n"
            "zlink 1 644 0 0 0 -1 large \n");

  const auto out = folder.path() / "out";
  fs::create_directory(out);
  REQUIRE(run({"tar", "--no-same-owner", "-p", "-C", out.string(), "-xf", file.string()}, listing) == 0);
  CHECK(read_file(out / "Főtanúsítvány.crt") == "x");
  CHECK(read_file(out / "usr" / std::string(140, 'n')) == "long");
  CHECK(read_file(out / "large") == std::string((1 << 20) + 77, 'l'));
  CHECK(fs::hard_link_count(out / "zlink") == 2);
  CHECK(fs::read_symlink(out / "s") == std::string(120, 't'));
  struct stat status {};
  REQUIRE(stat((out / "large").c_str(), &status) == 0);
  CHECK(status.st_mtime == -1);
}

TEST_CASE("each compression is read, and strip_components works") {
  MemoryStore store;
  for (auto* filter : {archive_write_add_filter_none, archive_write_add_filter_gzip, archive_write_add_filter_bzip2,
                       archive_write_add_filter_xz, archive_write_add_filter_zstd, archive_write_add_filter_lzma}) {
    const auto bytes = Archive(filter)
                           .add("./", AE_IFDIR)
                           .add("./top/", AE_IFDIR)
                           .add("./top/a", AE_IFREG, "A")
                           .add("./top/b", AE_IFREG, "", "./top/a")
                           .finish();
    const auto tree = read_back(store, bytes);
    CHECK(tree.nodes().size() == 3);
    REQUIRE(tree.find("top/b") != nullptr);
    CHECK(tree.find("top/b")->link_group == "top/a");
    ReadOptions options;
    options.strip_components = 1;
    const auto stripped = read_back(store, bytes, options);
    CHECK(stripped.nodes().size() == 2);
    CHECK(stripped.find("b")->link_group == "a");
  }
}

TEST_CASE("archives that would leave their folder or contradict themselves are refused") {
  MemoryStore store;
  const auto refused = [&](Archive& archive) {
    const auto bytes = archive.finish();
    return error_of([&] { read_back(store, bytes); });
  };
  CHECK(refused(Archive().add("../x", AE_IFREG, "1")) == "t.tar: member '../x' is outside of the archive's folder");
  CHECK(refused(Archive().add("a/../../x", AE_IFREG, "1")) ==
        "t.tar: member 'a/../../x' is outside of the archive's folder");
  CHECK(refused(Archive().add("/etc/x", AE_IFREG, "1")) == "t.tar: member '/etc/x' is outside of the archive's folder");
  CHECK(refused(Archive().add("a", AE_IFREG, "1").add("a", AE_IFLNK, "", "b")) ==
        "t.tar: member 'a' occurs twice, with different types");
  CHECK(refused(Archive().add("a", AE_IFREG, "1").add("b", AE_IFREG, "", "a").add("a", AE_IFREG, "2")) ==
        "t.tar: member 'a' occurs twice and is a hard link");
  CHECK(refused(Archive().add("a", AE_IFLNK, "", "/etc").add("a/x", AE_IFREG, "1")) ==
        "t.tar: member 'a/x' lies below 'a', which is not a folder");
  CHECK(refused(Archive().add("a", AE_IFREG, "", "nowhere")) ==
        "t.tar: 'a' is a hard link to 'nowhere', which is not before it in the archive");
  CHECK(refused(Archive().add("a", AE_IFREG, "", "/etc/passwd")) ==
        "t.tar: 'a' is a hard link to '/etc/passwd', which is not before it in the archive");
  const auto twice = Archive().add("a", AE_IFREG, "1").add("a", AE_IFREG, "2").finish();
  CHECK(store.read(read_back(store, twice).find("a")->content) == "2");
}

TEST_CASE("bombs are refused before they are unpacked") {
  MemoryStore store;
  const auto bytes = Archive(archive_write_add_filter_xz).add("zeros", AE_IFREG, std::string(20 << 20, '\0')).finish();
  REQUIRE(bytes.size() < 100000);
  ReadOptions options;
  options.max_bytes = 1 << 20;
  CHECK(error_of([&] { read_back(store, bytes, options); }) ==
        "t.tar: it unpacks to more than 1048576 bytes, in 'zeros'");
}

TEST_CASE("damage is found wherever it is") {
  MemoryStore store;
  std::string content(200000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * i >> 7);
  for (auto* filter : {archive_write_add_filter_gzip, archive_write_add_filter_xz, archive_write_add_filter_zstd}) {
    const auto bytes = Archive(filter).add("a", AE_IFREG, content).add("b", AE_IFREG, "last").finish();
    for (std::size_t part = 0; part < 16; ++part) {
      const auto cut = bytes.substr(0, bytes.size() * part / 16);
      INFO("cut at " << cut.size() << " of " << bytes.size());
      CHECK(error_of([&] { read_back(store, cut); }).starts_with("t.tar: "));
    }
    CHECK(error_of([&] {
            read_back(store, std::string_view(bytes).substr(0, bytes.size() - 5));
          }).starts_with("t.tar: "));
  }
  // A changed byte of content is only detected by the stream's checksum after the end of the tar.
  auto bytes = Archive(archive_write_add_filter_xz).add("a", AE_IFREG, content).finish();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  const auto changed = error_of([&] { read_back(store, bytes); });
  INFO(changed);
  CHECK(changed.starts_with("t.tar: cannot be decompressed: "));
  CHECK(error_of([&] { read_back(store, ""); }) == "t.tar: it is empty");
  CHECK(error_of([&] { read_back(store, "this is no archive"); }).starts_with("t.tar: not a valid tar: "));
}

TEST_CASE("folders become trees without the machine's owners, times and modes") {
  const TempDir folder(fs::temp_directory_path());
  MemoryStore store;
  const auto root = folder.path() / "o";
  fs::create_directories(root / "etc/empty");
  write_file_atomically(root / "etc/conf", "1", 0600);
  write_file_atomically(root / "etc/tool", "2", 0750);
  fs::create_symlink("/nowhere", root / "etc/link");
  fs::create_directory_symlink("etc", root / "folder-link");
  const auto tree = read_folder(store, root, "overlay:o");
  CHECK(tree.serialise().find("overlay:o") != std::string::npos);
  CHECK(tree.nodes().size() == 6);
  CHECK(tree.find("etc/conf")->mode == 0644);
  CHECK(tree.find("etc/tool")->mode == 0755);
  CHECK(tree.find("etc/link")->target == "/nowhere");
  CHECK(tree.find("folder-link")->type == NodeType::Symlink);
  CHECK(tree.find("etc/empty")->type == NodeType::Directory);
  CHECK(tree.find("etc")->mtime == 0);
  CHECK(read_folder(store, root, "", FolderModes::Keep).find("etc/conf")->mode == 0600);
  const auto one = read_folder(store, root / "etc/tool", "overlay:o");
  REQUIRE(one.nodes().size() == 1);
  CHECK(store.read(one.find("tool")->content) == "2");
  CHECK_THROWS_AS(read_folder(store, root / "absent", ""), Error);
}

TEST_CASE("what commands give is read the same from release to release") {
  // With a change here, old outputs of commands differ from new ones: increase the format in src/graph/step.cpp.
  const TempDir folder(fs::temp_directory_path());
  const fs::path out = folder.path() / "out";
  fs::create_directories(out / "bin");
  write_file_atomically(out / "bin/program", "program", 0755);
  write_file_atomically(out / "text", "text", 0640);
  fs::permissions(out / "text", fs::perms{0640});
  fs::permissions(out / "bin", fs::perms{0755});
  fs::create_symlink("bin/program", out / "link");
  MemoryStore store;
  CHECK(read_folder(store, out, "", FolderModes::Keep).serialise() ==
        "k8simg-tree 1\n"
        "bin\td\t755\t0\t0\t0\t\n"
        "bin/program\tf\t755\t0\t0\t0\t7\t" +
            sha256("program").hex() +
            "\t\t\n"
            "link\tl\t777\t0\t0\t0\tbin/program\t\n"
            "text\tf\t640\t0\t0\t0\t4\t" +
            sha256("text").hex() + "\t\t\n");
}
