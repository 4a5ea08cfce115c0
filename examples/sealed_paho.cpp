// Eclipse Paho's C++ client, with payloads that no broker reads. What is added to it stands between the lines.
//
//   sealed_paho URL NAME.key TOPIC-KEYS TOPIC        publishes three sealed messages and prints them when they come back
#include <mqtt/async_client.h>

#include <iostream>

#include "sealmq/sealer.h"

int main(int count, char** arguments) try {
  if (count != 5) throw std::runtime_error("usage: sealed_paho URL NAME.key TOPIC-KEYS TOPIC");
  const std::string url = arguments[1];
  const std::string topic = arguments[4];

  // ---------------------------------------------------------------------------------------------------- opened once
  auto sealer = sealmq::Sealer::open({.scheme = "payload", .key_file = arguments[2], .topic_keys = arguments[3]});
  if (!sealer) throw std::runtime_error(sealer.error().what);
  // ----------------------------------------------------------------------------------------------------

  mqtt::async_client client(url, "");
  client.start_consuming();
  client.connect()->wait();
  client.subscribe(topic, 1)->wait();
  for (const char* text : {"21.5", "21.6", "21.7"}) {
    // -------------------------------------------------------------------------------------------------- before each publish
    const auto sealed = sealer->seal(topic, text);
    if (!sealed) throw std::runtime_error(sealed.error().what);
    // --------------------------------------------------------------------------------------------------
    client.publish(topic, sealed->data(), sealed->size(), 1, false)->wait();
    const auto message = client.consume_message();
    // -------------------------------------------------------------------------------------------------- after each arrival
    const auto opened = sealer->unseal(message->get_topic(), message->get_payload(), message->is_retained());
    // --------------------------------------------------------------------------------------------------
    if (opened)
      std::cout << opened->author << ": " << opened->payload << std::endl;
    else
      std::cerr << "refused: " << opened.error().what << std::endl;
  }
  client.disconnect()->wait();
  return 0;
} catch (const std::exception& trouble) {
  std::cerr << trouble.what() << '\n';
  return 1;
}
