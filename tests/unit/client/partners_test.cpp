// Clients whose scheme is between partners: each a ClientSession, and between them as little of a broker as will do.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "client/session.h"
#include "mqtt/topic.h"
#include "support/fakes.h"

namespace sealmq {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using mqtt::Version;

struct Station {
  Station(std::string its_name, Version version, Random& random)
      : name(std::move(its_name)), keys(make_memory_keys(name, Kind::device, random)) {
    options.version = version;
    options.client_id = name;
  }
  /// A new process of the same identity.
  void start(const std::vector<PublicIdentity>& peers, Random& random, Now now) {
    scheme = find_scheme("pmqtt")->client_side({keys.get(), std::nullopt, peers, random}).value();
    session = std::make_unique<ClientSession>(options, scheme.get());
    filters.clear();
    unread.clear();
    EXPECT_TRUE(session->start(now));
  }
  std::vector<Published> published() {
    std::vector<Published> all;
    for (const auto& event : events)
      if (const auto* its = std::get_if<Published>(&event)) all.push_back(*its);
    return all;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const auto& event : events)
      if (const auto* its = std::get_if<Arrival>(&event)) all.emplace_back(as_text(its->message.payload));
    return all;
  }
  template <class Event>
  std::size_t count() const {
    std::size_t number = 0;
    for (const auto& event : events) number += std::holds_alternative<Event>(event) ? 1U : 0U;
    return number;
  }

  std::string name;
  std::unique_ptr<KeyStore> keys;
  ConnectOptions options;
  std::unique_ptr<ClientScheme> scheme;
  std::unique_ptr<ClientSession> session;
  std::vector<std::string> filters;
  Buffer unread;
  std::vector<ClientEvent> events;
  std::uint16_t last_id = 0;
  bool takes = true;
};

class Partners : public ::testing::TestWithParam<Version> {
 protected:
  Partners() {
    patient_.start({doctor_.keys->identity()}, random_, now_);
    doctor_.start({patient_.keys->identity()}, random_, now_);
    stations_ = {&patient_, &doctor_};
    go_on();
  }

  void send(Station& to, const mqtt::Packet& packet) {
    Buffer bytes;
    mqtt::encode(packet, to.options.version, bytes);
    to.session->receive(bytes, now_);
  }

  /// Lets the broker work until nobody has anything to say.
  void go_on() {
    for (bool again = true; again;) {
      again = false;
      for (Station* station : stations_) {
        if (!station->session) continue;
        again = read(*station) || again;
        for (auto& event : station->session->take_events()) {
          if (const auto* arrival = std::get_if<Arrival>(&event); arrival != nullptr && station->takes)
            station->session->take(arrival->receipt);
          station->events.push_back(std::move(event));
        }
      }
    }
  }
  bool read(Station& station) {
    auto& outbox = station.session->outbox();
    while (!outbox.empty()) {
      std::array<iovec, 4> parts{};
      std::size_t size = 0;
      for (std::size_t i = 0, count = outbox.gather(parts); i < count; ++i) {
        append(station.unread, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      outbox.consume(size);
    }
    const Buffer all = std::exchange(station.unread, {});
    std::size_t at = 0;
    while (at < all.size()) {
      const auto header = mqtt::decode_header(Bytes(all).subspan(at), station.options.version).value();
      const auto packet =
          mqtt::decode(*header, Bytes(all).subspan(at + header->size, header->remaining), station.options.version);
      answer(station, packet.value());
      at += header->size + header->remaining;
    }
    return at > 0;
  }
  void answer(Station& from, const mqtt::Packet& packet) {
    if (std::holds_alternative<mqtt::Connect>(packet)) send(from, mqtt::Connack{});
    if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet)) {
      from.filters.emplace_back(subscribe->entries[0].filter);
      mqtt::Suback suback;
      suback.packet_id = subscribe->packet_id;
      suback.reasons = {Reason::granted_qos_1};
      send(from, suback);
    }
    if (const auto* pubrec = std::get_if<mqtt::Pubrec>(&packet))
      send(from, mqtt::Pubrel{.packet_id = pubrec->packet_id, .reason = Reason::success, .properties = {}});
    if (const auto* pubrel = std::get_if<mqtt::Pubrel>(&packet))
      send(from, mqtt::Pubcomp{.packet_id = pubrel->packet_id, .reason = Reason::success, .properties = {}});
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      if (publish->qos == QoS::at_least_once)
        send(from, mqtt::Puback{.packet_id = publish->packet_id, .reason = Reason::success, .properties = {}});
      if (publish->qos == QoS::exactly_once)
        send(from, mqtt::Pubrec{.packet_id = publish->packet_id, .reason = Reason::success, .properties = {}});
      if (publish->topic.starts_with("pmqtt/e2e")) payloads_.emplace_back(as_text(publish->payload));
      pass_on(*publish);
    }
  }
  void pass_on(mqtt::Publish publish) {
    if (loses_ && publish.topic.find(loses_) != publish.topic.npos) return;
    publish.dup = false;
    for (Station* station : stations_)
      for (const auto& filter : station->filters)
        if (station->session && mqtt::matches(filter, publish.topic)) {
          publish.packet_id = publish.qos == QoS::at_most_once ? std::uint16_t{0} : ++station->last_id;
          send(*station, publish);
        }
  }

  Handle publish(std::string_view text, QoS qos = QoS::at_least_once) {
    const auto handle = patient_.session->publish("vitals", as_bytes(text), {.qos = qos}, now_);
    EXPECT_TRUE(handle) << handle.error().what;
    go_on();
    return handle.value_or(0);
  }
  void listen() {
    EXPECT_TRUE(doctor_.session->subscribe("vitals", {}, now_));
    go_on();
  }
  void advance(std::uint64_t milliseconds) {
    now_.steady += milliseconds;
    now_.wall += milliseconds;
    for (Station* station : stations_)
      if (station->session) station->session->tick(now_);
    go_on();
  }

  testing::CountingRandom random_;
  Now now_{1'000'000, 1'800'000'000'000};
  Station patient_{"patient1", GetParam(), random_};
  Station doctor_{"dr.house", GetParam(), random_};
  std::vector<Station*> stations_;
  const char* loses_ = nullptr;  ///< messages on topics with this in them
  std::vector<std::string> payloads_;
};
INSTANTIATE_TEST_SUITE_P(Versions, Partners, ::testing::Values(Version::v3_1_1, Version::v5),
                         [](const auto& version) { return version.param == Version::v5 ? "Mqtt5" : "Mqtt311"; });

TEST_P(Partners, ASubscriptionIsGrantedWithTheTopicsOfTheScheme) {
  listen();
  EXPECT_EQ(doctor_.count<Subscribed>(), 1U);
  EXPECT_EQ(doctor_.filters, (std::vector<std::string>{"pmqtt/kx/patient1/dr.house", "pmqtt/e2e/patient1/dr.house/#"}));
}

TEST_P(Partners, PublishingEndsWhenTheApplicationAtTheOtherEndHasTheMessage) {
  listen();
  for (QoS qos : {QoS::at_least_once, QoS::exactly_once}) {
    doctor_.takes = false;
    doctor_.events.clear();
    patient_.events.clear();
    const Handle handle = publish("72", qos);
    EXPECT_EQ(doctor_.texts(), std::vector<std::string>{"72"});
    EXPECT_TRUE(patient_.published().empty()) << "the broker has it, and that is not enough";
    doctor_.session->take(std::get<Arrival>(doctor_.events.front()).receipt);
    go_on();
    ASSERT_EQ(patient_.published().size(), 1U);
    EXPECT_EQ(patient_.published()[0].handle, handle);
    EXPECT_EQ(patient_.published()[0].reason, Reason::success);
  }
}

TEST_P(Partners, AQos0MessageWaitsForASessionOnly) {
  publish("72", QoS::at_most_once);
  EXPECT_TRUE(patient_.published().empty());
  listen();
  EXPECT_EQ(patient_.published().size(), 1U);
  EXPECT_EQ(doctor_.texts(), std::vector<std::string>{"72"});
}

TEST_P(Partners, WhatIsNotConfirmedIsSentAgainByteForByteAndShownOnce) {
  listen();
  publish("71");
  loses_ = "/dr.house/patient1";  // receipts
  publish("72");
  EXPECT_EQ(patient_.published().size(), 1U);
  const std::string first = payloads_.at(payloads_.size() - 2);  // the last is the receipt
  loses_ = nullptr;
  advance(5'000);
  EXPECT_NE(std::find(payloads_.end() - 2, payloads_.end(), first), payloads_.end());
  EXPECT_EQ(patient_.published().size(), 2U);
  EXPECT_EQ(doctor_.texts(), (std::vector<std::string>{"71", "72"}));
}

TEST_P(Partners, WhatADeadEndMissedItsSuccessorGetsInOrder) {
  listen();
  publish("1");
  doctor_.session.reset();
  doctor_.filters.clear();
  publish("2");
  publish("3");
  advance(11'000);
  EXPECT_EQ(patient_.published().size(), 1U);
  doctor_.events.clear();
  doctor_.start({patient_.keys->identity()}, random_, now_);
  go_on();
  listen();
  EXPECT_EQ(doctor_.texts(), (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(patient_.published().size(), 3U);
}

TEST_P(Partners, WhoGivesUpIsToldWhoDidNotAnswerAndTheMessageStays) {
  const Handle handle = publish("72");
  EXPECT_EQ(patient_.session->give_up(handle), "dr.house did not answer in time, and the message was not sent");
  listen();
  EXPECT_TRUE(doctor_.texts().empty());
  doctor_.takes = false;
  const Handle other = publish("73");
  EXPECT_EQ(patient_.session->give_up(other), "the broker has the message, and dr.house has not confirmed it in time");
}

TEST_P(Partners, OneMessageToSeveralIsAnsweredOnceAndAnAbsentOneHoldsUpNoOther) {
  Station nurse("nurse", GetParam(), random_);
  nurse.start({patient_.keys->identity()}, random_, now_);
  patient_.start({nurse.keys->identity(), doctor_.keys->identity()}, random_, now_);
  stations_.push_back(&nurse);
  go_on();
  listen();
  publish("1");
  publish("2");
  EXPECT_EQ(doctor_.texts(), (std::vector<std::string>{"1", "2"}));
  EXPECT_TRUE(patient_.published().empty());
  EXPECT_TRUE(nurse.session->subscribe("#", {}, now_));
  go_on();
  EXPECT_EQ(nurse.texts(), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(patient_.published().size(), 2U);
  stations_.pop_back();
}

TEST_P(Partners, NothingIsRetainedAndThereAreNoWills) {
  EXPECT_FALSE(patient_.session->publish("vitals", as_bytes("72"), {.retain = true}, now_));
  patient_.options.will = WillMessage{.topic = "vitals", .payload = {}};
  EXPECT_FALSE(patient_.session->start(now_));
}

TEST_P(Partners, AMessageThatNobodyThereAskedForIsToldToItsAuthor) {
  listen();
  EXPECT_TRUE(patient_.session->publish("dose", as_bytes("5 ml"), {.qos = QoS::at_least_once}, now_));
  go_on();
  ASSERT_EQ(patient_.published().size(), 1U);
  EXPECT_EQ(patient_.published()[0].reason, Reason::no_matching_subscribers);
  EXPECT_TRUE(doctor_.texts().empty());
}

}  // namespace
}  // namespace sealmq
