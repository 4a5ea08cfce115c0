// AsyncClient::Link: a ClientSession with a socket, timers and waiting coroutines.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <optional>
#include <unordered_map>

#include "client/session.h"
#include "net/dial.h"
#include "sealmq/async_client.h"

namespace sealmq {

class [[gnu::visibility("hidden")]] AsyncClient::Link : public std::enable_shared_from_this<Link> {
 public:
  using Clock = std::chrono::steady_clock;
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  /// Opens keys and scheme. Errors: caller_misused, environment.
  static Result<std::shared_ptr<Link>> make(boost::asio::any_io_executor executor, ConnectOptions options);

  Link(boost::asio::any_io_executor executor, ConnectOptions options, net::Destination to, std::unique_ptr<Random> random,
       std::unique_ptr<ClientScheme> scheme, std::unique_ptr<MessageStore> store);

  /// What publish() was asked for.
  struct Order {
    std::string topic;
    Buffer payload;
    PublishOptions options;
  };

  awaitable<Result<>> open();
  /// The first time: with a store and `reconnect`, no broker is no error.
  awaitable<Result<>> begin();
  /// As open(), or waits for what connects by itself.
  awaitable<Result<>> reconnect();
  awaitable<Result<>> publish(std::unique_ptr<const Order> order);
  awaitable<Result<>> subscribe(std::string filter, std::unique_ptr<const SubscribeOptions> options);
  awaitable<Result<>> unsubscribe(std::string filter);
  awaitable<Result<std::optional<ReceivedMessage>>> receive(Clock::time_point deadline);
  awaitable<Result<>> disconnect();
  void acknowledge(std::uint64_t receipt) {
    session_.take(receipt);
    turn();
  }
  /// Nobody will call any more.
  void abandon();

  bool session_present() const {
    return session_present_;
  }
  const std::string& client_id() const {
    return client_id_;
  }

 private:
  /// What one coroutine waits for. Shared with it, so that either may go first.
  struct Answer {
    Answer(const boost::asio::any_io_executor& executor, Clock::time_point deadline) : signal(executor, deadline) {}
    boost::asio::steady_timer signal;  // cancelled when the result is there
    std::optional<Result<>> result;
    bool outlives_connection = false;
  };
  static Failure cancelled();
  static Now now();
  static void give(const std::shared_ptr<Answer>& answer, Result<> result);
  /// False: this call was cancelled.
  static awaitable<bool> wait(std::shared_ptr<Answer> answer);
  std::shared_ptr<Answer> answer_within(std::chrono::milliseconds timeout);
  awaitable<Result<>> answer_to(Handle handle, bool outlives_connection = false);
  awaitable<Result<net::Dialled>> dial();
  awaitable<Result<>> open_now();
  awaitable<Result<>> ready();
  awaitable<void> restore();
  awaitable<void> subscribe_again();
  bool comes_back_from(const Error& error) const;
  void give_up(const Error& error);
  void begin_to_restore();
  std::chrono::milliseconds with_chance(std::chrono::milliseconds delay);
  Underneath underneath() const;
  awaitable<Result<>> sent();

  void turn();
  void flush();
  bool everything_sent() {
    return unsent_.empty() && session_.outbox().empty();
  }
  Result<> send_plain(boost::system::error_code & error);
  Result<> send_wrapped(boost::system::error_code & error);
  void read();
  void take(Bytes bytes);
  Error closed_by_broker() const;
  void arm_clock();
  void lost(Error error);
  void pop_made_room();

  void on(Connected event);
  void on(Published event);
  void on(Subscribed event);
  void on(Arrival event);
  void on(const RefusedMessage& event);
  void on(Undelivered event);
  void on(const Notice& event);
  void on(Closed event);
  void answer(Handle handle, std::string_view what, mqtt::Reason reason);

  boost::asio::any_io_executor executor_;
  ConnectOptions options_;
  net::Destination destination_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<ClientScheme> scheme_;
  std::unique_ptr<MessageStore> store_;  // null: none
  ClientSession session_;
  boost::asio::generic::stream_protocol::socket socket_;
  std::unique_ptr<net::Channel> channel_;  // null: the socket's bytes are MQTT
  Buffer unsent_;                          // wrapped already
  boost::asio::steady_timer clock_;
  std::uint64_t clock_set_to_ = std::numeric_limits<std::uint64_t>::max();
  Buffer read_space_;
  std::uint64_t connection_ = 0;  // completions of an earlier one are ignored
  bool reading_ = false;
  bool paused_ = false;
  bool awaits_writable_ = false;
  bool leaving_ = false;       // disconnect() is under way and closes the socket itself
  bool said_goodbye_ = false;  // the channel is closed
  bool session_present_ = false;
  bool was_connected_ = false;
  bool opening_ = false;         // whoever called open() is told
  bool restoring_ = false;       // connects by itself
  bool must_subscribe_ = false;  // the session lacks some of subscriptions_
  bool restore_runs_ = false;    // perhaps for nobody any more
  bool ended_ = false;           // nobody wants to connect again
  boost::asio::steady_timer back_off_;
  boost::asio::cancellation_signal stop_;                  // of restore()
  std::map<std::string, SubscribeOptions> subscriptions_;  // granted
  std::string client_id_;
  std::optional<Error> closed_ = Error{Blame::environment, "not connected", 0};
  std::deque<Arrival> inbox_;
  std::unordered_map<Handle, std::shared_ptr<Answer>> answers_;
  std::vector<std::shared_ptr<Answer>> receivers_;
  std::vector<std::shared_ptr<Answer>> senders_;  // wait for the outbox to be written
  std::vector<std::shared_ptr<Answer>> waiters_;  // for a connection
  std::shared_ptr<Answer> login_;
  std::shared_ptr<Answer> goodbye_;
};

}  // namespace sealmq
