// Eclipse Paho's C++ client over one transport: `paho_cpp URL CA_FILE`. Ends with 1 and says why at the first thing that is
// wrong.
#include <mqtt/async_client.h>

#include <iostream>

int main(int, char** arguments) try {
  const std::string url = arguments[1];
  mqtt::async_client client(url, "paho-cpp", mqtt::create_options(MQTTVERSION_5));
  client.start_consuming();
  mqtt::connect_options options;
  options.set_mqtt_version(MQTTVERSION_5);
  options.set_clean_start(true);
  if (url.rfind("ssl:", 0) == 0) {
    mqtt::ssl_options tls;
    tls.set_trust_store(arguments[2]);
    tls.set_verify(true);
    options.set_ssl(tls);
  }
  client.connect(options)->wait();
  client.subscribe("paho-cpp", 2)->wait();
  for (std::size_t size : {0, 1, 100, 300'000}) {
    client.publish("paho-cpp", std::string(size, 'x'), 2, false)->wait();
    const auto message = client.consume_message();
    if (message->get_payload().size() != size) {
      std::cerr << "a message of " << size << " bytes came with " << message->get_payload().size() << "\n";
      return 1;
    }
  }
  client.disconnect()->wait();
  std::cout << "done\n";
  return 0;
} catch (const std::exception& trouble) {
  std::cerr << trouble.what() << "\n";
  return 1;
}
