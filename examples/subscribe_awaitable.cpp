// subscribe_awaitable FILTER: prints messages until somebody stops it, with Boost.Asio coroutines.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <iostream>

#include "sealmq/async_client.h"

namespace asio = boost::asio;

asio::awaitable<sealmq::Result<>> print_messages(std::string filter) {
  const char* broker = std::getenv("BROKER");
  sealmq::ConnectOptions options;
  options.url = broker ? broker : "mqtt://localhost:1883";
  options.reconnect = true;
  auto client = co_await sealmq::AsyncClient::connect(std::move(options));
  if (!client) co_return sealmq::Failure(client.error());

  auto granted = co_await client->subscribe(filter);
  if (!granted) co_return granted;
  while (true) {
    auto message = co_await client->receive();
    if (!message) co_return sealmq::Failure(message.error());
    std::cout << message->topic << ' ' << sealmq::as_text(message->payload) << std::endl;
  }
}

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  asio::io_context loop;
  asio::co_spawn(loop, print_messages(argv[1]), [](std::exception_ptr, sealmq::Result<> result) {
    if (!result) std::cerr << result.error().what << '\n';
  });
  loop.run();
}
