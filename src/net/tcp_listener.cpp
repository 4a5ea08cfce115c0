#include "net/tcp_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/error_text.h"
#include "base/try.h"

namespace sealmq::net {
namespace {

constexpr int backlog = 4096;         // the system's own bound applies as well
constexpr int accepts_per_turn = 64;  // so that a rush of newcomers leaves time for those who are in
constexpr auto pause_after_failure = std::chrono::milliseconds(100);  // somebody may close a socket meanwhile
constexpr auto quiet_period = std::chrono::seconds(60);

void set(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);
}

/// Accepted sockets inherit all of these, which saves calls for each connection.
void set_options(int socket) {
  set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  // A peer without an MQTT keep-alive that vanished without a word is noticed after about seven minutes.
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 300);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 30);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

Result<Descriptor> listen_on(const Address& address, bool shares_port) {
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto refused = [&] {
    return fail(Blame::environment, "cannot listen on " + to_text(address) + ": " + error_text(errno));
  };
  if (!socket.is_open()) return refused();
  set_options(socket.number());
  if (shares_port && address.storage.ss_family == AF_INET6) set(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) return refused();
  if (::listen(socket.number(), backlog) != 0) return refused();
  return socket;
}

/// Whether somebody takes connections there.
bool is_served(const Address& address) {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(probe.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0) return true;
  return errno != ECONNREFUSED;
}

Result<Descriptor> listen_on_path(const std::string& path, unsigned mode) {
  const Address address = unix_address(path);
  const auto refused = [&](const std::string& why) {
    return fail(Blame::environment, "cannot listen on unix:" + path + ": " + why);
  };
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) return refused("something else has this name");
    if (is_served(address)) return refused(error_text(EADDRINUSE));
    ::unlink(path.c_str());  // left by a process that is gone
  }
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return refused(error_text(errno));
  // Linux makes the file with the socket's own mode, less the umask: nobody else gets in before chmod() has said the rest.
  if (::fchmod(socket.number(), 0600) != 0 ||
      ::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 ||
      ::chmod(path.c_str(), mode) != 0 || ::listen(socket.number(), backlog) != 0)
    return refused(error_text(errno));
  return socket;
}

/// Trouble of the one connection that was about to be accepted (accept(2), "Error handling"); the next one may be fine.
bool concerns_one_connection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

/// `localhost` is both, whatever the machine's file of hosts says (RFC 6761, section 6.3).
static Result<std::vector<Address>> addresses_of(const std::string& host, std::uint16_t port) {
  if (host != "localhost") return resolve(host, port);
  std::vector<Address> both = TRY(resolve("127.0.0.1", port));
  both.push_back(TRY(resolve("::1", port)).front());
  return both;
}

Result<std::vector<std::unique_ptr<TcpListener>>> TcpListener::open(boost::asio::io_context& loop, const std::string& host,
                                                                    std::uint16_t port, bool shares_port,
                                                                    AcceptHandler& handler) {
  std::vector<std::unique_ptr<TcpListener>> listeners;
  Result<> failed;
  for (Address address : TRY(addresses_of(host, port))) {
    if (!listeners.empty()) set_port(address, net::port(listeners.front()->address()));
    const auto is_same = [&](const auto& listener) { return to_text(listener->address()) == to_text(address); };
    if (std::ranges::any_of(listeners, is_same)) continue;  // some files of hosts name one twice
    auto socket = listen_on(address, shares_port);
    if (socket)
      listeners.emplace_back(new TcpListener(loop, *std::move(socket), handler));
    else if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT)
      return Failure(std::move(socket).error());
    else
      failed = Failure(std::move(socket).error());  // a family that this machine has not
  }
  if (listeners.empty()) return Failure(failed.error());
  return listeners;
}

Result<std::unique_ptr<TcpListener>> TcpListener::open_unix(boost::asio::io_context& loop, const std::string& path, unsigned mode,
                                                            AcceptHandler& handler) {
  Descriptor socket = TRY(listen_on_path(path, mode));
  std::unique_ptr<TcpListener> listener(new TcpListener(loop, std::move(socket), handler));
  listener->path_ = path;
  return listener;
}

TcpListener::~TcpListener() {
  close();
}

TcpListener::TcpListener(boost::asio::io_context& loop, Descriptor socket, AcceptHandler& handler)
    : socket_(loop.get_executor()), retry_(loop.get_executor()), handler_(handler), address_(local_address(socket.number())) {
  socket_.assign(socket.release());
}

void TcpListener::close() {
  boost::system::error_code ignored;
  retry_.cancel();
  socket_.close(ignored);
  if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
}

void TcpListener::wait() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    if (error == boost::asio::error::operation_aborted) return;
    accept();
  });
}

void TcpListener::accept() {
  for (int count = 0; count < accepts_per_turn && socket_.is_open(); ++count) {
    Descriptor accepted(::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.is_open()) {
      handler_.accepted(std::move(accepted));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (!concerns_one_connection(errno)) return back_off(errno);
  }
  if (socket_.is_open()) wait();
}

// Most likely no descriptor is free. The newcomers stay in the system's queue; being told at once again would only burn time.
void TcpListener::back_off(int error) {
  const auto now = std::chrono::steady_clock::now();
  if (now >= quiet_until_) handler_.accept_failed("cannot accept a connection: " + std::string(error_text(error)));
  quiet_until_ = now + quiet_period;
  retry_.expires_after(pause_after_failure);
  retry_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) accept();
  });
}

}  // namespace sealmq::net
