// The one place where Beast is compiled.
#include "server/admin_listener.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <map>

#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"
#include "net/address.h"
#include "net/url.h"

namespace sealmq::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t most_connections = 32;
constexpr std::size_t more_for_this_machine = 2;  // when the others are all being answered
constexpr std::uint32_t longest_header = 8 * 1024;
constexpr std::chrono::seconds patience{5};
constexpr std::chrono::milliseconds after_trouble{200};

using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

class HttpListener final : public AdminListener {
 public:
  HttpListener(asio::io_context& loop, tcp::acceptor acceptor, std::string url, Secret token, Pages pages)
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        retry_(loop),
        url_(std::move(url)),
        token_(std::move(token)),
        pages_(std::move(pages)) {}

  void start() override { asio::co_spawn(loop_, accept_all(), asio::detached); }

  void close() override {
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    for (const auto& [number, open] : open_) open.stream->close();
  }

  std::string url() const override { return url_; }

 private:
  asio::awaitable<void> accept_all() {
    while (acceptor_.is_open()) {
      error_code error;
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (!acceptor_.is_open()) break;
      if (error) {  // no descriptors, for instance
        retry_.expires_after(after_trouble);
        co_await retry_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (has_room_for(socket)) asio::co_spawn(loop_, serve(beast::tcp_stream(std::move(socket))), asio::detached);
    }
  }

  /// Who has asked for nothing makes room, the oldest first.
  bool has_room_for(const tcp::socket& newcomer) {
    if (open_.size() < most_connections) return true;
    const auto idle = std::ranges::find_if(open_, [](const auto& entry) { return !entry.second.is_answered; });
    if (idle != open_.end()) {
      idle->second.stream->close();
      open_.erase(idle);
      return true;
    }
    error_code error;
    const auto from = newcomer.remote_endpoint(error);
    return !error && from.address().is_loopback() && open_.size() < most_connections + more_for_this_machine;
  }

  asio::awaitable<void> serve(beast::tcp_stream stream) {
    const std::uint64_t number = ++last_;
    open_.emplace(number, Open{&stream});
    beast::flat_buffer buffer(longest_header + 1024);
    for (bool goes_on = true; goes_on && acceptor_.is_open();) {
      http::request_parser<http::empty_body> parser;
      parser.header_limit(longest_header);
      parser.body_limit(0);
      stream.expires_after(patience);
      error_code error;
      co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      if (error == http::error::end_of_stream || !stream.socket().is_open() || error == beast::error::timeout) break;
      if (const auto at = open_.find(number); at != open_.end()) at->second.is_answered = true;
      Response response;
      if (error) {
        response.result(refusal_of(error));
        response.keep_alive(false);
      } else {
        response = answer(parser.get());
      }
      goes_on = !error && response.keep_alive();
      stream.expires_after(patience);
      co_await http::async_write(stream, response, asio::redirect_error(asio::use_awaitable, error));
      if (error) break;
      if (const auto at = open_.find(number); at != open_.end()) at->second.is_answered = false;
    }
    open_.erase(number);
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  static http::status refusal_of(const error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
      return http::status::request_header_fields_too_large;
    if (error == http::error::body_limit || error == http::error::unexpected_body) return http::status::payload_too_large;
    return http::status::bad_request;
  }

  Response answer(const Request& request) const {
    Response response;
    response.version(request.version());
    response.keep_alive(request.keep_alive());
    response.set(http::field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    Page page;
    if (!is_meant(request)) {
      page = {421, page.content_type, "another host is asked for\n"};
    } else if (!is_entitled(request)) {
      response.set(http::field::www_authenticate, "Bearer");
      page = {401, page.content_type, "a token is needed\n"};
    } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
      response.set(http::field::allow, "GET, HEAD");
      page = {405, page.content_type, "only GET and HEAD\n"};
    } else {
      const std::string_view target(request.target().data(), request.target().size());
      page = pages_(target.substr(0, target.find('?')));
    }
    response.result(page.status);
    response.set(http::field::content_type, page.content_type);
    response.content_length(page.body.size());
    if (request.method() != http::verb::head) response.body() = std::move(page.body);
    return response;
  }

  /// Without a token these pages are for this machine. A browser here may be asked by a page from elsewhere, under a name that
  /// its owner lets mean this machine.
  bool is_meant(const Request& request) const {
    const auto field = request[http::field::host];
    if (!token_.empty() || field.empty()) return true;
    const auto place = net::parse_host_port(std::string_view(field.data(), field.size()));
    return place && net::is_loopback(place->host);
  }

  bool is_entitled(const Request& request) const {
    if (token_.empty()) return true;
    constexpr std::string_view kind = "Bearer ";
    const auto field = request[http::field::authorization];
    const std::string_view given(field.data(), field.size());
    return given.starts_with(kind) && same(as_bytes(given.substr(kind.size())), token_.reveal());
  }

  asio::io_context& loop_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::string url_;
  Secret token_;
  Pages pages_;
  struct Open {
    beast::tcp_stream* stream;
    bool is_answered = false;  // it has asked for something
  };
  std::map<std::uint64_t, Open> open_;  // the oldest first; whoever made room has left it
  std::uint64_t last_ = 0;
};

}  // namespace

Result<std::unique_ptr<AdminListener>> AdminListener::open(asio::io_context& loop, const std::string& host, std::uint16_t port,
                                                           Secret token, Pages pages) {
  const auto addresses = TRY(net::resolve(host, port));
  tcp::acceptor acceptor(loop);
  error_code error;
  const net::Address& address = addresses.front();
  tcp::endpoint endpoint;
  endpoint.resize(address.size);
  std::copy_n(reinterpret_cast<const std::byte*>(&address.storage), address.size, reinterpret_cast<std::byte*>(endpoint.data()));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(static_cast<int>(most_connections), error);
  if (error) return fail(Blame::environment, "cannot listen on " + to_text(address) + ": " + error.message());
  std::string url = "http://" + to_text(net::local_address(acceptor.native_handle()));
  return std::make_unique<HttpListener>(loop, std::move(acceptor), std::move(url), std::move(token), std::move(pages));
}

Result<AdminAddress> parse_admin_url(std::string_view url) {
  const auto wrong = [&] { return fail(Blame::caller_misused, "the url of [admin] is http://HOST:PORT"); };
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) return wrong();
  url.remove_prefix(scheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  auto place = net::parse_host_port(url);
  if (!place || !place->port || place->host.find_first_of("/@?#[] ") != std::string::npos) return wrong();
  return AdminAddress{std::move(place->host), *place->port};
}

Result<Secret> read_token_file(const std::string& path) {
  constexpr std::size_t shortest = 16;
  const Secret content = TRY(read_mounted_file(path, wants_token));
  const std::string_view text = trimmed(as_text(content.reveal()));
  if (text.size() < shortest) return fail(Blame::caller_misused, "the token in " + path + " is shorter than 16 characters");
  if (text.find_first_of(" \t\r\n") != std::string_view::npos)
    return fail(Blame::caller_misused, path + " holds more than one word");
  return Secret(as_bytes(text));
}

}  // namespace sealmq::server
