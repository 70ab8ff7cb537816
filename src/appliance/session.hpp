// A running appliance: libguestfs' handle, its errors as exceptions, and its end on a stop request.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "appliance/appliance.hpp"

struct guestfs_h;

namespace k8simg {

class ApplianceSession {
 public:
  /// Launches the appliance. After a failure it tries once more with a rebuilt appliance, and adds all messages to the
  /// error. Error{Step} or Error{Interrupted}. The disk has sectors of `sector_size` bytes. libguestfs keeps its
  /// overlay of the image in `scratch`.
  ApplianceSession(const std::filesystem::path& image, std::uint64_t sector_size, const Appliance& appliance,
                   const std::filesystem::path& scratch, const std::stop_token& stop);
  ~ApplianceSession();
  ApplianceSession(const ApplianceSession&) = delete;
  ApplianceSession& operator=(const ApplianceSession&) = delete;

  guestfs_h* handle() const { return handle_.get(); }
  std::string last_error() const;
  /// Throws Error{Step} "libguestfs: WHAT: MESSAGE", or Error{Interrupted}.
  [[noreturn]] void fail(const std::string& what) const;
  /// Throws when the appliance has ended: a failure is then not caused by the image.
  void check_alive() const;

  /// The result of a program run in the appliance: exit code, and standard output and error.
  struct Ran {
    int exit_code = 0;
    std::string output;
  };
  Ran run(const std::string& program_and_arguments);
  /// The device of partition `number` (from 1), or of the whole disk (0), in the appliance. Independent of the order in
  /// which devices were detected.
  static std::string device(int number);

 private:
  struct Close {
    void operator()(guestfs_h* handle) const;
  };
  bool launch(const std::filesystem::path& image, std::uint64_t sector_size, const Appliance& appliance,
              const std::filesystem::path& scratch, std::string* messages);

  std::unique_ptr<guestfs_h, Close> handle_;
  std::stop_token stop_;
  struct Killer {
    void operator()() const;
  };
  std::optional<std::stop_callback<Killer>> on_stop_;
};

}  // namespace k8simg
