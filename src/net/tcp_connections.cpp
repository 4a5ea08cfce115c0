#include "net/tcp_connections.h"
#include "sealmq/secret.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>

namespace sealmq::net {
namespace {

// One call empties most sockets, and bounds what one connection may take of a turn.
constexpr std::size_t buffer_size = 256 * 1024;
// The same of all that always have more, together; and what each of them may take at least.
constexpr std::size_t most_in_turn = 1024 * 1024, least_read = 1024;
constexpr std::size_t parts_per_write = 64;
// A peer that reads as fast as we write must not keep the loop for itself.
constexpr int writes_per_turn = 16;

// Wrapped bytes that wait for a reader; beyond it, what it asks for (pongs, new keys) has to wait as well.
constexpr std::size_t most_unsent = 256 * 1024;
// What a shared buffer may keep between two reads.
constexpr std::size_t most_kept = 1024 * 1024;

void give_back(Buffer& buffer) {
  if (buffer.capacity() > most_kept) buffer = Buffer();
}

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

void TcpConnections::add(Key key, Stream stream) {
  if (key.slot >= connections_.size()) connections_.resize(key.slot + 1);
  auto& place = connections_[key.slot];
  assert(!place);
  place = std::make_unique<Connection>(loop_.get_executor());
  place->generation = key.generation;
  place->ticket = std::move(stream.ticket);
  ++size_;
  boost::system::error_code error;
  place->socket.assign(stream.socket.number(), error);
  if (error) return end(key);
  stream.socket.release();
  if (stream.channel || !stream.address.empty()) {
    place->wrapped = std::make_unique<Wrapped>();
    place->wrapped->channel = std::move(stream.channel);
    place->wrapped->address = std::move(stream.address);
    place->wrapped->unsent = std::move(stream.unsent);
    if (!place->wrapped->unsent.empty()) wait_writable(*place, key);
  }
  wait_readable(*place, key);
}

bool TcpConnections::has_channel(const Connection& connection) {
  return connection.wrapped != nullptr && connection.wrapped->channel != nullptr;
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
  const bool waits = paused_ || (asks_ && !sink_.is_heard(key));
  if (waits && !connection->finishing) return paused_keys_.push_back(key);
  if (connection->unread && !connection->finishing) {
    connection->waits_unread = true;
    return;
  }

  const std::size_t share = std::max(least_read, most_in_turn / std::max<std::size_t>(1, filling_));
  const std::size_t most = std::min(connection->next_read, share);
  const ssize_t count = ::recv(connection->socket.native_handle(), buffer_.get(), most, 0);
  if (count == 0 || (count < 0 && !would_block(errno) && errno != EINTR)) return end(key);
  if (count > 0 && !connection->finishing) {
    const Bytes bytes(buffer_.get(), static_cast<std::size_t>(count));
    fills(*connection, bytes.size() == most);
    if (bytes.size() == connection->next_read) connection->next_read = std::min(2 * most, buffer_size);
    if (has_channel(*connection) ? read_wrapped(key, bytes) : sink_.received(key, bytes))
      wipe(buffer_.get(), static_cast<std::size_t>(count));
    connection = find(key);
    if (connection == nullptr) return;
    if (connection->wrapped && connection->wrapped->unsent.size() > most_unsent) {
      connection->wrapped->waits_to_read = true;
      return;
    }
    if (connection->unread && !connection->finishing) {
      connection->waits_unread = true;
      return;
    }
  }
  wait_readable(*connection, key);  // answers at once if there is more; others have their turn first
}

/// Whether it has more for us than we take in a turn.
void TcpConnections::fills(Connection& connection, bool fills_its_read) {
  if (std::exchange(connection.fills, fills_its_read) == fills_its_read) return;
  fills_its_read ? ++filling_ : --filling_;
}

bool TcpConnections::read_wrapped(Key key, Bytes bytes) {
  Channel& channel = *find(key)->wrapped->channel;
  plain_.clear();
  to_peer_.clear();
  const Result<> received = channel.receive(bytes, plain_, to_peer_);
  // Answered first, because the sink may move the connection away; what came is heard even if nobody takes the answer.
  const bool is_over = !push(key, to_peer_) || !received || channel.has_ended();
  const bool is_secret = !plain_.empty() && sink_.received(key, plain_);
  if (is_secret) wipe(plain_.data(), plain_.size());
  give_back(plain_);
  give_back(to_peer_);
  if (!is_over || find(key) == nullptr) return is_secret;
  ::shutdown(find(key)->socket.native_handle(), SHUT_WR);
  end(key);
  return is_secret;
}

void TcpConnections::write(Key key) {
  for (int turn = 0; turn < writes_per_turn; ++turn) {
    const Connection* connection = find(key);
    if (connection == nullptr || connection->waiting_to_write || connection->written_out) return;
    if (!(has_channel(*connection) ? write_wrapped(key) : write_plain(key))) return;
  }
  if (Connection* connection = find(key)) wait_writable(*connection, key);
}

/// One call; true: there may be more to write at once.
bool TcpConnections::write_plain(Key key) {
  std::array<iovec, parts_per_write> parts;
  const std::size_t gathered = sink_.gather(key, parts);
  if (gathered == 0) {
    if (find(key)->finishing) close_our_side(key);
    return false;
  }
  Connection& connection = *find(key);
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = gathered;
  const ssize_t count = ::sendmsg(connection.socket.native_handle(), &message, MSG_NOSIGNAL);
  if (count < 0) {
    if (errno == EINTR) return true;
    would_block(errno) ? wait_writable(connection, key) : end(key);
    return false;
  }
  sink_.written(key, static_cast<std::size_t>(count));
  return true;
}

/// Likewise, first what is wrapped already. What is given to the channel counts as written.
bool TcpConnections::write_wrapped(Key key) {
  std::array<iovec, parts_per_write> parts;
  Wrapped& wrapped = *find(key)->wrapped;
  if (!push_or_end(key, {}) || !wrapped.unsent.empty()) return false;
  const std::size_t gathered = sink_.gather(key, parts);
  to_peer_.clear();
  if (gathered == 0) {
    if (!find(key)->finishing) return false;
    if (wrapped.said_goodbye) {
      close_our_side(key);
      return false;
    }
    wrapped.said_goodbye = true;
    wrapped.channel->close(to_peer_);
    return push_or_end(key, to_peer_);
  }
  const Result<std::size_t> taken = wrapped.channel->send(std::span(parts).first(gathered), to_peer_);
  if (!taken) {
    end(key);
    return false;
  }
  if (!push_or_end(key, to_peer_)) return false;
  sink_.written(key, *taken);
  return true;
}

/// Sends what is unsent and then this; keeps what the socket does not take. False: the connection is broken.
bool TcpConnections::push(Key key, Bytes bytes) {
  Connection& connection = *find(key);
  Wrapped& wrapped = *connection.wrapped;
  const auto send_some = [&](Bytes rest) -> ssize_t {
    ssize_t count = 0;
    do count = ::send(connection.socket.native_handle(), rest.data(), rest.size(), MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return count < 0 && would_block(errno) ? 0 : count;
  };
  if (!wrapped.unsent.empty() && !connection.waiting_to_write) {
    const ssize_t count = send_some(wrapped.unsent);
    if (count < 0) return false;
    wrapped.unsent.erase(wrapped.unsent.begin(), wrapped.unsent.begin() + count);
    if (wrapped.unsent.empty()) wrapped.unsent = Buffer();
  }
  if (wrapped.unsent.empty() && !bytes.empty()) {
    const ssize_t count = send_some(bytes);
    if (count < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  append(wrapped.unsent, bytes);
  if (!wrapped.unsent.empty() && !connection.waiting_to_write) wait_writable(connection, key);
  if (wrapped.unsent.size() <= most_unsent && std::exchange(wrapped.waits_to_read, false)) wait_readable(connection, key);
  return true;
}

bool TcpConnections::push_or_end(Key key, Bytes bytes) {
  if (push(key, bytes)) return true;
  end(key);
  return false;
}

void TcpConnections::close_our_side(Key key) {
  Connection& connection = *find(key);
  connection.written_out = true;
  if (::shutdown(connection.socket.native_handle(), SHUT_WR) != 0) end(key);
}

void TcpConnections::finish(Key key) {
  Connection* connection = find(key);
  if (connection == nullptr || connection->finishing) return;
  connection->finishing = true;
  if (std::exchange(connection->waits_unread, false)) wait_readable(*connection, key);
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

Stream TcpConnections::release(Key key) {
  Connection* connection = find(key);
  Stream stream;
  if (connection == nullptr) return stream;
  stream.socket = Descriptor(connection->socket.release());
  stream.ticket = std::move(connection->ticket);
  if (connection->wrapped) {
    stream.address = std::move(connection->wrapped->address);
    stream.channel = std::move(connection->wrapped->channel);
    stream.unsent = std::move(connection->wrapped->unsent);
  }
  fills(*connection, false);
  connections_[key.slot].reset();
  --size_;
  return stream;
}

void TcpConnections::ask_before_reading(bool asks) {
  asks_ = asks;
  if (!paused_) resume();  // whoever still waits is asked about again
}

void TcpConnections::resume() {
  paused_ = false;
  for (Key key : std::exchange(paused_keys_, {})) {
    if (Connection* connection = find(key)) wait_readable(*connection, key);
  }
}

void TcpConnections::set_reading(Key key, bool wanted) {
  Connection* connection = find(key);
  if (connection == nullptr) return;
  connection->unread = !wanted;
  if (!wanted) connection->next_read = first_read;
  if (wanted && std::exchange(connection->waits_unread, false)) wait_readable(*connection, key);
}

std::size_t TcpConnections::unsent(Key key) {
  const Connection* connection = find(key);
  return connection != nullptr && connection->wrapped ? connection->wrapped->unsent.capacity() : 0;
}

void TcpConnections::end(Key key) {
  Connection* connection = find(key);
  if (connection == nullptr) return;
  fills(*connection, false);
  connections_[key.slot].reset();
  --size_;
  sink_.closed(key);
}

}  // namespace sealmq::net
