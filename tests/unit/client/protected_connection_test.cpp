// A client and a broker that log in by a scheme, and what protects their connection from then on.
#include <gtest/gtest.h>

#include "client/session.h"
#include "support/broker_bench.h"
#include "support/pmqtt_login.h"

namespace sealmq {
namespace {

using mqtt::QoS;
using mqtt::Reason;
using testing::BrokerBench;
using testing::TestClient;

/// Plain MQTT after a login by PMQTT-2.
class LogsIn : public ClientScheme {
 public:
  explicit LogsIn(ClientPorts ports) : ports_(std::move(ports)) {}
  const SchemeInfo& info() const override { return *find_scheme("plain")->info; }
  Result<Buffer> protect(std::string_view, Bytes payload, Now) override { return to_buffer(payload); }
  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    Received received;
    received.topic = message.topic;
    received.payload = to_buffer(message.payload);
    return verified(std::move(received));
  }
  Result<std::unique_ptr<ClientLogin>> begin_login(const ClientLoginRequest& request) override {
    return pmqtt::begin_client_login(request, ports_, hasher_);
  }

 private:
  ClientPorts ports_;
  pmqtt::PasswordHasher hasher_;
};

class ProtectedConnectionTest : public ::testing::Test {
 protected:
  ProtectedConnectionTest() {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = patient_->identity();
    identity.publish = identity.subscribe = {"#"};
    identity.schemes = {"plain", "pmqtt"};
    broker_.enroll(identity);
    options_.client_id = "c";
    options_.user_name = "patient1";
  }

  /// Connects, and moves bytes until nobody has any.
  void connect(const Underneath& underneath = {}) {
    session_.emplace(options_, &*scheme_);
    ASSERT_TRUE(session_->start(broker_.now, underneath));
    at_broker_ = &broker_.dial();
    at_broker_->opaque = true;
    move();
  }
  void move() {
    for (bool again = true; again;) {
      again = false;
      Buffer out = written();
      if (!out.empty() && !at_broker_->closed) {
        to_broker_.push_back(out);
        broker_.send_bytes(*at_broker_, out);
        again = true;
      }
      if (at_broker_->everything.size() > taken_) {
        Bytes in = Bytes(at_broker_->everything).subspan(taken_);
        taken_ += in.size();
        to_client_.push_back(to_buffer(in));
        if (change_) change_(to_client_.back());
        deliver(to_client_.back());
        again = true;
      }
    }
    for (auto& event : session_->take_events()) events_.push_back(std::move(event));
  }
  /// Why it did not work, for a test that wonders.
  std::string causes() const {
    std::string text = std::to_string(to_broker_.size()) + " and " + std::to_string(to_client_.size()) + " pieces; ";
    for (const auto& cause : broker_.journal.causes) text += "broker: " + cause + "; ";
    for (const auto& event : events_)
      if (const auto* closed = std::get_if<Closed>(&event)) text += "client: " + closed->error.what;
    return text;
  }
  /// In pieces, as a network may.
  void deliver(Bytes in) {
    for (; !in.empty(); in = in.subspan(std::min(in.size(), piece_)))
      session_->receive(in.first(std::min(in.size(), piece_)), broker_.now);
  }
  Buffer written() {
    Buffer out;
    while (!session_->outbox().empty()) {
      iovec parts[4];
      const std::size_t count = session_->outbox().gather(parts);
      std::size_t size = 0;
      for (std::size_t i = 0; i < count; ++i) {
        append(out, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
        size += parts[i].iov_len;
      }
      session_->outbox().consume(size);
    }
    return out;
  }
  template <class Event>
  std::optional<Event> take() {
    for (auto at = events_.begin(); at != events_.end(); ++at)
      if (auto* event = std::get_if<Event>(&*at)) {
        Event found = std::move(*event);
        events_.erase(at);
        return found;
      }
    return std::nullopt;
  }
  void exchange_messages() {
    ASSERT_TRUE(session_->subscribe("ward/#", {.qos = QoS::exactly_once}, broker_.now));
    move();
    ASSERT_TRUE(take<Subscribed>());
    for (auto qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
      ASSERT_TRUE(session_->publish("ward/vitals", as_bytes("pulse 72"), {.qos = qos}, broker_.now));
      move();
      auto arrival = take<Arrival>();
      ASSERT_TRUE(arrival) << int(qos);
      EXPECT_EQ(as_text(arrival->message.payload), "pulse 72");
      EXPECT_EQ(arrival->message.topic, "ward/vitals");
      session_->take(arrival->receipt);
      move();
      auto published = take<Published>();
      ASSERT_TRUE(published);
      EXPECT_FALSE(is_error(published->reason));
    }
  }
  static bool holds(const std::vector<Buffer>& all, std::string_view text) {
    Buffer joined;
    for (const Buffer& part : all) append(joined, part);
    return as_text(joined).find(text) != std::string_view::npos;
  }

  BrokerBench broker_;
  std::unique_ptr<KeyStore> patient_ = make_memory_keys("patient1", Kind::device, broker_.random);
  std::optional<LogsIn> scheme_{std::in_place, ClientPorts{patient_.get(), broker_.identity(), {}, broker_.random}};
  ConnectOptions options_;
  std::optional<ClientSession> session_;
  TestClient* at_broker_ = nullptr;
  std::size_t taken_ = 0, piece_ = SIZE_MAX;
  std::function<void(Buffer&)> change_;
  std::vector<Buffer> to_broker_, to_client_;
  std::vector<ClientEvent> events_;
};

TEST_F(ProtectedConnectionTest, RecordsHideEverything) {
  connect();
  ASSERT_TRUE(take<Connected>()) << causes();
  exchange_messages();
  EXPECT_FALSE(holds(to_broker_, "ward") || holds(to_client_, "ward"));
  EXPECT_FALSE(holds(to_broker_, "pulse") || holds(to_client_, "pulse"));
  EXPECT_FALSE(at_broker_->closed);
}

TEST_F(ProtectedConnectionTest, RecordsMayComeInAnyPieces) {
  piece_ = 1;
  connect();
  ASSERT_TRUE(take<Connected>()) << causes();
  exchange_messages();
}

TEST_F(ProtectedConnectionTest, LargeMessagesTakeRecordsOfTheirOwn) {
  options_.maximum_packet_size = 8 << 20;
  connect();
  ASSERT_TRUE(session_->subscribe("large", {.qos = QoS::at_least_once}, broker_.now));
  const std::string large(300'000, 'x');
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(session_->publish("large", as_bytes(large), {.qos = QoS::at_least_once}, broker_.now));
    ASSERT_TRUE(session_->publish("large", as_bytes("small"), {.qos = QoS::at_least_once}, broker_.now));
  }
  move();
  for (int i = 0; i < 6; ++i) {
    auto arrival = take<Arrival>();
    ASSERT_TRUE(arrival) << i << causes();
    EXPECT_EQ(as_text(arrival->message.payload), i % 2 == 0 ? large : "small");
  }
}

TEST_F(ProtectedConnectionTest, SealedPayloadsHideWhatTheyHold) {
  options_.hop = HopWish::hpp1;
  connect();
  ASSERT_TRUE(take<Connected>()) << causes();
  exchange_messages();
  EXPECT_TRUE(holds(to_broker_, "ward/vitals"));
  EXPECT_FALSE(holds(to_broker_, "pulse") || holds(to_client_, "pulse"));
}

TEST_F(ProtectedConnectionTest, ABrokerChosenNameIsTheOneOfTheKeys) {
  options_.hop = HopWish::hpp1;
  options_.client_id = "";
  connect();
  ASSERT_TRUE(take<Connected>()) << causes();
  exchange_messages();
}

TEST_F(ProtectedConnectionTest, OthersGetTheMessagesAsTheyAre) {
  options_.hop = HopWish::hpp1;
  connect();
  auto& plain = broker_.connect("other");
  broker_.subscribe(plain, "ward/#");
  ASSERT_TRUE(session_->subscribe("#", {}, broker_.now));
  ASSERT_TRUE(session_->publish("ward/vitals", as_bytes("1"), {}, broker_.now));
  move();
  ASSERT_EQ(plain.publishes.size(), 1U);
  EXPECT_EQ(plain.publishes[0].payload, "1");
  broker_.publish(plain, "to/patient", "2");
  move();
  ASSERT_TRUE(take<Arrival>());
  auto arrival = take<Arrival>();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(as_text(arrival->message.payload), "2");
}

TEST_F(ProtectedConnectionTest, AChangedRecordEndsTheConnectionWithoutAWord) {
  connect();
  ASSERT_TRUE(session_->publish("t", as_bytes("1"), {.qos = QoS::at_least_once}, broker_.now));
  Buffer record = written();
  record.back() ^= 1;
  at_broker_->everything.clear();
  broker_.send_bytes(*at_broker_, record);
  EXPECT_TRUE(at_broker_->closed);
  EXPECT_TRUE(at_broker_->everything.empty());
}

TEST_F(ProtectedConnectionTest, NothingComesInBesideTheRecords) {
  connect();
  Buffer publish;
  mqtt::Publish packet;
  packet.topic = "t";
  mqtt::encode(packet, mqtt::Version::v5, publish);
  broker_.send_bytes(*at_broker_, publish);
  EXPECT_TRUE(at_broker_->closed);
}

TEST_F(ProtectedConnectionTest, TheClientLeavesWhenARecordWasChanged) {
  connect();
  ASSERT_TRUE(take<Connected>()) << causes();
  change_ = [](Buffer& bytes) { bytes.back() ^= 1; };
  ASSERT_TRUE(session_->subscribe("t", {}, broker_.now));
  move();
  auto closed = take<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.blame, Blame::peer_misbehaved);
}

TEST_F(ProtectedConnectionTest, PacketsBeforeTheEndOfTheLoginAreNotTakenForProtectedOnes) {
  // The proof, and with it a packet that somebody else has put behind.
  session_.emplace(options_, &*scheme_);
  ASSERT_TRUE(session_->start(broker_.now));
  at_broker_ = &broker_.dial();
  at_broker_->opaque = true;
  broker_.send_bytes(*at_broker_, written());
  session_->receive(at_broker_->everything, broker_.now);
  Buffer proof = written();
  mqtt::Publish packet;
  packet.topic = "t";
  mqtt::encode(packet, mqtt::Version::v5, proof);
  broker_.send_bytes(*at_broker_, proof);
  EXPECT_TRUE(at_broker_->closed);
  EXPECT_EQ(broker_.counters().published, 0U);
}

TEST_F(ProtectedConnectionTest, AChangedPayloadIsRefusedAndTheConnectionGoesOn) {
  options_.hop = HopWish::hpp1;
  connect();
  ASSERT_TRUE(session_->publish("t", as_bytes("1"), {.qos = QoS::at_least_once}, broker_.now));
  Buffer packet = written();
  packet.back() ^= 1;
  broker_.send_bytes(*at_broker_, packet);
  move();
  auto published = take<Published>();
  ASSERT_TRUE(published);
  EXPECT_EQ(published->reason, Reason::not_authorized);
  EXPECT_EQ(broker_.refused(broker::Refusal::verification_failed), 1U);
  Buffer plain;
  mqtt::Publish other;
  other.topic = "t";
  other.payload = as_bytes("21.5");
  other.qos = QoS::at_least_once;
  other.packet_id = 9;
  mqtt::encode(other, mqtt::Version::v5, plain);
  broker_.send_bytes(*at_broker_, plain);
  EXPECT_EQ(broker_.refused(broker::Refusal::container_malformed), 1U);
  EXPECT_FALSE(at_broker_->closed);
}

// The broker bears fewer failures of one client, forged or not (failures_until_disconnect). A client that forgeries are poured
// over keeps the connection for as long as its key is safe from them.
TEST_F(ProtectedConnectionTest, TheClientLeavesWhenTooManyPayloadsDoNotOpen) {
  options_.hop = HopWish::hpp1;
  connect({.most_forgeries = 3});
  mqtt::Publish forged;
  forged.topic = "t";
  Buffer payload(40, 1);  // 48 01, a number, and what nobody has sealed
  payload[0] = 0x48;
  std::fill_n(payload.begin() + 2, 8, std::uint8_t{0});
  forged.payload = payload;
  Buffer packet;
  mqtt::encode(forged, mqtt::Version::v5, packet);
  for (int i = 0; i < 2; ++i) session_->receive(packet, broker_.now);
  move();
  EXPECT_TRUE(take<RefusedMessage>());
  EXPECT_FALSE(take<Closed>()) << "its key is safe yet";
  session_->receive(packet, broker_.now);
  move();
  const auto closed = take<Closed>();
  ASSERT_TRUE(closed) << causes();
  EXPECT_FALSE(session_->is_open());
  EXPECT_EQ(Underneath().most_forgeries, std::uint64_t{1} << 20);
}

TEST_F(ProtectedConnectionTest, ACopyOfAPayloadIsNotPassedOnAgain) {
  options_.hop = HopWish::hpp1;
  connect();
  ASSERT_TRUE(session_->publish("t", as_bytes("1"), {}, broker_.now));
  const Buffer packet = written();
  broker_.send_bytes(*at_broker_, packet);
  broker_.send_bytes(*at_broker_, packet);
  EXPECT_EQ(broker_.counters().published, 1U);
}

TEST_F(ProtectedConnectionTest, TheBrokerDoesNotGoOnWithoutWhatItAsksFor) {
  broker_.peer.hop = broker::HopRule::hrl1;
  options_.hop = HopWish::hpp1;
  connect();
  EXPECT_TRUE(at_broker_->closed);
  EXPECT_EQ(take<Closed>()->error.blame, Blame::not_authorised);
  EXPECT_EQ(broker_.connect("plain").connack, Reason::not_authorized);
}

TEST_F(ProtectedConnectionTest, TheClientDoesNotGoOnWithoutWhatItAsksFor) {
  broker_.peer.hop = broker::HopRule::none;
  connect();
  auto closed = take<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.blame, Blame::peer_incompatible);
  EXPECT_FALSE(take<Connected>());
  EXPECT_TRUE(at_broker_->closed);
}

TEST_F(ProtectedConnectionTest, AListenerWithoutEncryptionWantsAnother) {
  broker_.peer.must_be_protected = true;
  options_.hop = HopWish::none;
  connect();
  EXPECT_EQ(take<Closed>()->error.blame, Blame::not_authorised);
  options_.hop = HopWish::automatic;
  taken_ = 0;
  connect();
  EXPECT_TRUE(take<Connected>());
}

TEST_F(ProtectedConnectionTest, OverTlsNothingMoreIsAskedFor) {
  Underneath tls{.channel_binding = {}, .is_private = true};
  tls.channel_binding.fill(7);
  broker_.peer.channel_binding = tls.channel_binding;
  connect(tls);
  ASSERT_TRUE(take<Connected>()) << causes();
  exchange_messages();
  EXPECT_TRUE(holds(to_broker_, "pulse"));
}

TEST_F(ProtectedConnectionTest, TheClientTellsAnotherBrokerNothingMore) {
  // Its own key, which it goes on using, is not the one that the client has pinned.
  const auto real = std::exchange(broker_.key, make_memory_keys("broker-1", Kind::broker, broker_.random));
  scheme_.emplace(ClientPorts{patient_.get(), broker_.identity(), {}, broker_.random});
  connect();
  auto closed = take<Closed>();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->error.blame, Blame::peer_misbehaved);
  EXPECT_TRUE(holds(to_broker_, "auth"));  // its reason string
  EXPECT_TRUE(at_broker_->closed);
}

TEST_F(ProtectedConnectionTest, LogsInAgainWhileItWorks) {
  connect();
  ASSERT_TRUE(session_->log_in_again(broker_.now));
  move();
  EXPECT_FALSE(take<Closed>());
  exchange_messages();
  // Somebody who is not allowed any more is not taken again.
  broker_.revoke("patient1");
  move();
  EXPECT_TRUE(take<Closed>());
}

TEST_F(ProtectedConnectionTest, LoggingInAgainChangesTheKeysOfRecords) {
  connect();
  const auto updates = [](const std::vector<Buffer>& pieces) {
    std::size_t count = 0;
    for (const Buffer& piece : pieces)
      for (Bytes all = piece; all.size() > 4 && (all[0] == 0x17 || all[0] == 0x18);) {
        if (all[0] == 0x18) ++count;
        all = all.subspan(std::min<std::size_t>(all.size(), 4 + (all[1] << 16 | all[2] << 8 | all[3])));
      }
    return count;
  };
  for (std::size_t logins = 1; logins <= 3; ++logins) {
    ASSERT_TRUE(session_->log_in_again(broker_.now));
    move();
    EXPECT_FALSE(take<Closed>()) << causes();
    EXPECT_EQ(updates(to_broker_), logins);
    EXPECT_EQ(updates(to_client_), logins);
    exchange_messages();
  }
}

TEST_F(ProtectedConnectionTest, ItsKeysLastAnHour) {
  options_.keep_alive = std::chrono::seconds(0);
  for (const auto hop : {HopWish::hrl1, HopWish::hpp1}) {
    options_.hop = hop;
    taken_ = 0;
    connect();
    ASSERT_TRUE(take<Connected>()) << causes();
    exchange_messages();
    broker_.advance(60 * 60 * 1000);
    const std::size_t before = to_broker_.size(), before_to_client = to_client_.size();
    ASSERT_TRUE(session_->publish("ward/vitals", as_bytes("pulse 72"), {}, broker_.now));
    move();
    ASSERT_TRUE(take<Arrival>()) << causes();
    const Buffer &sent = to_broker_.at(before), &received = to_client_.at(before_to_client);
    if (hop == HopWish::hrl1) {
      EXPECT_EQ(sent[0], 0x18);
      EXPECT_EQ(received[0], 0x18);
    } else {
      const std::string_view of_next_epoch("\x48\x01\0\0\1", 5);
      EXPECT_NE(as_text(sent).find(of_next_epoch), std::string_view::npos);
      EXPECT_NE(as_text(received).find(of_next_epoch), std::string_view::npos);
    }
    broker_.cut(*at_broker_);
  }
}

TEST_F(ProtectedConnectionTest, WithoutALoginAHopCannotBeAskedFor) {
  options_.plain_login = true;
  options_.hop = HopWish::hrl1;
  session_.emplace(options_, &*scheme_);
  EXPECT_EQ(session_->start(broker_.now).error().blame, Blame::caller_misused);
  options_.hop = HopWish::automatic;
  session_.emplace(options_, &*scheme_);
  EXPECT_TRUE(session_->start(broker_.now));
}

TEST_F(ProtectedConnectionTest, TheNextConnectionHasNewKeys) {
  options_.clean_start = false;
  options_.session_expiry = std::chrono::seconds(60);
  connect();
  exchange_messages();
  ASSERT_TRUE(session_->publish("ward/vitals", as_bytes("pulse 72"), {.qos = QoS::at_least_once}, broker_.now));
  written();  // lost
  broker_.cut(*at_broker_);
  session_->connection_lost({Blame::environment, "cut", 0});
  ASSERT_TRUE(session_->start(broker_.now));
  at_broker_ = &broker_.dial();
  at_broker_->opaque = true;
  taken_ = 0;
  move();
  auto arrival = take<Arrival>();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(as_text(arrival->message.payload), "pulse 72");
}

}  // namespace
}  // namespace sealmq
