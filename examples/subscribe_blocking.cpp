// subscribe_blocking FILTER: prints ten messages. It waits for them as long as it takes, also for a broker that went away.
#include <cstdlib>
#include <iostream>

#include "sealmq/client.h"

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  sealmq::ConnectOptions options;
  options.url = std::getenv("BROKER") ? std::getenv("BROKER") : "mqtt://localhost:1883";
  options.reconnect = true;
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
  int left = 10;
  for (auto& message : client->messages()) {
    std::cout << message.topic << ' ' << sealmq::as_text(message.payload) << std::endl;
    if (--left == 0) break;
  }
  if (auto gone = client->disconnect(); !gone) std::cerr << gone.error().what << '\n';
}
