// What the load generator stands on: non-blocking sockets, epoll, and a meter for the process under test. One thread.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/try.h"
#include "cli/bench_scanner.h"
#include "net/address.h"
#include "net/dial.h"
#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::load {

/// Nanoseconds of a clock that never steps.
inline std::uint64_t nanoseconds() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

inline constexpr std::uint64_t second = 1'000'000'000;

struct Endpoint {
  net::Address address;
  std::string name;  ///< for messages: host:port
  net::Destination destination{};
};

/// Resolves a broker's URL of any transport. caller_misused: not such a URL, or not such files for TLS; environment: no such
/// host, or a file cannot be read.
Result<Endpoint> resolve(std::string_view url, const TlsOptions& tls = {});

/// Where all links receive into, one after the other. What one link leaves over it keeps itself.
class ReceiveSpace {
 public:
  static constexpr std::size_t read_size = 256 * 1024;
  static constexpr std::size_t largest_packet = 2 * 1024 * 1024;

  ReceiveSpace() : bytes_(largest_packet + read_size) {}
  std::span<std::uint8_t> all() { return bytes_; }
  /// For links with a channel: what it unwraps.
  Buffer& plain() { return plain_; }

 private:
  Buffer bytes_, plain_;
};

/// One connection. What is queued goes out with the next flush, many packets to a call.
class Link {
 public:
  /// Starts connecting and does not wait; a refusal shows in a later flush or receive.
  static Result<Link> connect(const Endpoint& endpoint);

  int fd() const { return socket_.number(); }
  Buffer& out() { return out_; }
  /// What a flush would write: during a handshake not the packets that wait for its end.
  std::size_t pending() const { return unsent_.size() + (channel_ && !channel_->is_open() ? 0 : out_.size() - written_); }

  /// Writes what the socket takes.
  Result<void> flush();

  /// Reads once and hands every whole packet to `handle(ScannedPacket) -> Result<void>`. A connection ended by the other side is
  /// an error.
  template <class Handle>
  Result<void> receive(ReceiveSpace& space, Handle&& handle) {
    const Bytes input = TRY(read_into(space));
    PacketScanner scanner(input);
    while (auto packet = scanner.next()) {
      Result<void> handled = handle(*packet);
      if (!handled) return handled;
    }
    return keep(scanner, input);
  }

 private:
  explicit Link(Descriptor socket) : socket_(std::move(socket)) {}
  Result<void> flush_wrapped();
  Result<Bytes> read_into(ReceiveSpace& space);
  Result<Bytes> unwrap(Bytes bytes, Buffer& plain);
  Result<void> keep(const PacketScanner& scanner, Bytes input);

  Descriptor socket_;
  Buffer out_;
  std::size_t written_ = 0;
  Buffer leftover_;                        // the start of a packet
  std::unique_ptr<net::Channel> channel_;  // null: none is needed
  Buffer unsent_;                          // wrapped already
};

/// epoll over links, each known by a number its owner chose.
class Poller {
 public:
  static Result<Poller> open();

  void add(int fd, std::uint64_t number);
  void remove(int fd);
  /// Whether to report that `fd` takes bytes again, besides that it has some.
  void watch_writable(int fd, std::uint64_t number, bool watch);

  /// Waits at most `nanoseconds`. The events are valid until the next call.
  std::span<const epoll_event> wait(std::uint64_t nanoseconds);

 private:
  explicit Poller(Descriptor epoll) : epoll_(std::move(epoll)), events_(1024) {}
  Descriptor epoll_;
  std::vector<epoll_event> events_;
};

/// CPU time and memory of another process.
class ProcessMeter {
 public:
  /// environment: there is no such process, or it may not be looked at.
  static Result<ProcessMeter> of(pid_t pid);

  /// User and system time of all threads so far, from the scheduler's own count: exact to the nanosecond, where /proc/PID/stat
  /// has ticks of 10 ms. Zero once the process has gone.
  std::uint64_t cpu_nanoseconds() const;
  /// Resident set in KiB; zero once the process has gone.
  std::uint64_t resident_kib() const;

 private:
  ProcessMeter(pid_t pid, clockid_t clock) : pid_(pid), clock_(clock) {}
  pid_t pid_;
  clockid_t clock_;
};

/// Makes room for `count` open connections. environment: the hard limit forbids it.
Result<void> allow_open_files(std::size_t count);

}  // namespace sealmq::load
