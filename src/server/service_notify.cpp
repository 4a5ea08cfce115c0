#include "server/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace sealmq::server {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing in this program changes the environment
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

ServiceNotify ServiceNotify::from_environment() {
  ServiceNotify service;
  const std::string_view address = variable("NOTIFY_SOCKET");
  const bool is_usable =
      address.size() > 1 && address.size() < sizeof(sockaddr_un::sun_path) && (address[0] == '/' || address[0] == '@');
  if (!is_usable) return service;
  service.address_ = address;
  service.socket_ = Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto wanted = number(variable("WATCHDOG_USEC"));
  const auto process = variable("WATCHDOG_PID");
  const bool is_meant = process.empty() || number(process) == static_cast<std::uint64_t>(::getpid());
  // Twice in each interval, as the manual recommends.
  if (wanted && *wanted >= 2000 && is_meant) service.alive_every_ = std::chrono::milliseconds(*wanted / 2000);
  return service;
}

void ServiceNotify::starting(std::chrono::seconds at_most, std::string_view status) const {
  send("EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(at_most).count()) + "\nSTATUS=" + std::string(status));
}

void ServiceNotify::ready(std::string_view status) const {
  send("READY=1\nSTATUS=" + std::string(status));
}

void ServiceNotify::reloading() const {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_microseconds()));
}

void ServiceNotify::stopping() const {
  send("STOPPING=1");
}

void ServiceNotify::alive() const {
  send("WATCHDOG=1");
}

void ServiceNotify::send(const std::string& text) const {
  if (!socket_.is_open()) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (address_[0] == '@') to.sun_path[0] = '\0';  // a name outside the file system
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + (address_[0] == '/' ? 1 : 0));
  (void)::sendto(socket_.number(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
}

}  // namespace sealmq::server
