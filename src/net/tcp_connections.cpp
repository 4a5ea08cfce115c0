#include "net/tcp_connections.h"

#include <sys/socket.h>

#include <array>
#include <cassert>
#include <cerrno>

namespace sealmq::net {
namespace {

// One call empties most sockets, and bounds what one connection may take of a turn.
constexpr std::size_t buffer_size = 256 * 1024;
constexpr std::size_t parts_per_write = 64;
// A peer that reads as fast as we write must not keep the loop for itself.
constexpr int writes_per_turn = 16;

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

TcpConnections::TcpConnections(boost::asio::io_context& loop, ByteSink& sink)
    : loop_(loop),
      sink_(sink),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size)),
      linger_timer_(loop.get_executor()) {}

TcpConnections::~TcpConnections() = default;

TcpConnections::Connection* TcpConnections::find(Key key) {
  if (key.slot >= connections_.size()) return nullptr;
  Connection* connection = connections_[key.slot].get();
  return connection != nullptr && connection->generation == key.generation ? connection : nullptr;
}

void TcpConnections::add(Key key, Descriptor socket) {
  if (key.slot >= connections_.size()) connections_.resize(key.slot + 1);
  auto& place = connections_[key.slot];
  assert(!place);
  place = std::make_unique<Connection>(loop_.get_executor());
  place->generation = key.generation;
  ++size_;
  boost::system::error_code error;
  place->socket.assign(socket.number(), error);
  if (error) return end(key);
  socket.release();
  wait_readable(*place, key);
}

// The handlers name the connection by its key and look it up again: it may be gone by then.
void TcpConnections::wait_readable(Connection& connection, Key key) {
  connection.socket.async_wait(boost::asio::posix::descriptor_base::wait_read,
                               [this, key](const boost::system::error_code& error) {
                                 if (error != boost::asio::error::operation_aborted) read(key);
                               });
}

void TcpConnections::wait_writable(Connection& connection, Key key) {
  connection.waiting_to_write = true;
  connection.socket.async_wait(boost::asio::posix::descriptor_base::wait_write,
                               [this, key](const boost::system::error_code& error) {
                                 if (error == boost::asio::error::operation_aborted) return;
                                 if (Connection* found = find(key)) found->waiting_to_write = false;
                                 write(key);
                               });
}

void TcpConnections::read(Key key) {
  Connection* connection = find(key);
  if (connection == nullptr) return;
  if (paused_ && !connection->finishing) return paused_keys_.push_back(key);

  const ssize_t count = ::recv(connection->socket.native_handle(), buffer_.get(), buffer_size, 0);
  if (count == 0 || (count < 0 && !would_block(errno) && errno != EINTR)) return end(key);
  if (count > 0 && !connection->finishing) {
    sink_.received(key, Bytes(buffer_.get(), static_cast<std::size_t>(count)));
    connection = find(key);
    if (connection == nullptr) return;
  }
  wait_readable(*connection, key);  // answers at once if there is more; others have their turn first
}

void TcpConnections::write(Key key) {
  std::array<iovec, parts_per_write> parts;
  for (int turn = 0; turn < writes_per_turn; ++turn) {
    Connection* connection = find(key);
    if (connection == nullptr || connection->waiting_to_write || connection->written_out) return;
    const std::size_t gathered = sink_.gather(key, parts);
    if (gathered == 0) {
      if (!connection->finishing) return;
      connection->written_out = true;
      if (::shutdown(connection->socket.native_handle(), SHUT_WR) != 0) end(key);
      return;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = gathered;
    const ssize_t count = ::sendmsg(connection->socket.native_handle(), &message, MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      return would_block(errno) ? wait_writable(*connection, key) : end(key);
    }
    sink_.written(key, static_cast<std::size_t>(count));
  }
  if (Connection* connection = find(key)) wait_writable(*connection, key);
}

void TcpConnections::finish(Key key) {
  Connection* connection = find(key);
  if (connection == nullptr || connection->finishing) return;
  connection->finishing = true;
  lingering_.push_back({Clock::now() + linger, key});
  if (lingering_.size() == 1) end_lingering();
}

void TcpConnections::end_lingering() {
  while (!lingering_.empty() && (find(lingering_.front().key) == nullptr || lingering_.front().until <= Clock::now())) {
    const Key key = lingering_.front().key;
    lingering_.pop_front();
    end(key);
  }
  if (lingering_.empty()) return;
  linger_timer_.expires_at(lingering_.front().until);
  linger_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) end_lingering();
  });
}

Descriptor TcpConnections::release(Key key) {
  Connection* connection = find(key);
  if (connection == nullptr) return {};
  Descriptor socket(connection->socket.release());
  connections_[key.slot].reset();
  --size_;
  return socket;
}

void TcpConnections::resume() {
  paused_ = false;
  for (Key key : std::exchange(paused_keys_, {})) {
    if (Connection* connection = find(key)) wait_readable(*connection, key);
  }
}

void TcpConnections::end(Key key) {
  if (find(key) == nullptr) return;
  connections_[key.slot].reset();
  --size_;
  sink_.closed(key);
}

}  // namespace sealmq::net
