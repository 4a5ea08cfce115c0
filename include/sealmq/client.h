// Client: an MQTT client whose calls block.
//
//   auto client = sealmq::Client::connect({.url = "mqtt://localhost", .reconnect = true});
//   if (!client) return client.error().what;
//   auto sent = client->publish("plant/boiler-7/pressure", "4.2", {.qos = sealmq::mqtt::QoS::at_least_once});
//   if (!sent) return sent.error().what;
//   auto granted = client->subscribe("plant/boiler-7/#", {.qos = sealmq::mqtt::QoS::at_least_once});
//   if (!granted) return granted.error().what;
//   for (auto& message : client->messages()) std::cout << sealmq::as_text(message.payload) << std::endl;
//
// The same code as AsyncClient, on a thread of its own, which keeps the connection alive between calls. Any thread may call,
// several at once. Errors are those of async_client.h.
#pragma once

#include <iterator>

#include "sealmq/client_types.h"

#pragma GCC visibility push(default)
namespace sealmq {

class Client {
 public:
  /// Opens the keys and the scheme, connects, and logs in.
  static Result<Client> connect(ConnectOptions options);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  /// Without disconnect() before, the broker sees a lost connection and publishes the will.
  ~Client();

  /// QoS 0: returns when the bytes went to the system. QoS 1 and 2: when the broker has taken responsibility.
  Result<> publish(std::string_view topic, Bytes payload, const PublishOptions& options = {});
  Result<> publish(std::string_view topic, std::string_view payload, const PublishOptions& options = {});

  /// Returns when the broker has granted it.
  Result<> subscribe(std::string_view filter, const SubscribeOptions& options = {});
  Result<> unsubscribe(std::string_view filter);

  /// The next message, which the broker then counts as received; nothing when `timeout` ran out. An error when the connection is
  /// over and every message has been handed out.
  Result<std::optional<ReceivedMessage>> receive(std::chrono::milliseconds timeout);
  /// Waits as long as it takes.
  Result<ReceivedMessage> receive();

  /// One message after the other, as receive() answers them: `for (auto& message : client.messages()) …`. It ends when receive()
  /// answers an error. The client outlives it.
  class Messages;
  Messages messages();

  /// Says goodbye, so that no will is published, once everything before has been sent.
  Result<> disconnect();

  /// Connects again and goes on with the same session; see AsyncClient::reconnect().
  Result<> reconnect();

  /// Of the last connect; not while another thread reconnects.
  bool session_present() const;
  const std::string& client_id() const;

 private:
  class Worker;
  explicit Client(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

class Client::Messages {
 public:
  class Iterator {
   public:
    using value_type = ReceivedMessage;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Messages* messages) : messages_(messages) {}
    ReceivedMessage& operator*() const { return *messages_->message_; }
    Iterator& operator++() { return messages_->advance(), *this; }
    void operator++(int) { messages_->advance(); }
    bool operator==(std::default_sentinel_t) const { return !messages_->message_; }

   private:
    Messages* messages_;
  };

  /// Waits for the first message.
  Iterator begin() { return advance(), Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend Client;
  explicit Messages(Client& client) : client_(client) {}
  void advance();

  Client& client_;
  Result<ReceivedMessage> message_ = fail(Blame::environment, "none yet");
};

}  // namespace sealmq
#pragma GCC visibility pop
