// One running appliance: libguestfs' handle, its errors as exceptions, its end on a stop request.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "guest/guest.hpp"

struct guestfs_h;

namespace k8simg {

class GuestSession {
 public:
  /// Launches; a first failure is tried once more with all messages kept for the error. Error{Step} or
  /// Error{Interrupted}. libguestfs keeps its overlay of the image in `scratch`.
  GuestSession(const std::filesystem::path& image, const Appliance& appliance, const std::filesystem::path& scratch,
               const std::stop_token& stop);
  ~GuestSession();
  GuestSession(const GuestSession&) = delete;
  GuestSession& operator=(const GuestSession&) = delete;

  guestfs_h* handle() const { return handle_.get(); }
  std::string last_error() const;
  /// Throws Error{Step} "libguestfs: WHAT: its message", or Error{Interrupted}.
  [[noreturn]] void fail(const std::string& what) const;
  /// Throws when the appliance is gone: then a failure says nothing about the image.
  void check_alive() const;

  /// A program of the appliance; output with standard error, and exit code. The device is known there as device(N).
  struct Ran {
    int exit_code = 0;
    std::string output;
  };
  Ran run(const std::string& program_and_arguments);
  /// Name of partition `number` (from 1), or with 0 of the whole disk, that does not depend on the order in which
  /// devices were found.
  static std::string device(int number);

 private:
  struct Close {
    void operator()(guestfs_h* handle) const;
  };
  bool launch(const std::filesystem::path& image, const Appliance& appliance, const std::filesystem::path& scratch,
              std::string* messages);

  std::unique_ptr<guestfs_h, Close> handle_;
  std::stop_token stop_;
  struct Killer {
    void operator()() const;
  };
  std::optional<std::stop_callback<Killer>> on_stop_;
};

}  // namespace k8simg
