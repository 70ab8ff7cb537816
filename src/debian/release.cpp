// Parses Release files, checks their name and age, and verifies their signature with gpgv.
#include "debian/release.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>

#include "control/version.hpp"
#include "lock/lock.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/keyring.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::int64_t a_day = 86400;

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool says_yes(std::string_view value) { return equal_ignoring_case(value, "yes"); }

std::string format_date(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

/// " HASH SIZE PATH" per line.
tl::expected<std::map<std::string, IndexFile, std::less<>>, ParseError> parse_files(std::string_view value,
                                                                                    std::size_t first_line) {
  std::map<std::string, IndexFile, std::less<>> files;
  std::size_t line_number = first_line;
  while (!value.empty()) {
    const std::size_t end = value.find('\n');
    const std::string_view line = value.substr(0, end);
    value = end == std::string_view::npos ? std::string_view{} : value.substr(end + 1);
    const std::vector<std::string> words = split_words(line);
    const auto fail = [&](const std::string& what) {
      return tl::make_unexpected(ParseError{line_number, "SHA256 section: " + what});
    };
    if (!words.empty()) {
      if (words.size() != 3) return fail("not \"hash size path\"");
      IndexFile file;
      const auto digest = Digest::parse(words[0]);
      if (!digest) return fail("malformed hash of " + words[2]);
      file.sha256 = *digest;
      if (!parse_number(std::string_view(words[1]), file.size)) return fail("malformed size of " + words[2]);
      const auto [known, added] = files.emplace(words[2], file);
      if (!added && (known->second.sha256 != file.sha256 || known->second.size != file.size))
        return fail(words[2] + " is listed twice with different hashes");
    }
    ++line_number;
  }
  return files;
}

/// InRelease must be exactly one clear-signed message, so that the signed text is unambiguous.
void check_shape(std::string_view text, const std::string& name) {
  constexpr std::string_view begin = "-----BEGIN PGP SIGNED MESSAGE-----", end = "-----END PGP SIGNATURE-----";
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::Fetch, name + " " + what,
                "The mirror's file is not Debian's signed index; try another mirror.");
  };
  if (!text.starts_with(begin)) refuse("is not signed: it does not begin with a PGP signed message");
  if (text.find(begin, begin.size()) != std::string_view::npos) refuse("contains more than one signed message");
  const std::size_t last = text.find(end);
  if (last == std::string_view::npos) refuse("is cut short: its PGP signature has no end");
  if (!trim(text.substr(last + end.size())).empty()) refuse("has text after its PGP signature");
}

}  // namespace

tl::expected<std::int64_t, ParseError> parse_release_date(std::string_view text) {
  const auto fail = [&]() {
    return tl::make_unexpected(ParseError{0, "not a date: \"" + std::string(text.substr(0, 40)) + "\""});
  };
  std::vector<std::string> words = split_words(text);
  if (!words.empty() && words[0].ends_with(',')) {
    static const std::vector<std::string> days = {"Mon,", "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,"};
    if (std::find(days.begin(), days.end(), words[0]) == days.end()) return fail();
    words.erase(words.begin());
  }
  if (words.size() != 5) return fail();
  if (words[4] != "UTC" && words[4] != "GMT" && words[4] != "Z" && words[4] != "+0000") return fail();
  static const std::vector<std::string> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int month = 0;
  while (month < 12 && months[static_cast<std::size_t>(month)] != words[1]) ++month;
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  const std::vector<std::string> time = split(words[3], ':');
  if (month == 12 || time.size() != 3 || !parse_number(std::string_view(words[0]), day) ||
      !parse_number(std::string_view(words[2]), year) || !parse_number(std::string_view(time[0]), hour) ||
      !parse_number(std::string_view(time[1]), minute) || !parse_number(std::string_view(time[2]), second))
    return fail();
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month + 1)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1970 || year > 9999 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60)
    return fail();
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * a_day + hour * 3600 + minute * 60 +
         second;
}

tl::expected<Release, ParseError> parse_release(std::string_view text) {
  auto paragraph = parse_control(text);
  if (!paragraph) return tl::make_unexpected(paragraph.error());
  const auto fail_at = [](std::size_t line, const std::string& what) {
    return tl::make_unexpected(ParseError{line, what});
  };
  const auto fail = [&](const std::string& what) { return fail_at(paragraph->line(), what); };
  Release release;
  release.origin = paragraph->get("Origin");
  release.suite = paragraph->get("Suite");
  release.codename = paragraph->get("Codename");
  const auto date = paragraph->find("Date");
  if (!date) return fail("no Date");
  auto seconds = parse_release_date(*date);
  if (!seconds) return fail_at(line_of(text, *date), "Date is " + seconds.error().message);
  release.date = *seconds;
  if (const auto until = paragraph->find("Valid-Until")) {
    auto end = parse_release_date(*until);
    if (!end) return fail_at(line_of(text, *until), "Valid-Until is " + end.error().message);
    release.valid_until = *end;
  }
  release.acquire_by_hash = says_yes(paragraph->get("Acquire-By-Hash"));
  release.not_automatic = says_yes(paragraph->get("NotAutomatic"));
  release.architectures = split_words(paragraph->get("Architectures"));
  release.components = split_words(paragraph->get("Components"));
  for (const std::string& architecture : release.architectures)
    release.separate_all_index = release.separate_all_index || architecture == "all";
  for (const std::string& kind : split_words(paragraph->get("No-Support-for-Architecture-all")))
    if (kind == "Packages") release.separate_all_index = false;
  const auto sums = paragraph->find("SHA256");
  if (!sums) return fail("no SHA256 section");
  auto files = parse_files(*sums, line_of(text, *sums));
  if (!files) return tl::make_unexpected(files.error());
  release.files = std::move(*files);
  return release;
}

namespace {

/// Runs gpgv on files in `folder`. Requires a good signature by a key of `keyring`, and no bad one. `most_messages`: of
/// signed messages in the files; 0 for a detached signature.
void check_signature(const std::string& name, CommandRunner& runner, const std::filesystem::path& keyring,
                     const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                     std::size_t most_messages) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(keyring, ignored))
    throw Error(ErrorKind::Fetch,
                fmt::format("the keyring {} is missing, so that {} cannot be checked", keyring.string(), name),
                "Install the package debian-archive-keyring.");
  const std::filesystem::path keys = folder / "keyring.gpg", log = folder / "log";
  write_file_atomically(keys, binary_keyring(read_file(keyring), keyring.string()));
  Command command;
  command.argv = {"gpgv", "--status-fd", "1", "--weak-digest", "SHA1", "--keyring", keys.string()};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  const char* path = std::getenv("PATH");
  command.environment = {{"PATH", path ? path : "/usr/bin:/bin"},
                         {"LC_ALL", "C"},
                         {"HOME", folder.string()},
                         {"GNUPGHOME", folder.string()}};
  command.log = log;
  command.capture_stdout = true;
  command.timeout_seconds = 60;
  const CommandResult result = runner.run(command);

  // gpgv fails if one of several signatures is by an unknown key; the status lines distinguish this from a bad
  // signature.
  std::size_t good = 0, messages = 0;
  bool good_key = false;
  std::string bad, weak;
  for (const std::string& line : split(result.output, '\n')) {
    const std::vector<std::string> words = split_words(line);
    if (words.size() < 2 || words[0] != "[GNUPG:]") continue;
    if (words[1] == "VALIDSIG") ++good;
    if (words[1] == "PLAINTEXT") ++messages;
    if (words[1] == "BADSIG") bad = "its signature does not match its text";
    // These replace GOODSIG. They do not invalidate another good signature.
    if (words[1] == "GOODSIG") good_key = true;
    if (words[1] == "EXPKEYSIG") weak = "it is signed by a key that has expired";
    if (words[1] == "REVKEYSIG") weak = "it is signed by a key that was revoked";
    if (words[1] == "EXPSIG") weak = "its signature has expired";
    // ERRSIG keyid algorithm hash class time rc: rc 9 means that the key is not in the keyring.
    if (words[1] == "ERRSIG" && (words.size() < 8 || words[7] != "9")) weak = "its signature cannot be checked";
  }
  if (bad.empty() && result.timed_out) bad = "gpgv did not end";
  if (bad.empty() && !good_key) bad = weak;
  if (bad.empty() && (good == 0 || !good_key)) bad = "no signature is by a key of " + keyring.string();
  if (bad.empty() && messages > most_messages)
    bad = most_messages == 0 ? "Release.gpg has a message of its own: it must have the signature of Release alone"
                             : "it contains more than one signed message";
  // gpgv exits with 2 when a key is unknown; other codes except 0 are failures.
  if (bad.empty() && result.exit_code != 0 && result.exit_code != 2)
    bad = fmt::format("gpgv ended with {}", result.exit_code);
  if (!bad.empty()) {
    Error error(
        ErrorKind::Fetch, name + " is refused: " + bad,
        "The mirror may be broken or tampered with, or the keyring lacks the key: update debian-archive-keyring, "
        "or set the keyring of a repository of your own with repository.NAME.keyring.");
    const std::string said = tail_of(log, 12);
    for (const std::string& line : split(said, '\n'))
      if (!trim(line).empty()) error.add_context(std::string(trim(line)));
    throw error;
  }
}

}  // namespace

std::string verify_inrelease(std::string_view inrelease, const std::string& name, CommandRunner& runner,
                             const std::filesystem::path& keyring, const std::filesystem::path& scratch) {
  check_shape(inrelease, name);
  const TempDir folder(scratch, "gpgv");
  const std::filesystem::path input = folder.path() / "InRelease", output = folder.path() / "Release";
  write_file_atomically(input, inrelease);
  check_signature(name, runner, keyring, std::filesystem::absolute(folder.path()),
                  {"--output", std::filesystem::absolute(output).string(), std::filesystem::absolute(input).string()},
                  1);
  return read_file(output);
}

void verify_release(std::string_view release, std::string_view signature, const std::string& name,
                    CommandRunner& runner, const std::filesystem::path& keyring, const std::filesystem::path& scratch) {
  const TempDir folder(scratch, "gpgv");
  const std::filesystem::path text = folder.path() / "Release", signed_by = folder.path() / "Release.gpg";
  write_file_atomically(text, release);
  write_file_atomically(signed_by, signature);
  check_signature(name, runner, keyring, std::filesystem::absolute(folder.path()),
                  {std::filesystem::absolute(signed_by).string(), std::filesystem::absolute(text).string()}, 0);
}

void check_release(const Release& release, const std::string& suite, const std::string& name, const Clock& clock) {
  if (!is_flat_suite(suite) && release.suite.empty() && release.codename.empty())
    throw Error(ErrorKind::Fetch, fmt::format("{} has neither Suite nor Codename", name),
                "A repository below dists/ says its suite. One without is a flat repository: suites = [\"./\"]");
  if (!is_flat_suite(suite) && release.suite != suite && release.codename != suite)
    throw Error(ErrorKind::Fetch,
                fmt::format("{} is of another suite: asked for \"{}\", signed for suite \"{}\", codename \"{}\"", name,
                            suite, release.suite, release.codename),
                "Use the suite's code name; a mirror that mixes up its suites is not to be trusted.");
  const std::int64_t now = clock.now();
  if (release.valid_until && *release.valid_until < now)
    throw Error(ErrorKind::Fetch,
                fmt::format("{} has expired: it was valid until {}, and now it is {}", name,
                            format_date(*release.valid_until), format_date(now)),
                "The mirror is out of date (or this machine's clock is ahead): use another mirror.");
  if (release.date > now + a_day)
    throw Error(ErrorKind::Fetch,
                fmt::format("{} is dated in the future: {}, and now it is {}", name, format_date(release.date),
                            format_date(now)),
                "Set this machine's clock.");
}

}  // namespace k8simg
