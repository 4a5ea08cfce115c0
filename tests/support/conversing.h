// A device or an application whose scheme converses with the broker (SL3): on a connection to a BrokerBench, as a client's
// session would drive it.
#pragma once

#include <gtest/gtest.h>

#include "support/parties.h"

namespace sealmq::testing {

struct Conversing : Party {
  Conversing(BrokerBench& its_broker, std::string name, Rights publish, Rights subscribe, std::string_view scheme_name,
             std::vector<PublicIdentity> peers = {}, bool enrolled = true)
      : Party(its_broker, std::move(name), std::move(publish), std::move(subscribe), scheme_name, std::move(peers), enrolled),
        broker(its_broker) {
    connect();
  }

  void connect(mqtt::Version version = mqtt::Version::v5, std::uint16_t receive_maximum = 65535) {
    const std::string client_id = "link-" + std::to_string(++connections());
    mqtt::Connect packet;
    packet.version = version;
    packet.client_id = client_id;
    if (version == mqtt::Version::v5) packet.properties.receive_maximum = receive_maximum;
    link = &broker.connect(packet);
    taken_ = 0;
    broker.subscribe(*link, scheme->inboxes().front().filter, {.qos = mqtt::QoS::at_least_once});
    scheme->connected(broker.now);
    go_on();
  }

  /// Takes what came and asks what is to be asked, until there is no more of either.
  void go_on() {
    for (bool again = true; again;) {
      again = false;
      while (auto request = scheme->next_request(broker.now).value()) {
        again = true;
        requests.push_back(*request);
        broker.publish(*link, request->topic, as_text(request->payload), mqtt::QoS::at_least_once);
        answer = link->answers.empty() ? mqtt::Reason::unspecified_error : link->answers.back().reasons[0];
        if (mqtt::is_error(answer)) scheme->request_refused(*request);
      }
      for (; taken_ < link->publishes.size(); again = true) take(link->publishes[taken_++]);
    }
  }

  /// As if the broker had sent it here.
  bool take(const GotPublish& got) {
    auto received = unprotect(*this, broker, got);
    if (!received) {
      errors.push_back(received.error().what);
      return false;
    }
    if ((*received)->what == Received::What::grant) grants.push_back((*received)->topic);
    if ((*received)->what == Received::What::message) {
      if ((*received)->repeat)
        ++repeats;
      else
        messages.push_back(**received);
    }
    return true;
  }

  mqtt::Reason subscribe(std::string_view filter) {
    EXPECT_TRUE(scheme->subscribe(filter, broker.now));
    go_on();
    return answer;
  }

  /// The frame for a message; empty if the broker gives no session for it.
  std::string frame(std::string_view topic, std::string_view text) {
    if (!scheme->may_publish(topic, broker.now)) go_on();
    if (!scheme->may_publish(topic, broker.now)) return {};
    return protect(*this, broker, topic, text);
  }
  mqtt::Reason send(std::string_view frame, mqtt::QoS qos = mqtt::QoS::at_least_once) {
    broker.publish(*link, scheme->wire_topic(), frame, qos);
    auto told = qos == mqtt::QoS::at_most_once ? mqtt::Reason::success : link->answers.back().reasons[0];
    go_on();
    return told;
  }
  mqtt::Reason publish(std::string_view topic, std::string_view text, mqtt::QoS qos = mqtt::QoS::at_least_once) {
    std::string made = frame(topic, text);
    return made.empty() ? answer : send(made, qos);
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const auto& message : messages) all.emplace_back(as_text(message.payload));
    return all;
  }
  const GotPublish& last() const { return link->publishes.back(); }

  BrokerBench& broker;
  TestClient* link = nullptr;
  mqtt::Reason answer = mqtt::Reason::success;  ///< to the last request
  std::vector<Request> requests;
  std::vector<Received> messages;
  std::vector<std::string> grants;
  std::vector<std::string> errors;
  std::size_t repeats = 0;

 private:
  /// Names that say nothing.
  static int& connections() {
    static int count = 0;
    return count;
  }
  std::size_t taken_ = 0;
};

/// Whether a scheme has its own conversation with the broker.
inline bool converses(const Scheme& scheme) {
  BrokerBench broker;
  Party party(broker, "somebody", {"#"}, {"#"}, scheme.info->name);
  return !scheme.info->between_partners && !party.scheme->inboxes().empty();
}

inline void go_on(std::initializer_list<Conversing*> parties) {
  for (auto* party : parties) party->go_on();
}

}  // namespace sealmq::testing
