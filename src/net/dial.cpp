#include "net/dial.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/try.h"
#include "net/websocket.h"

namespace sealmq::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;

namespace {

Failure cannot_connect(const Destination& to, const std::string& why) {
  return fail(Blame::environment, "cannot connect to " + to_text(to) + ": " + why);
}

/// `from`: unspecified for whichever the system takes.
error_code open_from(tcp::socket& socket, const tcp& protocol, const asio::ip::address& from) {
  error_code error;
  socket.close(error);
  socket.open(protocol, error);
  if (!error && !from.is_unspecified()) socket.bind({from, 0}, error);
  return error;
}

asio::awaitable<Result<Socket>> connect_tcp(const Destination& to) {
  auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  tcp::socket socket(executor);
  error_code error;
  const HostPort stop = first_stop(to);
  auto addresses =
      co_await resolver.async_resolve(stop.host, std::to_string(*stop.port), asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return fail(Blame::environment, "cannot find the address of " + stop.host + ": " + error.message());
  const auto from = asio::ip::make_address(to.from.empty() ? "0.0.0.0" : to.from, error);
  if (error) co_return fail(Blame::caller_misused, "not an address of this machine: " + to.from);
  error = asio::error::address_family_not_supported;
  for (const auto& address : addresses) {
    const auto there = address.endpoint();
    if (!from.is_unspecified() && from.is_v4() != there.address().is_v4()) continue;
    error = open_from(socket, there.protocol(), from);
    if (error) continue;
    co_await socket.async_connect(there, asio::redirect_error(asio::use_awaitable, error));
    if (!error) break;
  }
  if (error)
    co_return cannot_connect(to,
                             (to.proxy ? "its proxy: " : "") + error.message() + (to.from.empty() ? "" : ", from " + to.from));
  socket.set_option(tcp::no_delay(true), error);  // an acknowledgement must not wait for more to send
  co_return Result<Socket>(Socket(std::move(socket)));
}

asio::awaitable<Result<Socket>> connect_unix(const Destination& to) {
  asio::local::stream_protocol::socket socket(co_await asio::this_coro::executor);
  error_code error;
  co_await socket.async_connect(asio::local::stream_protocol::endpoint(to.path),
                                asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return cannot_connect(to, error.message());
  co_return Result<Socket>(Socket(std::move(socket)));
}

/// For a proxy that does not look names up itself; the name, if we cannot either: then it tells why.
asio::awaitable<std::string> address_of(const Destination& to) {
  tcp::resolver resolver(co_await asio::this_coro::executor);
  error_code error;
  const auto found =
      co_await resolver.async_resolve(to.host, std::to_string(to.port), asio::redirect_error(asio::use_awaitable, error));
  co_return error || found.empty() ? to.host : found.begin()->endpoint().address().to_string();
}

/// Until the channel is open.
asio::awaitable<Result<>> shake_hands(const Destination& to, Dialled& dialled) {
  std::array<std::uint8_t, 16 * 1024> space;
  Buffer answer;
  Result<> result = dialled.channel->start(answer);
  while (true) {
    error_code error;
    co_await asio::async_write(dialled.socket, asio::buffer(answer), asio::redirect_error(asio::use_awaitable, error));
    if (!result) co_return result;  // now that the peer has been told why
    if (error) co_return cannot_connect(to, error.message());
    if (dialled.channel->is_open()) co_return Result<>();
    const std::size_t size =
        co_await dialled.socket.async_read_some(asio::buffer(space), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return cannot_connect(to, "it ended the handshake: " + error.message());
    answer.clear();
    result = dialled.channel->receive(Bytes(space).first(size), dialled.first, answer);
  }
}

asio::awaitable<Result<Dialled>> dial_for_ever(Destination to) {
  Result<Socket> socket = fail(Blame::environment, "");
  if (to.transport == Transport::unix_socket)  // not `?:`, which g++ 12 miscompiles around co_await
    socket = co_await connect_unix(to);
  else
    socket = co_await connect_tcp(to);
  if (!socket) co_return Failure(std::move(socket).error());
  if (to.proxy && !to.proxy->finds_host) to.host_for_proxy = co_await address_of(to);
  error_code error;
  socket->non_blocking(true, error);
  if (error) co_return fail(Blame::environment, "cannot use the socket: " + error.message());
  Dialled dialled{*std::move(socket), make_channel(to), {}};
  if (dialled.channel) {
    auto shaken = co_await shake_hands(to, dialled);
    if (!shaken) co_return Failure(std::move(shaken).error());
  }
  co_return Result<Dialled>(std::move(dialled));
}

asio::awaitable<void> sleep_for(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

HostPort first_stop(const Destination& to) {
  return to.proxy ? HostPort{to.proxy->host, to.proxy->port} : HostPort{to.host, to.port};
}

Result<Destination> destination_of(const Url& url, const TlsOptions& options, std::string_view proxy) {
  Destination to{url.transport, url.host, url.port, url.path, nullptr};
  if (!proxy.empty()) to.proxy = TRY(parse_proxy(proxy));
  if (to.proxy && url.transport == Transport::unix_socket)
    return fail(Blame::caller_misused, "no proxy leads to a socket of this machine");
  if (url.transport == Transport::tls)
    to.tls = TRY(TlsClient::load(options));
  else if (url.transport == Transport::secure_websocket)
    to.tls = TRY(TlsClient::load(options, web_protocol));
  else if (options != TlsOptions())
    return fail(Blame::caller_misused, "options of TLS go with mqtts:// and wss:// only");
  return to;
}

std::string to_text(const Destination& to) {
  if (to.transport == Transport::unix_socket) return "unix:" + to.path;
  return to.host + " port " + std::to_string(to.port);
}

namespace {

std::unique_ptr<Channel> make_end_to_end(const Destination& to) {
  const auto websocket = [&] {
    const std::string host = to.host.find(':') == to.host.npos ? to.host : "[" + to.host + "]";
    return connect_websocket(host + ":" + std::to_string(to.port), "/" + (to.path.empty() ? "mqtt" : to.path));
  };
  switch (to.transport) {
    case Transport::tls:
      return to.tls->connect(to.host);
    case Transport::websocket:
      return websocket();
    case Transport::secure_websocket:
      return stack(to.tls->connect(to.host), websocket());
    case Transport::tcp:
    case Transport::unix_socket:
      break;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Channel> make_channel(const Destination& to) {
  auto channel = make_end_to_end(to);
  if (!to.proxy) return channel;
  auto by_proxy = connect_by_proxy(*to.proxy, to.host_for_proxy.empty() ? to.host : to.host_for_proxy, to.port);
  return channel == nullptr ? std::move(by_proxy) : stack(std::move(by_proxy), std::move(channel));
}

asio::awaitable<Result<Dialled>> dial(Destination to, std::chrono::milliseconds timeout) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (dial_for_ever(to) || sleep_for(timeout));
  if (first.index() == 1) co_return cannot_connect(to, "it does not answer");
  co_return std::get<0>(std::move(first));
}

}  // namespace sealmq::net
