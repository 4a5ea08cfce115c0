#include "net/tcp_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <chrono>
#include <cstring>

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

Result<Descriptor> listen_on(const Address& address) {
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto refused = [&] {
    return fail(Blame::environment, "cannot listen on " + to_text(address) + ": " + std::strerror(errno));
  };
  if (!socket.is_open()) return refused();
  set_options(socket.number());
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) return refused();
  if (::listen(socket.number(), backlog) != 0) return refused();
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

Result<std::unique_ptr<TcpListener>> TcpListener::open(boost::asio::io_context& loop, const std::string& host, std::uint16_t port,
                                                       AcceptHandler& handler) {
  const auto addresses = TRY(resolve(host, port));
  Descriptor socket = TRY(listen_on(addresses.front()));
  return std::unique_ptr<TcpListener>(new TcpListener(loop, std::move(socket), handler));
}

TcpListener::TcpListener(boost::asio::io_context& loop, Descriptor socket, AcceptHandler& handler)
    : socket_(loop.get_executor()), retry_(loop.get_executor()), handler_(handler), address_(local_address(socket.number())) {
  socket_.assign(socket.release());
}

void TcpListener::close() {
  boost::system::error_code ignored;
  retry_.cancel();
  socket_.close(ignored);
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
  if (now >= quiet_until_) handler_.accept_failed("cannot accept a connection: " + std::string(std::strerror(error)));
  quiet_until_ = now + quiet_period;
  retry_.expires_after(pause_after_failure);
  retry_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) accept();
  });
}

}  // namespace sealmq::net
