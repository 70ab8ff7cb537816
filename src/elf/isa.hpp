// Whether a board's processor can run an ELF file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8simg {

/// The processor of a board in Go's terms, as in [arch]: GOARCH, and for "arm" GOARM ("5", "6" or "7"). goarm "5":
/// ARMv5TE without floating point; "6": ARM1176 (v6KZ, VFPv2); "7": ARMv7-A with VFPv3-D16, which all of them have. All
/// other architectures: their first level (GOAMD64=v1, GOARM64=v8.0).
struct IsaTarget {
  std::string goarch, goarm;
};

/// A description of the board's processor for messages: "ARMv6KZ, VFPv2".
std::string isa_description(const IsaTarget& target);

/// The reason why the file cannot run on the target, as the end of a sentence that begins with its path: "is for ARMv7,
/// NEON". nullopt if it can run, if it is not an ELF file (scripts, data), and for BPF objects, which every kernel can
/// run. A damaged ELF file cannot run. Does not throw for any bytes.
///
/// Checks machine, class and byte order; on 32-bit ARM the build attributes of the whole file ("Addenda to, and Errata
/// in, the ABI for the Arm Architecture", Tag_CPU_arch, Tag_CPU_arch_profile, Tag_FP_arch, Tag_Advanced_SIMD_arch); in
/// Go programs the build settings (Go's package debug/buildinfo). Attributes state what code may use: a library that
/// checks the processor at run time before it uses a feature has the attribute of that feature. Other code without
/// attributes passes, because the ABI does not require them in executables.
std::optional<std::string> isa_violation(std::string_view elf_bytes, const IsaTarget& target);

}  // namespace k8simg
