// `k8simg verify IMAGE`: reads a disk image with libguestfs and compares it with its manifest.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "appliance/appliance.hpp"
#include "cli/machine.hpp"
#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

struct Chosen {
  std::string image, manifest, accel = "auto";
};

/// The file `given` if it exists, otherwise the built disk image of the defconfig `given`.
fs::path find_image(Session& session, const std::string& given) {
  if (fs::is_regular_file(given)) return fs::absolute(given);
  for (const auto& defconfig : list_defconfigs(session.project())) {
    if (defconfig.name != given) continue;
    const Config config = session.config(given);
    session.need_machine(config, "verify");
    const fs::path image = session.output(given) / config.disk.file;
    if (!fs::exists(image))
      throw Error(ErrorKind::Usage, fmt::format("{} is not built: {} does not exist", given, image.string()),
                  fmt::format("run `k8simg build {}` first", given));
    return image;
  }
  throw Error(ErrorKind::Usage, fmt::format("{} is neither a file nor a defconfig", given),
              "use a disk image such as output/pc/disk.img, or a name of `k8simg list`");
}

/// The image's defconfig. Its tool set "appliance" has the appliance's kernel.
std::string defconfig_of(const fs::path& manifest) {
  const auto document = nlohmann::json::parse(read_file(manifest), nullptr, false);
  if (!document.is_object() || !document.contains("name") || !document["name"].is_string()) {
    throw Error(ErrorKind::Usage, fmt::format("{} is damaged: it names no defconfig", manifest.string()),
                "use the manifest.json of the image's build");
  }
  return document["name"].get<std::string>();
}

/// The appliance has the build machine's architecture, which may differ from the image's.
bool choose_appliance_kvm(Session& session, const fs::path& tools, const std::string& wish) {
  const TempDir scratch(session.store().folder("scratch"), "verify");
  const Machine machine{.binary = "qemu-system-x86_64", .model = "q35", .cpu = "max", .memory_mib = 64, .cpus = 1};
  return choose_kvm(session, machine, tools, scratch.path(), wish);
}

int verify(Session& session, const Chosen& chosen) {
  const auto started = std::chrono::steady_clock::now();
  const fs::path image = find_image(session, chosen.image);
  const fs::path manifest =
      chosen.manifest.empty() ? image.parent_path() / "manifest.json" : fs::absolute(chosen.manifest);
  if (!fs::is_regular_file(manifest))
    throw Error(ErrorKind::Usage, fmt::format("{} does not exist", manifest.string()), "use --manifest FILE");
  const auto trees = session.tools(defconfig_of(manifest), {"appliance", "qemu"});
  const fs::path &tools = trees[0], &qemu = trees[1];
  const auto progress = [&](const std::string& text) { session.reporter().message(text); };
  const Appliance appliance = prepare_appliance(
      system_runner(), tools, session.store().folder("cache/guestfs"), session.store().folder("scratch"),
      choose_appliance_kvm(session, qemu, chosen.accel), progress, session.stop());
  const VerifyReport report = verify_image(image, manifest, appliance, progress, session.stop());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

  if (session.options().json) {
    const nlohmann::json json{{"image", image.string()}, {"manifest", manifest.string()},
                              {"ok", report.ok()},       {"partitions", report.partitions},
                              {"paths", report.paths},   {"bytes", report.bytes},
                              {"seconds", seconds},      {"differences", report.differences}};
    print_out(fmt::format("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)));
  } else {
    for (const auto& difference : report.differences) print_out(printable_line(difference) + "\n");
  }
  if (!report.ok()) {
    throw Error(ErrorKind::Step,
                fmt::format("{} differs from {}: {} differences", image.filename().string(), manifest.string(),
                            report.differences.size()),
                "build it again, or use the manifest of this image");
  }
  if (!session.options().json) {
    print_out(fmt::format("{}: {} partitions, {} paths, {} of content: equal to the manifest ({})\n",
                          image.filename().string(), report.partitions, report.paths, format_size(report.bytes),
                          format_duration(seconds)));
  }
  return 0;
}

}  // namespace

void add_verify(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("verify", "read a disk image and compare it with its manifest");
  auto chosen = std::make_shared<Chosen>();
  verb->add_option("image", chosen->image, "disk image, or the name of a defconfig that was built")->required();
  verb->add_option("--manifest", chosen->manifest, "the manifest (default: manifest.json in the image's folder)");
  verb->add_option("--accel", chosen->accel, "auto, kvm or tcg")->check(CLI::IsMember({"auto", "kvm", "tcg"}));
  verb->add_option("--lock", options.lock_file, "the lock of the built image, if not defconfigs/NAME.lock");
  verb->add_flag("--json", options.json, "print JSON");
  verb->callback([=, &run] { run = [=](Session& session) { return verify(session, *chosen); }; });
}

}  // namespace k8simg
