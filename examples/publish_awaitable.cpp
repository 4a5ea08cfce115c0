// publish_awaitable TOPIC: publishes a counter once a second, five times, with Boost.Asio coroutines.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <iostream>

#include "sealmq/async_client.h"

namespace asio = boost::asio;

asio::awaitable<sealmq::Result<>> publish_counter(std::string topic) {
  const char* broker = std::getenv("BROKER");
  sealmq::ConnectOptions options;
  options.url = broker ? broker : "mqtt://localhost:1883";
  auto client = co_await sealmq::AsyncClient::connect(std::move(options));
  if (!client) co_return sealmq::Failure(client.error());

  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 1; i <= 5; ++i) {
    auto published = co_await client->publish(topic, std::to_string(i), sealmq::mqtt::QoS::at_least_once);
    if (!published) co_return published;
    timer.expires_after(std::chrono::seconds(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return co_await client->disconnect();
}

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  asio::io_context loop;
  asio::co_spawn(loop, publish_counter(argv[1]), [](std::exception_ptr, sealmq::Result<> result) {
    if (!result) std::cerr << result.error().what << '\n';
  });
  loop.run();
}
