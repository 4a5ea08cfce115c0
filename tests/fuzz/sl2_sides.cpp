// Both sides of SL2: a broker in memory is sent any bytes on its topics, a subscriber gets any bytes in its inbox. Nothing is
// accepted that nobody sealed, and the paper form answers everything alike.
#include <cstdlib>

#include "keystore/rabin_key.h"
#include "support/parties.h"

using namespace sealmq;

namespace {

/// A broker with one subscriber. Its roots are short, or few inputs a second could be tried.
struct Stage {
  explicit Stage(std::string_view scheme) : name(scheme), reader(broker, "nobody", {}, {}, scheme, {}, false) {
    static const auto small = std::make_shared<const crypto::rabin::PrivateKey>(crypto::rabin::PrivateKey::generate(1024));
    broker.allow({scheme}, {scheme});
    broker.subscribe(inbox, "$sl/inbox");
    if (!reader.scheme->subscribe("plant/7", broker.now)) std::abort();
    const auto request = reader.scheme->next_request(broker.now).value().value();
    broker.publish(inbox, request.topic, as_text(request.payload), mqtt::QoS::at_least_once);
    arrived = inbox.publishes.size();
    broker.rabin = std::make_shared<const RabinKeys>(RabinKeys{{small, broker.rabin->current.until}, std::nullopt});
  }

  void take(Bytes input) {
    auto& link = broker.connect("somebody");
    for (std::string_view topic : {"$sl/pub", "$sl/sub"}) {
      broker.publish(link, topic, as_text(input), mqtt::QoS::at_least_once);
      const bool is_silent = name == "sl2@paper" && as_text(input).starts_with(topic == "$sl/pub" ? "SL2_2" : "SL2_1");
      const bool refused = !link.answers.empty() && mqtt::is_error(link.answers.back().reasons[0]);
      if (refused == is_silent) std::abort();
    }
    broker.cut(link);
    if (broker.counters().published != 0 || inbox.publishes.size() != arrived) std::abort();
    if (reader.scheme->unprotect({"$sl/inbox", input, false, false}, broker.now)) std::abort();
  }

  std::string name;
  testing::BrokerBench broker;
  testing::Party reader;
  testing::TestClient& inbox = broker.connect("reader");
  std::size_t arrived = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<Stage> hardened, paper;
  static int taken = 0;
  if (taken++ % 1000 == 0) {  // a bench remembers every connection
    hardened = std::make_unique<Stage>("sl2");
    paper = std::make_unique<Stage>("sl2@paper");
  }
  hardened->take({data, size});
  paper->take({data, size});
  return 0;
}
