#include "cli/bench_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error_text.h"
#include "base/try.h"
#include "net/url.h"

namespace sealmq::load {
namespace {

Failure system_failure() {
  return fail(Blame::environment, error_text(errno));
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

Result<Endpoint> resolve(std::string_view text, const TlsOptions& tls) {
  const net::Url url = TRY(net::parse_url(text));
  Endpoint endpoint;
  endpoint.destination = TRY(net::destination_of(url, tls));
  if (url.transport == net::Transport::unix_socket)
    endpoint.address = net::unix_address(url.path);
  else
    endpoint.address = TRY(net::resolve(url.host, url.port)).front();
  endpoint.name = net::to_text(endpoint.address);
  return endpoint;
}

Result<Link> Link::connect(const Endpoint& endpoint) {
  Descriptor socket(::socket(endpoint.address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return system_failure();
  const int on = 1;
  ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&endpoint.address.storage), endpoint.address.size) != 0 &&
      errno != EINPROGRESS) {
    return system_failure();
  }
  Link link(std::move(socket));
  link.channel_ = net::make_channel(endpoint.destination);
  if (link.channel_) TRY(link.channel_->start(link.unsent_));
  return link;
}

Result<void> Link::flush() {
  if (channel_) return flush_wrapped();
  while (written_ < out_.size()) {
    const ssize_t sent = ::send(fd(), out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (would_block()) return {};
      return system_failure();
    }
    written_ += static_cast<std::size_t>(sent);
  }
  out_.clear();
  written_ = 0;
  return {};
}

Result<void> Link::flush_wrapped() {
  while (true) {
    while (!unsent_.empty()) {
      const ssize_t sent = ::send(fd(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (sent < 0 && would_block()) return {};
      if (sent < 0) return system_failure();
      unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
    }
    if (!channel_->is_open() || written_ == out_.size()) break;
    const iovec rest{out_.data() + written_, out_.size() - written_};
    written_ += TRY(channel_->send(std::span(&rest, 1), unsent_));
  }
  if (written_ == out_.size()) {
    out_.clear();
    written_ = 0;
  }
  return {};
}

Result<Bytes> Link::unwrap(Bytes bytes, Buffer& plain) {
  plain.assign(leftover_.begin(), leftover_.end());
  const bool was_open = channel_->is_open();
  TRY(channel_->receive(bytes, plain, unsent_));
  if (channel_->has_ended()) return fail(Blame::peer_misbehaved, "the broker closed the connection");
  if (!was_open || !unsent_.empty()) TRY(flush());
  return Bytes(plain);
}

Result<Bytes> Link::read_into(ReceiveSpace& space) {
  const std::span<std::uint8_t> all = space.all();
  if (channel_) {
    const ssize_t got = ::recv(fd(), all.data(), ReceiveSpace::read_size, 0);
    if (got == 0) return fail(Blame::peer_misbehaved, "the broker closed the connection");
    if (got < 0 && !would_block()) return system_failure();
    return unwrap(Bytes(all.first(static_cast<std::size_t>(std::max<ssize_t>(got, 0)))), space.plain());
  }
  std::copy(leftover_.begin(), leftover_.end(), all.begin());
  const ssize_t got = ::recv(fd(), all.data() + leftover_.size(), ReceiveSpace::read_size, 0);
  if (got == 0) return fail(Blame::peer_misbehaved, "the broker closed the connection");
  if (got < 0 && !would_block()) return system_failure();
  return Bytes(all.first(leftover_.size() + static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
}

Result<void> Link::keep(const PacketScanner& scanner, Bytes input) {
  if (scanner.malformed()) return fail(Blame::peer_misbehaved, "the broker sent a malformed packet");
  const Bytes rest = input.subspan(scanner.consumed());
  if (rest.size() > ReceiveSpace::largest_packet) return fail(Blame::peer_misbehaved, "the broker sent a packet above 2 MiB");
  leftover_.assign(rest.begin(), rest.end());
  return {};
}

Result<Poller> Poller::open() {
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return system_failure();
  return Poller(std::move(epoll));
}

void Poller::add(int fd, std::uint64_t number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number;
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, fd, &event);
}

void Poller::remove(int fd) {
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::watch_writable(int fd, std::uint64_t number, bool watch) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (watch) event.events |= EPOLLOUT;
  event.data.u64 = number;
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_MOD, fd, &event);
}

std::span<const epoll_event> Poller::wait(std::uint64_t nanoseconds) {
  const timespec timeout{static_cast<time_t>(nanoseconds / second), static_cast<long>(nanoseconds % second)};
  const int count = ::epoll_pwait2(epoll_.number(), events_.data(), static_cast<int>(events_.size()), &timeout, nullptr);
  return std::span<const epoll_event>(events_).first(static_cast<std::size_t>(std::max(count, 0)));
}

Result<ProcessMeter> ProcessMeter::of(pid_t pid) {
  clockid_t clock{};
  timespec now{};
  const int error = ::clock_getcpuclockid(pid, &clock);
  if (error != 0 || ::clock_gettime(clock, &now) != 0) {
    return fail(Blame::environment, "cannot measure process " + std::to_string(pid) + ": no such process, or not allowed");
  }
  return ProcessMeter(pid, clock);
}

std::uint64_t ProcessMeter::cpu_nanoseconds() const {
  timespec now{};
  if (::clock_gettime(clock_, &now) != 0) return 0;
  return static_cast<std::uint64_t>(now.tv_sec) * second + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t ProcessMeter::resident_kib() const {
  std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");  // in pages: size resident …
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

Result<void> allow_open_files(std::size_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = count + 64;  // standard streams, epoll and what libraries hold
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  limit.rlim_max = std::max(limit.rlim_max, wanted);  // raising the hard limit takes a privilege
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return fail(Blame::environment, "the limit on open files forbids " + std::to_string(count) + " connections");
}

}  // namespace sealmq::load
