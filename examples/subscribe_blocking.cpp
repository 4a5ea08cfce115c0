// subscribe_blocking FILTER: prints ten messages, or what came within a minute.
#include <cstdlib>
#include <iostream>

#include "sealmq/client.h"

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  sealmq::ConnectOptions options;
  options.url = std::getenv("BROKER") ? std::getenv("BROKER") : "mqtt://localhost:1883";
  options.on_refused = [](const sealmq::RefusedMessage& refused) { std::cerr << refused.topic << ": " << refused.why << '\n'; };

  auto client = sealmq::Client::connect(std::move(options));
  if (!client) {
    std::cerr << client.error().what << '\n';
    return 1;
  }
  if (auto granted = client->subscribe(argv[1], {.qos = sealmq::mqtt::QoS::at_least_once}); !granted) {
    std::cerr << granted.error().what << '\n';
    return 1;
  }
  for (int i = 0; i < 10; ++i) {
    auto message = client->receive(std::chrono::minutes(1));
    if (!message || !*message) break;  // the connection ended, or the time
    std::cout << (*message)->topic << ' ' << sealmq::as_text((*message)->payload) << std::endl;
  }
  client->disconnect();
}
