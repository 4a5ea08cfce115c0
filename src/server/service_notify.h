// Telling systemd, or whoever else set NOTIFY_SOCKET, how the service is doing (sd_notify(3)): one datagram for each change.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace sealmq::server {

/// Any thread. Without NOTIFY_SOCKET every call does nothing; a datagram that cannot be sent is not tried again.
class ServiceNotify {
 public:
  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; call it before there are threads.
  static ServiceNotify from_environment();
  ServiceNotify() = default;

  /// Before ready(): it may take so long, whatever the service's own limit says.
  void starting(std::chrono::seconds at_most, std::string_view status) const;
  void ready(std::string_view status) const;
  /// To be followed by ready().
  void reloading() const;
  void stopping() const;
  void alive() const;

  /// How often alive() is to be called; nothing if nobody waits for it.
  std::optional<std::chrono::milliseconds> alive_every() const { return alive_every_; }

 private:
  void send(const std::string& text) const;

  Descriptor socket_;
  std::string address_;  // a path, or a name that begins with '@'
  std::optional<std::chrono::milliseconds> alive_every_;
};

}  // namespace sealmq::server
