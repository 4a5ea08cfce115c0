#include "net/tcp.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sealmq::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

asio::awaitable<Result<tcp::socket>> look_up_and_connect(std::string host, std::uint16_t port) {
  auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  tcp::socket socket(executor);
  error_code error;
  auto addresses = co_await resolver.async_resolve(host, std::to_string(port), asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return fail(Blame::environment, "cannot find the address of " + host + ": " + error.message());
  co_await asio::async_connect(socket, addresses, asio::redirect_error(asio::use_awaitable, error));
  if (error)
    co_return fail(Blame::environment, "cannot connect to " + host + " port " + std::to_string(port) + ": " + error.message());
  socket.set_option(tcp::no_delay(true), error);  // an acknowledgement must not wait for more to send
  socket.non_blocking(true, error);
  if (error) co_return fail(Blame::environment, "cannot use the socket: " + error.message());
  co_return Result<tcp::socket>(std::move(socket));
}

asio::awaitable<void> sleep_for(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

asio::awaitable<Result<tcp::socket>> connect_tcp(std::string host, std::uint16_t port, std::chrono::milliseconds timeout) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (look_up_and_connect(host, port) || sleep_for(timeout));
  if (first.index() == 1)
    co_return fail(Blame::environment, "cannot connect to " + host + " port " + std::to_string(port) + ": it does not answer");
  co_return std::get<0>(std::move(first));
}

}  // namespace sealmq::net
