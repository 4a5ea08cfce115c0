// Bridge: exchanges messages with another MQTT broker, as a client of both. Here it is an ordinary client of unprotected MQTT, in
// the same process: policy rows decide what it may read and write.
//
// A message of QoS 1 or 2 is acknowledged to the broker it comes from only when the other one has taken it, and both sessions
// outlive connections. So what cannot be passed on waits in the session at the broker it comes from, within that broker's limits.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "server/bridge_state.h"
#include "server/configuration.h"
#include "server/log.h"

namespace sealmq::server {

class Bridge {
 public:
  /// Reads the password file. `broker` tells this broker from others in the path of a message. `open_local` answers a socket
  /// whose other end is a connection of this broker. Lives on `loop`, which one thread runs; both outlive it. Errors:
  /// caller_misused, environment.
  static Result<std::unique_ptr<Bridge>> make(boost::asio::io_context& loop, const BridgeSettings& settings,
                                              std::string_view broker, std::function<Result<int>()> open_local, Log& log);
  virtual ~Bridge() = default;

  // -- on the loop's thread

  virtual void start() = 0;
  /// Ends both connections; the sessions stay. What it has begun ends in the loop soon after.
  virtual void stop() = 0;
  virtual BridgeState state() const = 0;
};

}  // namespace sealmq::server
