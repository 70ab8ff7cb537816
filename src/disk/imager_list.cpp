// Writes the list for Raspberry Pi Imager.
#include "disk/imager_list.hpp"

#include <fmt/chrono.h>

#include <ctime>
#include <nlohmann/json.hpp>

namespace k8simg {

std::string make_imager_list(const ImagerEntry& entry) {
  const nlohmann::ordered_json item{
      {"name", entry.name},
      {"description", entry.description},
      {"url", entry.url},
      {"extract_size", entry.image.size},
      {"extract_sha256", entry.image.digest.hex()},
      {"image_download_size", entry.download.size},
      {"image_download_sha256", entry.download.digest.hex()},
      {"release_date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(entry.source_date_epoch)))},
      {"devices", entry.devices},
      {"init_format", "none"}};
  return nlohmann::ordered_json{{"os_list", nlohmann::ordered_json::array({item})}}.dump(2) + "\n";
}

}  // namespace k8simg
