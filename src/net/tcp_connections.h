// TcpConnections: all connections of one thread, over TCP or Unix domain sockets. It moves bytes and decides nothing.
//
// Made for many connections and few system calls: what a socket holds is read in one call into a buffer that all connections
// share; what a connection owes is written in one gathering call, whenever the owner says so (once per turn of the loop). A
// connection with a channel (TLS, WebSocket) has its bytes wrapped and unwrapped in between, in buffers that are shared too.
//
// Everything on the loop's thread. The io_context outlives this object.
#pragma once

#include <sys/uio.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "net/stream.h"

namespace sealmq::net {

/// Names a connection. The owner chooses it: slots are small numbers and may be reused with another generation.
struct Key {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  bool operator==(const Key&) const = default;
};

/// Who answers for the bytes. Any call may call back into TcpConnections.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// The view is valid during the call. True: there may be a password in it, and no copy is to stay.
  virtual bool received(Key key, Bytes bytes) = 0;
  /// Fills `parts` with the first pieces to be written; answers how many, 0 when there is nothing.
  virtual std::size_t gather(Key key, std::span<iovec> parts) = 0;
  /// So many of them went out.
  virtual void written(Key key, std::size_t count) = 0;
  /// The connection ended, by either side; its key is forgotten.
  virtual void closed(Key key) = 0;
  /// Whether it is read, while TcpConnections::ask_before_reading says that this is to be asked.
  virtual bool is_heard(Key) { return true; }
};

class TcpConnections {
 public:
  TcpConnections(boost::asio::io_context& loop, ByteSink& sink);
  ~TcpConnections();

  /// The key is not in use.
  void add(Key key, Stream stream);
  // Unknown keys are ignored in all that follows.

  /// Writes what the sink has for it, at once, and the rest when the socket takes more.
  void write(Key key);
  /// Nothing is received any more. Ends when write() has written everything and the peer has closed its side too, or after
  /// `linger`: closing while the peer still sends would make its system throw away our last words.
  void finish(Key key);
  /// Takes the connection out of this loop, to be added to another; no closed() follows.
  Stream release(Key key);

  /// Nothing is received from anybody until resume(); writing goes on.
  void pause() { paused_ = true; }
  void resume();
  /// The same for those of which the sink says so (ByteSink::is_heard). To be called again when its answers have changed.
  void ask_before_reading(bool asks);
  /// The same for one of them.
  void set_reading(Key key, bool wanted);
  /// Bytes that were taken from the sink and not by the socket.
  std::size_t unsent(Key key);

  std::size_t size() const { return size_; }

  static constexpr std::chrono::seconds linger{5};
  /// Bytes: of a connection, and after set_reading(false), for then somebody has to keep them. Each read that fills its size is
  /// followed by one of twice the size, but those that fill theirs share what is taken in a turn.
  static constexpr std::size_t first_read = 16 * 1024;

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Clock = std::chrono::steady_clock;

  struct Wrapped {
    std::unique_ptr<Channel> channel;
    Buffer unsent;               // wrapped already
    bool said_goodbye = false;   // finishing, and the channel is closed
    bool waits_to_read = false;  // until unsent has gone out: the peer asks for more than it reads
    std::string address;         // Stream::address
  };

  struct Connection {
    explicit Connection(const Executor& executor) : socket(executor) {}
    boost::asio::posix::basic_stream_descriptor<Executor> socket;
    std::uint32_t generation = 0;
    bool waiting_to_write = false;
    bool finishing = false;
    bool written_out = false;   // finishing, and our side of the connection is closed
    bool unread = false;        // set_reading(false),
    bool waits_unread = false;  // and nobody waits for its socket to become readable
    std::size_t next_read = first_read;
    bool fills = false;  // its last read
    std::shared_ptr<const void> ticket;
    std::unique_ptr<Wrapped> wrapped;  // null: plain
  };
  struct Lingering {
    Clock::time_point until;
    Key key;
  };

  Connection* find(Key key);
  static bool has_channel(const Connection& connection);
  void wait_readable(Connection& connection, Key key);
  void wait_writable(Connection& connection, Key key);
  void read(Key key);
  void fills(Connection& connection, bool fills_its_read);
  bool read_wrapped(Key key, Bytes bytes);
  bool write_plain(Key key);
  bool write_wrapped(Key key);
  bool push(Key key, Bytes wrapped);
  bool push_or_end(Key key, Bytes wrapped);
  void close_our_side(Key key);
  void end(Key key);
  void end_lingering();

  boost::asio::io_context& loop_;
  ByteSink& sink_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by slot
  std::size_t size_ = 0;
  std::size_t filling_ = 0;  // connections that fill their reads
  std::unique_ptr<std::uint8_t[]> buffer_;
  Buffer plain_, to_peer_;  // likewise shared, by connections with a channel
  bool paused_ = false;
  bool asks_ = false;
  std::vector<Key> paused_keys_;  // became readable while paused
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor> linger_timer_;
  std::deque<Lingering> lingering_;  // in order of time
};

}  // namespace sealmq::net
