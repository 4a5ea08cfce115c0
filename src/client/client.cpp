#include "sealmq/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "base/try.h"
#include "sealmq/async_client.h"

namespace sealmq {

namespace asio = boost::asio;

/// An AsyncClient and the thread that it lives on.
class [[gnu::visibility("hidden")]] Client::Worker {
 public:
  Worker() : thread_([this] { loop_.run(); }) {}

  ~Worker() {
    asio::post(loop_, [this] { client_.reset(); });
    work_.reset();
    thread_.join();
  }

  /// `call` is called on the client's thread, and what it answers is awaited there.
  template <class Call>
  auto run(Call call)->typename decltype(call())::value_type {
    if (std::this_thread::get_id() == thread_.get_id())
      return fail(Blame::caller_misused, "a call that waits, from within a callback of the client");
    return asio::co_spawn(loop_, std::move(call), asio::use_future).get();
  }

  Result<> connect(ConnectOptions options) {
    return run([this, &options]() { return open(std::move(options)); });
  }

  AsyncClient& client() {
    return *client_;
  }

 private:
  asio::awaitable<Result<>> open(ConnectOptions options) {
    auto client = co_await AsyncClient::connect(std::move(options));
    if (!client) co_return Failure(std::move(client).error());
    client_.emplace(*std::move(client));
    co_return Result<>{};
  }

  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  std::optional<AsyncClient> client_;
  std::thread thread_;
};

Client::Client(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(ConnectOptions options) {
  auto worker = std::make_unique<Worker>();
  TRY(worker->connect(std::move(options)));
  return Client(std::move(worker));
}

Result<> Client::publish(std::string_view topic, Bytes payload, const PublishOptions& options) {
  return worker_->run([&] { return worker_->client().publish(std::string(topic), to_buffer(payload), options); });
}
Result<> Client::publish(std::string_view topic, std::string_view payload, const PublishOptions& options) {
  return publish(topic, as_bytes(payload), options);
}
Result<> Client::subscribe(std::string_view filter, const SubscribeOptions& options) {
  return worker_->run([&] { return worker_->client().subscribe(std::string(filter), options); });
}
Result<> Client::unsubscribe(std::string_view filter) {
  return worker_->run([&] { return worker_->client().unsubscribe(std::string(filter)); });
}
Result<std::optional<ReceivedMessage>> Client::receive(std::chrono::milliseconds timeout) {
  return worker_->run([&] { return worker_->client().receive(timeout); });
}
Result<ReceivedMessage> Client::receive() {
  return worker_->run([&] { return worker_->client().receive(); });
}
Client::Messages Client::messages() {
  return Messages(*this);
}
void Client::Messages::advance() {
  message_ = client_.receive();
}
Result<> Client::disconnect() {
  return worker_->run([&] { return worker_->client().disconnect(); });
}
Result<> Client::reconnect() {
  return worker_->run([&] { return worker_->client().reconnect(); });
}

bool Client::session_present() const {
  return worker_->client().session_present();
}
const std::string& Client::client_id() const {
  return worker_->client().client_id();
}

}  // namespace sealmq
