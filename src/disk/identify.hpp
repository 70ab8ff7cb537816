// Replaces the random identifiers of converted disk images, so that equal disk images give equal files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "disk/formats.hpp"

namespace k8simg {

/// Sets the content identifier (CID) of a VMDK. It is derived from the disk image's content, because it tells children
/// of a disk that their parent changed. Error{Step} if the file is not a VMDK with an embedded descriptor.
void identify_vmdk(const std::filesystem::path& file, const DiskIdentity& identity);

/// Sets the identifiers, sequence numbers and checksums of a VHDX, and empties its log. The identifier of the virtual
/// disk is derived from the disk's UUID, those of file and data from the disk image's content. Error{Step} if the file
/// is not a VHDX that was closed.
void identify_vhdx(const std::filesystem::path& file, const DiskIdentity& identity);

/// CRC-32C (Castagnoli) of RFC 3720, B.4.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace k8simg
