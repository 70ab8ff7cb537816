// Tests fragments and .config files: parsing, errors with lines, and requests that are not met.
#include "kernel/fragment.hpp"

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

using Config = std::map<std::string, std::string>;

std::vector<std::string> symbols(const std::vector<KernelMismatch>& mismatches) {
  std::vector<std::string> result;
  for (const auto& mismatch : mismatches)
    result.push_back(mismatch.request.symbol + " " + mismatch.request.value + " " + mismatch.actual);
  return result;
}

}  // namespace

TEST_CASE("a fragment: values of every kind, comments, blank lines, line numbers") {
  const auto requests = parse_fragment(
      "# VXLAN\n"
      "\n"
      "CONFIG_VXLAN=y\n"
      "  CONFIG_NET=m  \r\n"
      "# CONFIG_WIRELESS is not set\n"
      "#CONFIG_OFF=y\n"
      "CONFIG_HZ=-100\n"
      "CONFIG_BASE=0xC0000000\n"
      "CONFIG_NAME=\"a = \\\"b\\\" # c\"\n"
      "CONFIG_EMPTY=\"\"\n"
      "CONFIG_N=n",
      "kernel-fragments/x.config");
  const std::vector<std::pair<std::string, std::string>> expected{
      {"CONFIG_VXLAN", "y"},         {"CONFIG_NET", "m"},
      {"CONFIG_WIRELESS", "n"},      {"CONFIG_HZ", "-100"},
      {"CONFIG_BASE", "0xC0000000"}, {"CONFIG_NAME", "\"a = \\\"b\\\" # c\""},
      {"CONFIG_EMPTY", "\"\""},      {"CONFIG_N", "n"}};
  REQUIRE(requests.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(requests[i].symbol == expected[i].first);
    CHECK(requests[i].value == expected[i].second);
    CHECK(requests[i].fragment == "kernel-fragments/x.config");
  }
  CHECK(requests[0].line == 3);
  CHECK(requests[7].line == 11);
  CHECK(parse_fragment("", "x").empty());
}

TEST_CASE("a line that is no request is named by file and number") {
  for (const char* bad : {"VXLAN=y", "CONFIG_VXLAN", "CONFIG_VXLAN=", "CONFIG_=y", "CONFIG_A-B=y", "CONFIG_A=yes",
                          "CONFIG_A=\"open", "CONFIG_A=\"", "CONFIG_A=0x", "CONFIG_A=0xg", "CONFIG_A=1.5", "CONFIG_A=-",
                          "CONFIG_A = y", "config_a=y", "include other.config", "CONFIG_A=y # why"}) {
    INFO(bad);
    const std::string text = failure([&] { parse_fragment("CONFIG_OK=y\n\n" + std::string(bad) + "\n", "f.config"); });
    CHECK(contains(text, "f.config:3: "));
    CHECK(contains(text, bad));
    CHECK(contains(text, "is not set"));  // the hint shows the forms
  }
}

TEST_CASE("a .config: set symbols only, anything else is passed over") {
  CHECK(parse_kernel_config("#\n# Automatically generated\n#\nCONFIG_A=y\n# CONFIG_B is not "
                            "set\nCONFIG_C=\"x\"\nCONFIG_D=n\nnonsense\nCONFIG_E=3\n") ==
        Config{{"CONFIG_A", "y"}, {"CONFIG_C", "\"x\""}, {"CONFIG_E", "3"}});
}

TEST_CASE("later fragments win, whole and sorted") {
  const auto base = parse_fragment("CONFIG_Z=y\nCONFIG_A=y\nCONFIG_HZ=100\n", "base");
  const auto board = parse_fragment("# CONFIG_A is not set\nCONFIG_HZ=250\nCONFIG_M=m\n", "board");
  const auto merged = merge_requests({base, board});
  REQUIRE(merged.size() == 4);
  CHECK(merged[0].symbol == "CONFIG_A");
  CHECK(merged[0].fragment == "board");
  CHECK(merged[0].line == 1);
  CHECK(render_requests(merged) == "# CONFIG_A is not set\nCONFIG_HZ=250\nCONFIG_M=m\nCONFIG_Z=y\n");
  CHECK(render_requests(merge_requests({board, base})) == "CONFIG_A=y\nCONFIG_HZ=100\nCONFIG_M=m\nCONFIG_Z=y\n");
  // The rendered text has the same requests.
  CHECK(render_requests(merge_requests({parse_fragment(render_requests(merged), "again")})) == render_requests(merged));
  CHECK(render_requests(merge_requests({})).empty());
}

TEST_CASE("every unmet request is found, with the actual value") {
  const auto merged = merge_requests(
      {parse_fragment("CONFIG_SAME=y\nCONFIG_GONE=y\nCONFIG_MODULE=y\nCONFIG_BUILTIN=m\n# CONFIG_SELECTED is not "
                      "set\n# CONFIG_OFF is not set\nCONFIG_NUMBER=4\nCONFIG_TEXT=\"a\"\n",
                      "f")});
  const auto config = parse_kernel_config(
      "CONFIG_SAME=y\nCONFIG_MODULE=m\nCONFIG_BUILTIN=y\nCONFIG_SELECTED=y\nCONFIG_NUMBER=8\nCONFIG_TEXT=\"b\"\nCONFIG_"
      "OTHER=y\n");
  CHECK(symbols(check_config(merged, config)) ==
        std::vector<std::string>{"CONFIG_BUILTIN m y", "CONFIG_GONE y n", "CONFIG_MODULE y m", "CONFIG_NUMBER 4 8",
                                 "CONFIG_SELECTED n y", "CONFIG_TEXT \"a\" \"b\""});
  CHECK(check_config({}, config).empty());
}

TEST_CASE("a requirement is met by any of its symbols, built in or as a module") {
  const std::vector<KernelRequirement> requirements{{{"CONFIG_A"}, {"kubeadm"}, true, ""},
                                                    {{"CONFIG_B", "CONFIG_C"}, {"runc"}, true, ""},
                                                    {{"CONFIG_D"}, {"runc"}, false, "for x"}};
  const auto unmet = [&](const Config& config) {
    std::vector<std::string> result;
    for (const auto& requirement : unmet_requirements(requirements, config))
      result.push_back(requirement.any_of.front());
    return result;
  };
  CHECK(unmet({{"CONFIG_A", "y"}, {"CONFIG_C", "m"}, {"CONFIG_D", "y"}}).empty());
  CHECK(unmet({{"CONFIG_B", "y"}, {"CONFIG_C", "y"}}) == std::vector<std::string>{"CONFIG_A", "CONFIG_D"});
  CHECK(unmet({}) == std::vector<std::string>{"CONFIG_A", "CONFIG_B", "CONFIG_D"});
  CHECK(unmet({{"CONFIG_A", "n"}, {"CONFIG_B", "\"y\""}, {"CONFIG_D", "7"}}) ==
        std::vector<std::string>{"CONFIG_A", "CONFIG_B", "CONFIG_D"});
}
