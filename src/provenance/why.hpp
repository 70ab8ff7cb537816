// Explains why a path, package, kernel symbol or container image is part of an image.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernel/symbols.hpp"
#include "provenance/package_graph.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// What is asked of a build. The functions build on demand, so that a question about a package builds no kernel.
struct WhyInputs {
  const Config& config;
  const Lock& lock;
  std::function<const PackageGraph&()> packages;
  std::function<const Tree&()> root, boot;
  std::function<const KernelSymbols&()> symbols;
  /// The unpacked tree of a package of the lock.
  std::function<Tree(const std::string& package)> unpacked;
};

struct Explanation {
  std::string kind;             ///< "path", "package", "component", "tool", "overlay", "symbol", "image"
  std::string subject;          ///< "/usr/bin/htop", "htop 3.4.1-5", "CONFIG_VXLAN=m"
  std::string what;             ///< a description of the subject: "file, 0755 root:root, 300 KiB"; "" if there is none
  std::vector<Evidence> chain;  ///< from the subject to the line of the configuration
  std::string package;          ///< the package that it is or belongs to, for cost_of_package(); "" for none
  std::string origin;           ///< the text of the origin of a path, "" otherwise
};

/// Explains `asked`: an absolute path (of the root filesystem, or below the boot partition's mount point), a kernel
/// symbol (CONFIG_X or X), an installed package, a tool package, a component, an overlay, or a container image with or
/// without its tag. A link is followed by the explanation of what it points to. Error{Usage} if nothing has the name,
/// with similar names; for a path that a package ships and the image lacks, what left it out.
std::vector<Explanation> why(const WhyInputs& inputs, const std::string& asked);

/// The explanation of a symbol, with its prefix. Error{Usage} if the kernel has no such symbol.
Explanation why_symbol(const Config& config, const KernelSymbols& symbols, const std::string& symbol);
/// The explanation of a path without leading slash, and of what a link points to.
std::vector<Explanation> why_path(const WhyInputs& inputs, const std::string& path);
/// The lines from a package to what asked for it, itself first.
std::vector<Evidence> package_lines(const WhyInputs& inputs, const std::string& name);
/// The lines for a component: its file and what enables it.
std::vector<Evidence> component_lines(const Config& config, const std::string& name);
std::vector<Evidence> overlay_lines(const Config& config, const std::string& name);

/// Bytes and files of a path or a package in the root filesystem, and what would leave with it.
struct Cost {
  struct Part {
    std::string name, reason;  ///< "libnl-3-200", "nothing else needs it"
    std::uint64_t bytes = 0;
  };
  std::uint64_t bytes = 0;  ///< of files, hard links counted once
  std::size_t files = 0;
  std::vector<Part> leaving;  ///< other packages: those that need it first
};
/// Of the path and everything below it.
Cost cost_of_path(const Tree& root, const std::string& path);
Cost cost_of_package(const Tree& root, const PackageGraph& packages, const std::string& name);

}  // namespace k8simg
