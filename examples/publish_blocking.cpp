// publish_blocking TOPIC TEXT: publishes one message and returns when the broker has taken responsibility for it.
// With KEY and BROKER_KEY in the environment it is signed (scheme sl1).
#include <cstdlib>
#include <iostream>

#include "sealmq/client.h"

int main(int argc, char** argv) {
  if (argc != 3) return 1;
  sealmq::ConnectOptions options;
  options.url = std::getenv("BROKER") ? std::getenv("BROKER") : "mqtt://localhost:1883";
  if (const char* key = std::getenv("KEY")) {
    options.scheme = "sl1";
    options.key_file = key;
    options.broker_key_file = std::getenv("BROKER_KEY") ? std::getenv("BROKER_KEY") : "broker.pub";
  }

  auto client = sealmq::Client::connect(std::move(options));
  if (!client) {
    std::cerr << client.error().what << '\n';
    return 1;
  }
  auto published = client->publish(argv[1], argv[2], {.qos = sealmq::mqtt::QoS::at_least_once});
  if (!published) {
    std::cerr << published.error().what << '\n';
    return 1;
  }
  if (auto left = client->disconnect(); !left) std::cerr << left.error().what << '\n';
}
