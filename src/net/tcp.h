// TCP connections outwards.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>

#include "sealmq/result.h"

namespace sealmq::net {

/// Looks `host` up and tries its addresses in turn, all within `timeout`. The socket does not block and has TCP_NODELAY.
/// Errors: environment. The parameters are copies because a coroutine outlives its caller's temporaries.
boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> connect_tcp(std::string host, std::uint16_t port,
                                                                         std::chrono::milliseconds timeout);

}  // namespace sealmq::net
