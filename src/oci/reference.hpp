// References to container images, with the defaults of Docker and containerd.
#pragma once

#include <optional>
#include <string>

namespace k8simg {

/// "NAME:TAG", "NAME@sha256:DIGEST" or both.
struct ImageReference {
  std::string name;    ///< with the registry: "docker.io/library/nginx"
  std::string tag;     ///< "" if there is none
  std::string digest;  ///< "sha256:..."; "" if there is none

  /// The name under which containerd looks for the image of a pod: "NAME@DIGEST", else "NAME:TAG". The tag is "latest"
  /// if there is neither.
  std::string text() const;
};

/// Parses a reference as containerd does: "nginx" is "docker.io/library/nginx". nullopt for text that is no reference.
std::optional<ImageReference> parse_image_reference(const std::string& text);

}  // namespace k8simg
