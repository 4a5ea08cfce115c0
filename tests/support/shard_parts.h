// The parts of a shard that deliver, joined for tests of one of them, with clients that are there. Where a part asks something of
// whoever has the connections, a World answers that writes down what it was asked.
#pragma once

#include <gtest/gtest.h>

#include "broker/connections/link.h"
#include "broker/routing/router.h"
#include "broker/routing/subscription_grants.h"
#include "support/broker_parts.h"
#include "support/fakes.h"

namespace sealmq::testing {

/// A guard whose relay has nothing to say, or fails.
class FakeRelay final : public FakeGuard, public KeyRelay {
 public:
  KeyRelay* relay() override { return this; }
  std::string_view farewell() const override { return "bye"; }
  Result<std::optional<Property>> receipt(std::uint16_t) override { return answer("receipt"); }
  Result<bool> released(std::uint16_t, Properties, bool) override { return true; }
  Result<> receipted(std::uint16_t, Properties) override { return {}; }
  Result<std::optional<Property>> release(std::uint16_t) override { return answer("release"); }
  void completed(std::uint16_t) override {}

  bool fails = false;

 private:
  Result<std::optional<Property>> answer(const char* name) const {
    if (fails) return fail(Blame::peer_misbehaved, "it has other keys");
    return Property{name, "key"};
  }
};

class ShardParts : public ::testing::Test {
 protected:
  struct World final : broker::Durability::AckSender,
                       broker::FlowControl::Connections,
                       broker::KeyedSubscriptions::Outlet,
                       broker::SessionDelivery::Connections,
                       broker::SessionTable::Connections,
                       broker::SessionTable::Deliveries,
                       broker::SubscriptionGrants::Retaining {
    void send_deferred(broker::DeferredAck& ack, Now) override { deferred.push_back(ack); }
    broker::ConnectionFlow* flow_of(broker::ConnectionId) override { return nullptr; }
    void resume(broker::ConnectionId, Now) override {}
    bool may_still_get(const broker::Session&, const broker::Delivery&, Now) const override { return true; }
    void send_frame(broker::ConnectionId, std::string_view, Bytes) override {}
    void part(broker::Link& link, const Error& error) override {
      happened.push_back("part: " + std::string(error.what));
      link.ended = true;
    }
    void end_connection(broker::Session& session, mqtt::Reason, broker::Ending, bool with_will, Now now) override {
      session.link->ended = true;
      session.link = nullptr;
      happened.push_back("taken over");
      sessions->leave(session, with_will, now);
    }
    std::size_t forget_identity(broker::Session&, std::string_view, std::uint64_t&) override { return 0; }
    void publish_will(const std::shared_ptr<const broker::Message>&, Now) override { happened.push_back("Will"); }
    void is_unsubscribed(broker::Session&, broker::Subscription&) override {}
    void has_ended(broker::Session&) override {}
    void is_away(const broker::Session&) override {}
    void give_to_others(const std::vector<broker::Delivery>&, broker::Number, Now) override {}
    void forget_retained(broker::Subscription&) override {}

    broker::SessionTable* sessions = nullptr;
    std::vector<broker::DeferredAck> deferred;
    std::vector<std::string> happened;
  };
  /// A client that is there: it has had its CONNACK.
  struct Client {
    Client(std::uint32_t slot, const ShardParts& parts, broker::Effects& effects, mqtt::Connect connect)
        : link({slot, 1}, broker::Peer{.address = "there:1", .place = "there"}, parts.settings, nullptr, effects, parts.now) {
      Buffer bytes;
      mqtt::encode(connect, connect.version, bytes);
      if (!link.connection.receive(bytes, events, parts.now)) std::abort();
      link.connection.send(mqtt::Connack{});
      take_written(link.connection);
    }
    std::vector<WrittenPublish> take() { return take_publishes_of(link.connection); }

    QuietEvents events;
    broker::Link link;
    broker::Session* session = nullptr;
  };

  static constexpr std::uint8_t fake = 0, plain = 1;  // schemes
  static std::vector<std::unique_ptr<BrokerScheme>> two_schemes() {
    std::vector<std::unique_ptr<BrokerScheme>> made;
    made.push_back(std::make_unique<FakeScheme>("fake"));
    made.push_back(std::make_unique<FakePlain>());
    return made;
  }
  /// Everything under plant/ by both schemes, under signed/ by the first one alone; and nobody gets what is under vault/.
  static std::shared_ptr<const broker::Policy> policy(bool is_open = true) {
    broker::TopicRule both{.filter = "plant/#", .publish = {}, .subscribe = {}},
        one{.filter = "signed/#", .publish = {}, .subscribe = {}}, none{.filter = "vault/#", .publish = {}, .subscribe = {}};
    for (const std::uint8_t scheme : {fake, plain}) {
      both.publish.add(scheme);
      none.publish.add(scheme);
      if (is_open) both.subscribe.add(scheme);
    }
    one.publish.add(fake);
    one.subscribe.add(fake);
    return std::make_shared<const broker::Policy>(
        broker::Policy::make({std::move(both), std::move(one), std::move(none)}).value());
  }
  static std::shared_ptr<const Directory> list(bool has_boiler = true) {
    std::vector<Identity> all(has_boiler ? 2 : 1);
    all[0].name = "sensor";
    if (has_boiler) all[1].name = "boiler";
    for (Identity& identity : all) {
      identity.status = Status::active;
      identity.publish.push_back({"plant/#"});
      identity.subscribe.push_back({"plant/#"});
    }
    return std::make_shared<const Directory>(std::move(all));
  }

  ShardParts() { world.sessions = &sessions; }
  /// Of the shard 0 of so many.
  broker::Router::Neighbours around_router(std::size_t shards = 1) {
    return {0,          shards, settings, schemes,    access, entitlement, tree,  groups,  retained, sessions,
            deliveries, keyed,  encoder,  durability, flow,   counters,    steps, nullptr, nullptr};
  }
  FakeScheme& fake_scheme() { return static_cast<FakeScheme&>(*schemes[fake]); }

  /// With a session that outlives its connection.
  Client& connect(std::string_view id, mqtt::Connect connect = {.version = mqtt::Version::v5}) {
    connect.client_id = id;
    clients.push_back(std::make_unique<Client>(static_cast<std::uint32_t>(clients.size()), *this, effects, connect));
    Client& client = *clients.back();
    client.session = sessions.take(id, "", false, "there", now).first;
    client.session->expiry_interval = 100;
    come_back(client);
    return client;
  }
  static void leave(Client& client) { client.session->link = nullptr; }
  static void come_back(Client& client) {
    client.link.session = client.session;
    client.session->link = &client.link;
    for (auto& entry : client.session->outgoing) entry.sent = false;
    client.session->in_flight = 0;
  }
  broker::Subscription& subscribe(Client& client, const std::string& filter, mqtt::QoS qos = mqtt::QoS::at_least_once) {
    auto made = std::make_unique<broker::Subscription>();
    broker::Subscription& placed = *made;
    placed.session = client.session;
    placed.filter = filter;
    placed.options.qos = qos;
    placed.scheme = plain;
    client.session->subscriptions.emplace(filter, std::move(made));
    if (mqtt::SharedFilter::is_shared(filter)) {
      placed.share = std::make_shared<const std::string>(filter);
      groups.apply({broker::MemberEvent::What::present, filter, 0, client.session->number, nullptr, plain});
    } else {
      tree.add(placed);
    }
    return placed;
  }
  static broker::MessageView view(std::string_view topic, std::string_view payload, mqtt::QoS qos = mqtt::QoS::at_most_once,
                                  bool retain = false) {
    broker::MessageView made;
    made.topic = topic;
    made.payload = made.wire = as_bytes(payload);
    made.qos = qos;
    made.retain = retain;
    made.scheme = plain;
    return made;
  }
  static std::shared_ptr<const broker::Message> message(const broker::MessageView& view) {
    return std::make_shared<const broker::Message>(view);
  }
  /// All that has been written to the client, as "PAYLOAD PAYLOAD".
  static std::string payloads(Client& client) {
    std::string all;
    for (const WrittenPublish& written : client.take()) all += (all.empty() ? "" : " ") + written.payload;
    return all;
  }
  std::uint64_t dropped(broker::Drop why) const { return counters.dropped[static_cast<std::size_t>(why)]; }
  /// As Shard's owner and its store do.
  void store_all() {
    if (const auto batch = durability.take_changes(now)) durability.stored(batch->number, now);
  }

  Now now{1'000'000, 1'800'000'000'000};
  broker::Settings settings;
  std::vector<std::unique_ptr<BrokerScheme>> schemes = two_schemes();
  broker::Access access{schemes, policy(), list()};
  SimpleReplayMemory replays;
  RecordingJournal journal;
  World world;
  broker::FilterKinds kinds;
  broker::MemoryLimits memory{settings, nullptr, 1};
  broker::TopicTree tree;
  broker::SharedGroups groups{tree};
  broker::Retained retained{200};
  broker::Effects effects;
  broker::Counters counters;
  broker::StepCounter steps;
  broker::FlowControl flow{settings, memory, effects, world};
  broker::Durability durability{settings, 0, 1, replays, nullptr, world};
  broker::SessionTable sessions{{memory, durability, steps, counters, world, world}};
  broker::Admission admission{settings, schemes, access, replays, nullptr};
  broker::PublishEncoder encoder{schemes, access, steps};
  broker::KeyedSubscriptions keyed{{settings, access, tree, kinds, memory, encoder, counters, world}};
  broker::SubscriptionGrants grants{
      {0, 1, settings, schemes, access, admission, memory, kinds, tree, groups, keyed, durability, flow, counters, steps, world}};
  broker::Entitlement entitlement{schemes, access};
  broker::SessionDelivery deliveries{
      {settings, entitlement, retained, memory, encoder, keyed, durability, counters, steps, world}};
  std::vector<std::unique_ptr<Client>> clients;
};

}  // namespace sealmq::testing
