// keeping_publisher URL STORE FIRST [KEY BROKER-KEY]: publishes FIRST, FIRST+1, … by turns with QoS 1 and 2 to kept/1 and kept/2,
// out of a store, and prints each number when publish() has taken it. FIRST `rest`: publishes nothing new, and brings what is
// left. It ends when it is killed. With keys: by sl1.
#include <cstdlib>
#include <iostream>
#include <thread>

#include "sealmq/client.h"

int main(int count, char** arguments) {
  if (count != 4 && count != 6) return 1;
  sealmq::ConnectOptions options;
  options.url = arguments[1];
  options.store = arguments[2];
  options.client_id = "keeper";
  options.clean_start = false;
  options.session_expiry = std::chrono::hours(1);
  options.reconnect = true;
  options.reconnect_delay = std::chrono::milliseconds(50);
  options.longest_reconnect_delay = std::chrono::milliseconds(200);
  options.on_undelivered = [](const sealmq::UndeliveredMessage& message) {
    std::cerr << "undelivered: " << sealmq::as_text(message.payload) << ' ' << message.why.what << std::endl;
  };
  if (count == 6) {
    options.scheme = "sl1";
    options.key_file = arguments[4];
    options.broker_key_file = arguments[5];
  }
  auto client = sealmq::Client::connect(std::move(options));
  if (!client) {
    std::cerr << client.error().what << std::endl;
    return 2;
  }
  while (std::string(arguments[3]) == "rest") std::this_thread::sleep_for(std::chrono::hours(1));
  for (long number = std::atol(arguments[3]);; ++number) {
    const bool once = number % 2 == 0;
    const auto qos = once ? sealmq::mqtt::QoS::exactly_once : sealmq::mqtt::QoS::at_least_once;
    const auto taken = client->publish(once ? "kept/2" : "kept/1", std::to_string(number), {.qos = qos});
    if (!taken) {
      std::cerr << taken.error().what << std::endl;
      return 3;
    }
    std::cout << number << std::endl;
  }
}
