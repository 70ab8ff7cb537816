// Which processor an ELF file was made for, and whether a board's processor can run it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8simg {

/// The processor as the board's [arch] has it, in Go's words, for these are exact: GOARCH, and for "arm" GOARM ("5",
/// "6" or "7"). goarm "5": ARMv5TE without floating point; "6": ARM1176 (v6KZ, VFPv2); "7": ARMv7-A with VFPv3-D16, the
/// least that every one has. All other architectures: their first level (GOAMD64=v1, GOARM64=v8.0).
struct IsaTarget {
  std::string goarch, goarm;
};

/// What the board can do, for people: "ARMv6KZ, VFPv2".
std::string isa_description(const IsaTarget& target);

/// Why the file cannot run on the target, as the end of a sentence that begins with its path: "is for ARMv7, NEON".
/// nullopt when it can, when the file is no ELF file (scripts, data), and for BPF objects, which the kernel runs
/// everywhere. An ELF file that is damaged cannot run either. Never throws for what is in the bytes.
///
/// Looks at machine, class and byte order; on 32-bit ARM at the build attributes of the whole file ("Addenda to, and
/// Errata in, the ABI for the Arm Architecture", Tag_CPU_arch, Tag_CPU_arch_profile, Tag_FP_arch,
/// Tag_Advanced_SIMD_arch), and in Go programs at the settings they were built with (Go's package debug/buildinfo).
/// Attributes say what code may use, not what it does: a library that asks the kernel before it takes a faster path
/// looks as if it needed it. Code without attributes that is not Go's is not judged: the ABI asks for none in
/// executables.
std::optional<std::string> isa_violation(std::string_view elf_bytes, const IsaTarget& target);

}  // namespace k8simg
