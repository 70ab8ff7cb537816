// Tests Release files: fields and dates, and errors for signatures, dates and names.
#include "debian/release.hpp"

#include "process/command.hpp"
#include "signed_archive.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const std::string text =
    "Origin: Test\nSuite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nValid-Until: Sat, 19 Sep 2026 "
    "07:55:41 UTC\nAcquire-By-Hash: yes\nNotAutomatic: yes\n"
    "Architectures: all amd64\nComponents: main\nSHA256:\n "
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n";
constexpr std::int64_t date = 1789199741;

std::string verify(const std::string& inrelease, const fs::path& keyring = shared_key().keyring()) {
  TempDir scratch(fs::temp_directory_path());
  return verify_inrelease(inrelease, "InRelease of test", system_runner(), keyring, scratch.path());
}

std::string refusal(const std::string& inrelease, const fs::path& keyring = shared_key().keyring()) {
  try {
    verify(inrelease, keyring);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Fetch);
    CHECK(error.message().starts_with(error.message().find("keyring") < 5 ? "the keyring" : "InRelease of test"));
    return error.message();
  }
  return "accepted";
}

std::string check_at(std::int64_t now, const std::string& suite, const std::string& release = text) {
  try {
    check_release(parse_release(release).value(), suite, "InRelease", FixedClock(now));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Fetch);
    return error.message();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a release's fields") {
  const Release release = parse_release(text).value();
  CHECK(release.suite == "stable");
  CHECK(release.codename == "trixie");
  CHECK(release.date == date);
  CHECK(release.valid_until == date + 7 * 86400);
  CHECK(release.acquire_by_hash);
  CHECK(release.not_automatic);
  CHECK(release.separate_all_index);
  CHECK(release.architectures == std::vector<std::string>{"all", "amd64"});
  REQUIRE(release.files.contains("main/binary-amd64/Packages"));
  CHECK(release.files.at("main/binary-amd64/Packages").sha256 == sha256(""));
  CHECK_FALSE(parse_release(replace_all(text, "Components", "No-Support-for-Architecture-all: Packages\nComponents"))
                  .value()
                  .separate_all_index);
}

TEST_CASE("dates") {
  CHECK(parse_release_date("Sat, 12 Sep 2026 07:55:41 UTC").value() == date);
  CHECK(parse_release_date("12 Sep 2026 07:55:41 +0000").value() == date);
  CHECK(parse_release_date("Thu, 01 Jan 1970 00:00:00 GMT").value() == 0);
  CHECK(parse_release_date("Thu, 29 Feb 2024 23:59:59 Z").value() == 1709251199);
  for (const char* wrong :
       {"", "yesterday", "Sat, 12 Sep 2026", "Sat, 12 Sep 2026 07:55:41", "Sat, 12 Sep 2026 07:55:41 CEST",
        "Sat, 31 Sep 2026 07:55:41 UTC", "Fri, 29 Feb 2023 00:00:00 UTC", "Sat, 12 Sep 2026 24:00:00 UTC",
        "Sat, 12 Sep 2026 07:61:00 UTC", "Sat, 12 Foo 2026 07:55:41 UTC", "Sat, 12 Sep 1950 07:55:41 UTC",
        "Sat, -1 Sep 2026 07:55:41 UTC", "Sat, 12 Sep 99999999999 07:55:41 UTC", "2026-09-12 07:55:41 UTC"}) {
    INFO(wrong);
    CHECK_FALSE(parse_release_date(wrong).has_value());
  }
}

TEST_CASE("a malformed release says what is wrong") {
  const auto error_of = [](std::string_view from, std::string_view to) {
    const auto release = parse_release(replace_all(text, from, to));
    return release ? "accepted" : release.error().message;
  };
  CHECK(error_of("Date: Sat", "Datum: Sat") == "no Date");
  CHECK(error_of("Date: Sat, 12", "Date: Sat, 42").starts_with("Date is not a date"));
  CHECK(parse_release(replace_all(text, "Date: Sat, 12", "Date: Sat, 42")).error().line == 4);
  CHECK(error_of("Valid-Until: Sat", "Valid-Until: never").starts_with("Valid-Until is not a date"));
  CHECK(error_of("SHA256:", "SHA1:") == "no SHA256 section");
  CHECK(error_of("e3b0c442", "e3b0c44x").find("malformed hash of main/binary-amd64/Packages") != std::string::npos);
  CHECK(error_of(" 0 main", " -1 main").find("malformed size") != std::string::npos);
  CHECK(error_of(" 0 main", " main").find("not \"hash size path\"") != std::string::npos);
  const auto twice = parse_release(
      text + " e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 1 main/binary-amd64/Packages\n");
  REQUIRE_FALSE(twice.has_value());
  CHECK(twice.error().line == 12);
  CHECK(parse_release(text + "\nSecond: paragraph\n").error().message.find("second paragraph") != std::string::npos);
  CHECK_FALSE(parse_release("").has_value());
}

TEST_CASE("only what was signed is taken") {
  const std::string signed_text = shared_key().clear_sign(text);
  CHECK(verify(signed_text) == text);
  SECTION("a changed byte of the text") {
    std::string tampered = signed_text;
    tampered[tampered.find("stable")] = 'S';
    CHECK(refusal(tampered).find("its signature does not match its text") != std::string::npos);
  }
  SECTION("every kind of changed byte of the signature") {
    const std::size_t body = signed_text.find("-----BEGIN PGP SIGNATURE-----") + 40;
    for (std::size_t at = body; at < body + 120; at += 17) {
      if (signed_text[at] == '\n') continue;
      std::string tampered = signed_text;
      tampered[at] = tampered[at] == 'A' ? 'B' : 'A';
      CHECK(refusal(tampered) != "accepted");
    }
  }
  SECTION("unsigned") { CHECK(refusal(text).find("is not signed") != std::string::npos); }
  SECTION("text before the message") {
    CHECK(refusal("Suite: evil\n" + signed_text).find("is not signed") != std::string::npos);
  }
  SECTION("text after the message") {
    CHECK(refusal(signed_text + "Suite: evil\n").find("has text after its PGP signature") != std::string::npos);
  }
  SECTION("two messages") {
    CHECK(refusal(signed_text + signed_text).find("more than one signed message") != std::string::npos);
  }
  SECTION("cut short") {
    CHECK(refusal(signed_text.substr(0, signed_text.size() / 2)).find("cut short") != std::string::npos);
  }
  SECTION("an empty signature") {
    const std::size_t body = signed_text.find("-----BEGIN PGP SIGNATURE-----") + 30;
    CHECK(refusal(signed_text.substr(0, body) + signed_text.substr(signed_text.find("-----END PGP SIGNATURE-----"))) !=
          "accepted");
  }
  SECTION("a key that is not in the keyring") {
    const SigningKey stranger;
    CHECK(refusal(stranger.clear_sign(text)).find("no signature is by a key of") != std::string::npos);
  }
  SECTION("no keyring") {
    CHECK(refusal(signed_text, "/nonexistent/keyring.gpg").find("is missing") != std::string::npos);
  }
}

TEST_CASE("a detached signature is of the text beside it, and has no text of its own") {
  const TempDir folder(std::filesystem::temp_directory_path(), "detached");
  const auto verdict = [&](const std::string& release, const std::string& signature) -> std::string {
    try {
      verify_release(release, signature, "Release of test", system_runner(), shared_key().keyring(), folder.path());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Fetch);
      return error.message();
    }
    return "accepted";
  };
  const std::string signature = shared_key().detached_signature(text);
  CHECK(verdict(text, signature) == "accepted");
  CHECK(verdict(text + "\n", signature).find("its signature does not match its text") != std::string::npos);
  CHECK(verdict(text, "").starts_with("Release of test is refused: "));
  CHECK(verdict(text, "-----BEGIN PGP SIGNATURE-----\n").starts_with("Release of test is refused: "));
  // A good signature, but of the text that it contains.
  CHECK(verdict("Suite: evil\n", shared_key().clear_sign(text)).starts_with("Release of test is refused: "));
  const SigningKey stranger;
  CHECK(verdict(text, stranger.detached_signature(text)).find("no signature is by a key of") != std::string::npos);
}

TEST_CASE("a keyring may be armored, and what is no keyring is named") {
  const TempDir folder(std::filesystem::temp_directory_path(), "keyring");
  const std::string signed_text = shared_key().clear_sign(text);
  write_file_atomically(folder.path() / "own.asc", shared_key().armored());
  CHECK(verify(signed_text, folder.path() / "own.asc") == text);
  write_file_atomically(folder.path() / "own.asc", "<html>404</html>");
  try {
    verify(signed_text, folder.path() / "own.asc");
    FAIL("it was verified");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(error.message().find("own.asc is no keyring: it does not begin with a public key") != std::string::npos);
  }
}

TEST_CASE("age and name of a release") {
  CHECK(check_at(date + 60, "trixie") == "accepted");
  CHECK(check_at(date + 60, "stable") == "accepted");
  CHECK(check_at(date + 60, "bookworm").find("is of another suite: asked for \"bookworm\"") != std::string::npos);
  CHECK(check_at(date + 7 * 86400, "trixie") == "accepted");
  CHECK(check_at(date + 7 * 86400 + 1, "trixie").find("has expired: it was valid until 2026-09-19 07:55:41 UTC") !=
        std::string::npos);
  CHECK(check_at(date - 3600, "trixie") == "accepted");
  CHECK(check_at(date - 2 * 86400, "trixie").find("is dated in the future") != std::string::npos);
  const std::string nameless = replace_all(text, "Suite: stable\nCodename: trixie\n", "");
  CHECK(check_at(date + 60, "trixie", nameless) == "InRelease has neither Suite nor Codename");
  CHECK(check_at(date + 60, "./", nameless) == "accepted");
  CHECK(check_at(date + 60, "./") == "accepted");
  CHECK(check_at(date + 8 * 86400, "./").find("has expired") != std::string::npos);
  const std::string endless = replace_all(text, "Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\n", "");
  CHECK(check_at(date + 900 * 86400LL, "trixie", endless) == "accepted");
}

TEST_CASE("gpgv's word on several signatures") {
  // A fake of gpgv. GnuPG's doc/DETAILS documents the status lines.
  class Gpgv : public CommandRunner {
   public:
    explicit Gpgv(std::string status) : status_(std::move(status)) {}
    CommandResult run(const Command& command, std::stop_token) override {
      write_file_atomically(command.argv[command.argv.size() - 2], "the text");
      return {.exit_code = 2, .output = status_};
    }

   private:
    std::string status_;
  };
  const TempDir folder(std::filesystem::temp_directory_path(), "gpgv");
  const std::string message = shared_key().clear_sign(text);
  const auto judge = [&](const std::string& status) -> std::string {
    Gpgv gpgv(status);
    try {
      return verify_inrelease(message, "InRelease", gpgv, shared_key().keyring(), folder.path());
    } catch (const Error& error) {
      return error.message();
    }
  };
  const std::string good = "[GNUPG:] GOODSIG AAAA new\n[GNUPG:] VALIDSIG AAAA 2026\n";
  const std::string expired = "[GNUPG:] EXPKEYSIG BBBB old\n[GNUPG:] VALIDSIG BBBB 2026\n";
  const std::string revoked = "[GNUPG:] REVKEYSIG CCCC gone\n[GNUPG:] VALIDSIG CCCC 2026\n";
  const std::string bad = "[GNUPG:] BADSIG DDDD x\n", unknown = "[GNUPG:] ERRSIG EEEE 22 10 01 1 9 F\n",
                    weak = "[GNUPG:] ERRSIG FFFF 22 2 01 1 5 F\n";
  CHECK(judge(good) == "the text");
  CHECK(judge(expired + good) == "the text");
  CHECK(judge(good + expired) == "the text");
  CHECK(judge(good + revoked + unknown) == "the text");
  CHECK(judge(expired).find("a key that has expired") != std::string::npos);
  CHECK(judge(revoked).find("a key that was revoked") != std::string::npos);
  CHECK(judge(expired + unknown).find("a key that has expired") != std::string::npos);
  CHECK(judge(unknown).find("no signature is by a key of") != std::string::npos);
  CHECK(judge("[GNUPG:] VALIDSIG AAAA 2026\n").find("no signature is by a key of") != std::string::npos);
  CHECK(judge(good + bad).find("does not match its text") != std::string::npos);
  CHECK(judge(weak).find("cannot be checked") != std::string::npos);
  CHECK(judge(good + weak) == "the text");
}
