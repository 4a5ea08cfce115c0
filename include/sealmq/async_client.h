// AsyncClient: an MQTT client for Boost.Asio coroutines.
//
//   boost::asio::awaitable<sealmq::Result<>> run() {
//     sealmq::ConnectOptions options;
//     options.url = "mqtt://localhost";
//     options.reconnect = true;
//     auto client = co_await sealmq::AsyncClient::connect(std::move(options));
//     if (!client) co_return sealmq::Failure(client.error());
//     auto sent = co_await client->publish("plant/boiler-7/pressure", "4.2", sealmq::mqtt::QoS::at_least_once);
//     if (!sent) co_return sent;
//     auto granted = co_await client->subscribe("plant/boiler-7/#", sealmq::mqtt::QoS::at_least_once);
//     if (!granted) co_return granted;
//     while (auto message = co_await client->receive()) std::cout << sealmq::as_text(message->payload) << std::endl;
//     co_return co_await client->disconnect();
//   }
//
// It lives on the executor of the coroutine that connected, and all its calls are made there: with an io_context that several
// threads run, connect from within a strand. Several coroutines may wait at once. A key store that blocks (a card, a file lock)
// blocks that executor while a message is signed. What a call is given is copied before it returns. A call that is cancelled ends
// with an error, of the environment; a message that has not been sent by then is not sent.
//
// Errors: environment: no connection, it ended, no answer within ConnectOptions::timeout; not_authorised, peer_misbehaved or
// peer_incompatible: the broker refused, and Error::code is its reason code; caller_misused: what was asked for is not legal.
#pragma once

#if !defined(BOOST_ASIO_NO_DEPRECATED)  // Asio's executors look different without it
#error \
    "Boost.Asio has to be set up as in the library: link sealmq::sealmq in CMake, or use the flags of pkg-config --cflags sealmq"
#endif

#include <boost/asio/awaitable.hpp>

#include "sealmq/client_types.h"

#pragma GCC visibility push(default)
namespace sealmq {

class AsyncClient {
 public:
  /// Opens the keys and the scheme, connects, and logs in.
  static boost::asio::awaitable<Result<AsyncClient>> connect(ConnectOptions&& options);

  AsyncClient(AsyncClient&&) noexcept;
  AsyncClient& operator=(AsyncClient&&) noexcept;
  /// Without disconnect() before, the broker sees a lost connection and publishes the will. Waiting calls end with an error.
  ~AsyncClient();

  /// QoS 0: returns when the bytes went to the system. QoS 1 and 2: when the broker has taken responsibility.
  /// Options are named before they are used: g++ 12 destroys twice what is made in braces where it is awaited.
  boost::asio::awaitable<Result<>> publish(std::string_view topic, std::string_view payload,
                                           mqtt::QoS qos = mqtt::QoS::at_most_once);
  boost::asio::awaitable<Result<>> publish(std::string_view topic, std::string_view payload, const PublishOptions& options);
  boost::asio::awaitable<Result<>> publish(std::string_view topic, Bytes payload, const PublishOptions& options);
  void publish(std::string_view topic, std::string_view payload, PublishOptions&& options) = delete;
  void publish(std::string_view topic, Bytes payload, PublishOptions&& options) = delete;

  /// Returns when the broker has granted it.
  boost::asio::awaitable<Result<>> subscribe(std::string_view filter, mqtt::QoS qos = mqtt::QoS::at_most_once);
  boost::asio::awaitable<Result<>> subscribe(std::string_view filter, const SubscribeOptions& options);
  void subscribe(std::string_view filter, SubscribeOptions&& options) = delete;
  boost::asio::awaitable<Result<>> unsubscribe(std::string_view filter);

  /// The next message, which the broker then counts as received; nothing when `timeout` ran out. An error when the connection is
  /// over and every message has been handed out.
  boost::asio::awaitable<Result<std::optional<ReceivedMessage>>> receive(std::chrono::milliseconds timeout);
  /// Waits as long as it takes: `while (auto message = co_await client.receive()) …`
  boost::asio::awaitable<Result<ReceivedMessage>> receive();

  /// The message with this receipt is in good hands; see ConnectOptions::acknowledge_later. An old receipt is ignored.
  void acknowledge(std::uint64_t receipt);

  /// Says goodbye, so that no will is published, once everything before has been sent.
  boost::asio::awaitable<Result<>> disconnect();

  /// Connects again and goes on with the same session: what the broker has not acknowledged is sent again, the same bytes, if the
  /// broker kept the session (session_present() tells). A publish() that ended with an error may arrive by this after all.
  boost::asio::awaitable<Result<>> reconnect();

  bool session_present() const;
  /// The one in use, also when the broker chose it.
  const std::string& client_id() const;

 private:
  class Link;
  static boost::asio::awaitable<Result<AsyncClient>> open(std::unique_ptr<ConnectOptions> options);
  explicit AsyncClient(std::shared_ptr<Link> link);
  std::shared_ptr<Link> link_;
};

}  // namespace sealmq
#pragma GCC visibility pop
