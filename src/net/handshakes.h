// Handshakes: the connections of one listener on one thread that are not MQTT yet: a PROXY header, TLS or an HTTP request is on
// its way. They are few and have little time, so whoever stalls costs nothing that others need; those who are done are handed on.
//
// Addresses share the places. Whoever comes from an address that has fewer of them than another has begins at once, in the place
// of one from there, of one that has sent nothing if there is such a one. Those who wait take turns by address.
//
// Everything on the loop's thread. The io_context outlives this object.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <optional>

#include "net/entry.h"
#include "net/stream.h"

namespace sealmq::net {

class HandshakeHandler {
 public:
  virtual ~HandshakeHandler() = default;
  /// `first` is what came behind the handshake; valid during the call. `entry` is where it came in.
  virtual void established(const Entry& entry, Stream stream, Bytes first) = 0;
  /// Its address was told by a proxy. Null: it is not let in; otherwise Stream::ticket.
  virtual std::shared_ptr<const void> admit(const std::string& address) = 0;
  /// It is over for this peer. `cause` is for the log; `offered`: the name of the pre-shared key that it has not proved, if any.
  virtual void handshake_failed(const std::string& address, const std::string& cause, const std::string& offered) = 0;
};

class Handshakes {
 public:
  /// Who has been at it for `patience` makes room when others wait.
  static constexpr std::chrono::milliseconds patience{1'000};
  /// Likewise if it has sent nothing.
  static constexpr std::chrono::milliseconds patience_with_the_silent{300};
  /// Newcomers whose bytes are not looked at before there is room. Beyond it those are closed who came last from the address that
  /// most of them are from.
  static constexpr std::size_t most_waiting = 1024;

  /// At most `most` at a time, and each at most so long.
  Handshakes(boost::asio::io_context& loop, std::shared_ptr<const Entry> entry, HandshakeHandler& handler, std::size_t most,
             std::chrono::milliseconds longest);

  /// `ticket`: Stream::ticket, unless a proxy will tell who is to be admitted.
  void begin(Descriptor socket, std::shared_ptr<const void> ticket);
  std::size_t size() const { return half_open_.size(); }
  std::size_t waiting() const { return waiting_; }

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Clock = std::chrono::steady_clock;
  using Number = std::uint64_t;

  struct Waiting {
    Descriptor socket;
    std::shared_ptr<const void> ticket;
  };
  struct Place {
    std::size_t half_open = 0;
    std::deque<Waiting> waiting;  // while there are any, it stands in the line
  };
  using Places = std::map<std::string, Place>;  // as place_of() names them

  struct HalfOpen {
    explicit HalfOpen(const Executor& executor) : socket(executor) {}
    boost::asio::posix::basic_stream_descriptor<Executor> socket;
    Clock::time_point began = Clock::now();
    Places::iterator place{};
    bool has_spoken = false;  // has sent something
    std::string address;      // that a proxy told
    bool expects_proxy_header = false;
    Buffer header;  // of the same, until it is whole
    std::unique_ptr<Channel> channel;
    Buffer unsent;
    bool waits_to_write = false;
    bool refused = false;  // it is told why; what it says is thrown away
    std::shared_ptr<const void> ticket;
  };

  HalfOpen* find(Number number);
  void start(Waiting waiting, Places::iterator place);
  void start_waiting();
  void make_room_among_waiting();
  std::optional<Number> displaced_by(const Place& newcomer) const;
  std::chrono::milliseconds allowed(const HalfOpen& half_open) const;
  void leave(std::map<Number, HalfOpen>::iterator half_open);
  void forget_if_empty(Places::iterator place);
  void wait_readable(Number number);
  void wait_writable(Number number);
  void read(Number number);
  void take(Number number, Bytes bytes);
  void take_header(Number number, Bytes bytes);
  static std::string address_of(HalfOpen& half_open);
  bool admit(HalfOpen& half_open);
  std::optional<std::string> admit_forwarded(HalfOpen& half_open);
  bool flush(Number number);
  void establish(Number number, Bytes first);
  void refuse(Number number, const std::string& cause);
  void drop(Number number, const std::string& cause);
  void end(Number number);
  void set_timer();

  boost::asio::io_context& loop_;
  std::shared_ptr<const Entry> entry_;
  HandshakeHandler& handler_;
  std::size_t most_;
  const std::chrono::milliseconds longest_;
  std::map<Number, HalfOpen> half_open_;  // the oldest first
  Number next_ = 0;
  Places places_;
  std::deque<Places::iterator> line_;  // those with somebody waiting
  std::size_t waiting_ = 0;
  std::unique_ptr<std::uint8_t[]> buffer_;
  Buffer plain_;  // scratch of take()
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor> timer_;
};

}  // namespace sealmq::net
