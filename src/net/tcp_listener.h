// TcpListener: accepts connections over TCP, or over a Unix domain socket, and hands their sockets on. No trouble with one
// connection, and no shortage of descriptors, ends it: it waits a moment and goes on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "net/address.h"
#include "sealmq/result.h"

namespace sealmq::net {

/// Called on the loop's thread.
class AcceptHandler {
 public:
  virtual ~AcceptHandler() = default;
  /// The socket does not block, and has TCP_NODELAY and TCP keep-alive.
  virtual void accepted(Descriptor socket) = 0;
  /// Accepting failed and is tried again; called once for a whole period of trouble.
  virtual void accept_failed(std::string cause) = 0;
};

class TcpListener {
 public:
  /// All addresses of the host that this machine has, of `localhost` those of both families. Port 0 picks a free one, the same
  /// for all. `shares_port`: `::` leaves IPv4 to another listener. Errors: environment, also when the port is taken. Serves once
  /// start() has been called.
  static Result<std::vector<std::unique_ptr<TcpListener>>> open(boost::asio::io_context& loop, const std::string& host,
                                                                std::uint16_t port, bool shares_port, AcceptHandler& handler);

  /// A Unix domain socket, with exactly these permissions from the start. One that nobody listens on any more is replaced; it is
  /// removed by close(). Errors: environment.
  static Result<std::unique_ptr<TcpListener>> open_unix(boost::asio::io_context& loop, const std::string& path, unsigned mode,
                                                        AcceptHandler& handler);
  ~TcpListener();

  /// From now on on the loop's thread only.
  void start() { wait(); }
  void close();

  Address address() const { return address_; }

 private:
  TcpListener(boost::asio::io_context& loop, Descriptor socket, AcceptHandler& handler);

  void wait();
  void accept();
  void back_off(int error);

  using Executor = boost::asio::io_context::executor_type;

  boost::asio::posix::basic_stream_descriptor<Executor> socket_;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
      retry_;
  AcceptHandler& handler_;
  Address address_;
  std::string path_;                                     // of a Unix domain socket, to be removed
  std::chrono::steady_clock::time_point quiet_until_{};  // trouble before that has been told already
};

}  // namespace sealmq::net
