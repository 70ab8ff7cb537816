// Tests placeholders for versions in component.toml.
#include "config/component_versions.hpp"

#include "project.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using Versions = std::map<std::string, std::string>;

TEST_CASE("go.mod says which version of a module is used") {
  CHECK(config::module_versions(R"(// A comment: require x v9
module example

go 1.26.0

require a.example/one v1.2.3
require (
	b.example/two/v2 v2.0.0 // indirect
	c.example/three v0.0.0
	d.example/four v4.0.0
	e.example/five v5.0.0
)

replace (
	c.example/three => c.example/three v0.37.2
	d.example/four v4.0.0 => fork.example/four v4.1.0
	e.example/five => ../five
	f.example/not-required => f.example/not-required v1.0.0
)
replace a.example/one => a.example/one v1.2.4

tool b.example/two/v2/cmd
)") == Versions{{"a.example/one", "v1.2.4"},
                {"b.example/two/v2", "v2.0.0"},
                {"c.example/three", "v0.37.2"},
                {"d.example/four", "v4.1.0"},
                {"e.example/five", "v5.0.0"}});
  CHECK(config::module_versions("").empty());
}

TEST_CASE("component.toml takes versions from go.mod, and says where it asks for one that is not there") {
  const std::string file = "components/engine/component.toml";
  Project project;
  project.write("components/engine/go.mod", "module engine\nrequire up.example/engine v1.2.3\n");
  project.edit(file, "version = \"v1.0.0\"", "version = \"${module:up.example/engine}\"");
  project.edit(
      file, "tags = [\"small\"]",
      "tags = [\"small\"]\nldflags = [\"-X v=${version}\", \"-X n=${module_no_v:up.example/engine} ${major}.${minor} "
      "${goarch}\"]");
  project.edit(file, "expect = \"v1.0.0\"", "expect = \"engine ${version_no_v}\"");
  const Config loaded = project.load();
  const auto& component = loaded.components.at(0);
  CHECK(component.version == "v1.2.3");
  CHECK(component.ldflags == std::vector<std::string>{"-X v=v1.2.3", "-X n=1.2.3 1.2 ${goarch}"});
  CHECK(component.binaries.at(0).checks.at(0).expect == "engine 1.2.3");

  project.edit(file, "-X v=${version}", "-X v=${module:up.example/engin}");
  CHECK(project.mistakes() ==
        "components/engine/component.toml:8:12: build.ldflags: `${module:up.example/engin}` is not a known name\n"
        "Did you mean `${module:up.example/engine}`?");
}
