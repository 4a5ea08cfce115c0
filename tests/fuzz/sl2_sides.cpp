// Both sides of SL2: a broker in memory is sent any bytes on its topics, a subscriber gets any bytes in its inbox. Nothing is
// accepted that nobody sealed, and the paper form answers everything alike.
#include <cstdlib>

#include "support/parties.h"

using namespace sealmq;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  for (std::string_view scheme : {"sl2", "sl2@paper"}) {
    testing::BrokerBench broker;
    broker.allow({scheme}, {scheme});
    testing::Party reader(broker, "nobody", {}, {}, scheme, {}, false);
    auto& inbox = broker.connect("reader");
    broker.subscribe(inbox, "$sl/inbox");
    if (!reader.scheme->subscribe("plant/7", broker.now)) std::abort();
    const auto request = reader.scheme->next_request(broker.now).value().value();
    broker.publish(inbox, request.topic, as_text(request.payload), mqtt::QoS::at_least_once);
    const auto arrived = inbox.publishes.size();
    auto& link = broker.connect("somebody");
    for (std::string_view topic : {"$sl/pub", "$sl/sub"}) {
      broker.publish(link, topic, as_text(input), mqtt::QoS::at_least_once);
      const bool is_silent = scheme == "sl2@paper" && as_text(input).starts_with(topic == "$sl/pub" ? "SL2_2" : "SL2_1");
      const bool refused = !link.answers.empty() && mqtt::is_error(link.answers.back().reasons[0]);
      if (refused == is_silent) std::abort();
    }
    if (broker.counters().published != 0 || inbox.publishes.size() != arrived) std::abort();
    if (reader.scheme->unprotect({"$sl/inbox", input, false, false}, broker.now)) std::abort();
  }
  return 0;
}
