// Both faces of the client over TCP: against our broker, and against one that does not behave.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "base/descriptor.h"
#include "crypto/random.h"
#include "net/address.h"
#include "sealmq/async_client.h"
#include "sealmq/client.h"
#include "server/broker_server.h"

namespace sealmq {
namespace {

using namespace std::chrono_literals;
using mqtt::QoS;

class NoLog final : public server::Log {
 public:
  void write(server::Severity, std::string_view) override {}
};

/// A broker where plain MQTT may use `open/#`, and sl1 `signed/#`.
class ClientTest : public ::testing::Test {
 protected:
  ClientTest() { start_broker(0); }

  void start_broker(std::uint16_t port) {
    server::Configuration configuration;
    configuration.listeners = {{"127.0.0.1", port}};
    configuration.threads = 1;
    configuration.topics = {{"open/#", {"plain"}, {"plain"}}, {"signed/#", {"sl1"}, {"sl1"}}};
    auto parts = server::make_volatile_parts(1, random_);
    broker_identity_ = broker_identity(parts.keys.front()->identity());
    for (const auto& identity : enrolled_) EXPECT_TRUE(parts.registry->add(identity));
    broker_ = server::BrokerServer::start(configuration, std::move(parts), random_, log_).value();
  }

  ConnectOptions options() const {
    ConnectOptions connect;
    connect.url = broker_->urls().front();
    return connect;
  }
  Client connect() const { return Client::connect(options()).value(); }

  crypto::OsRandom random_;
  NoLog log_;
  BrokerIdentity broker_identity_;
  std::vector<Identity> enrolled_;
  std::unique_ptr<server::BrokerServer> broker_;
};

PublishOptions with(QoS qos) {
  PublishOptions options;
  options.qos = qos;
  return options;
}

std::string text_of(const ReceivedMessage& message) {
  return std::string(as_text(message.payload));
}

TEST_F(ClientTest, CarriesMessagesOfEveryQosInBothVersions) {
  for (auto version : {mqtt::Version::v5, mqtt::Version::v3_1_1}) {
    auto wish = options();
    wish.version = version;
    Client client = Client::connect(std::move(wish)).value();
    ASSERT_TRUE(client.subscribe("open/#", {.qos = QoS::exactly_once}));
    for (auto qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
      ASSERT_TRUE(client.publish("open/a", "x", with(qos)));
      auto message = client.receive(5s);
      ASSERT_TRUE(message && *message);
      EXPECT_EQ((*message)->topic, "open/a");
      EXPECT_EQ((*message)->qos, qos);
    }
    EXPECT_TRUE(client.disconnect());
    EXPECT_FALSE(client.publish("open/a", "x"));
  }
}

TEST_F(ClientTest, ReceiveAnswersNothingWhenTheTimeRanOut) {
  Client client = connect();
  auto message = client.receive(20ms);
  ASSERT_TRUE(message);
  EXPECT_FALSE(*message);
}

TEST_F(ClientTest, ARefusalHasItsReasonCode) {
  Client client = connect();
  auto published = client.publish("signed/a", "x", with(QoS::at_least_once));
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().blame, Blame::not_authorised);
  EXPECT_EQ(published.error().code, 0x87);
  auto subscribed = client.subscribe("signed/#");
  ASSERT_FALSE(subscribed);
  EXPECT_EQ(subscribed.error().code, 0x87);
}

TEST_F(ClientTest, ASchemeProtectsAndVerifies) {
  auto boiler = make_memory_keys("boiler-7", Kind::device, random_);
  auto desk = make_memory_keys("desk", Kind::service, random_);
  PublicIdentity boiler_public = boiler->identity();
  for (const auto* keys : {&boiler, &desk}) {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = (*keys)->identity();
    identity.publish = identity.subscribe = {"signed/#"};
    enrolled_.push_back(identity);
  }
  start_broker(0);

  auto signing = [&](std::unique_ptr<KeyStore> key) {
    auto wish = options();
    wish.scheme = "sl1";
    wish.key = std::move(key);
    wish.broker = broker_identity_;
    wish.peers = {boiler_public};
    return Client::connect(std::move(wish)).value();
  };
  Client reader = signing(std::move(desk));
  Client writer = signing(std::move(boiler));
  ASSERT_TRUE(reader.subscribe("signed/#", {.qos = QoS::at_least_once}));
  ASSERT_TRUE(writer.publish("signed/a", "4.2", with(QoS::at_least_once)));
  auto message = reader.receive(5s);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ(text_of(**message), "4.2");
  EXPECT_EQ((*message)->author, "boiler-7");
  EXPECT_TRUE((*message)->verified);
}

TEST_F(ClientTest, ASlowReaderLosesNothingAndKeepsItsConnection) {
  auto wish = options();
  wish.inbox = 10;
  wish.keep_alive = 1s;
  Client reader = Client::connect(std::move(wish)).value();
  ASSERT_TRUE(reader.subscribe("open/#", {.qos = QoS::at_least_once}));
  Client writer = connect();
  constexpr int count = 500;
  for (int i = 0; i < count; ++i) ASSERT_TRUE(writer.publish("open/a", std::to_string(i), with(QoS::at_least_once)));
  std::this_thread::sleep_for(2500ms);  // more than one and a half keep-alives
  for (int i = 0; i < count; ++i) {
    auto message = reader.receive(5s);
    ASSERT_TRUE(message && *message) << i;
    EXPECT_EQ(text_of(**message), std::to_string(i));
  }
}

TEST_F(ClientTest, SeveralThreadsPublishAtOnce) {
  Client client = connect();
  ASSERT_TRUE(client.subscribe("open/#", {.qos = QoS::exactly_once}));
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) done += client.publish("open/a", "x", with(QoS::exactly_once)).has_value();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 200);
  for (int i = 0; i < 200; ++i) {
    auto message = client.receive(5s);
    ASSERT_TRUE(message && *message) << i;
  }
}

TEST_F(ClientTest, ConnectsAgainAfterTheBrokerWentAway) {
  Client client = connect();
  ASSERT_TRUE(client.subscribe("open/#"));
  std::uint16_t port = static_cast<std::uint16_t>(std::stoi(broker_->urls().front().substr(17)));
  broker_->stop();
  auto message = client.receive(5s);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().blame, Blame::environment);
  EXPECT_FALSE(client.publish("open/a", "x", with(QoS::at_least_once)));
  EXPECT_FALSE(client.reconnect());
  broker_.reset();
  start_broker(port);
  ASSERT_TRUE(client.reconnect());
  EXPECT_FALSE(client.session_present());
  EXPECT_TRUE(client.publish("open/a", "x", with(QoS::at_least_once)));
}

TEST_F(ClientTest, ASilentPeerIsGivenUp) {
  auto address = net::resolve("127.0.0.1", 0).value().front();
  Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.number(), reinterpret_cast<sockaddr*>(&address.storage), address.size), 0);
  ASSERT_EQ(::listen(listener.number(), 1), 0);
  ConnectOptions wish;
  wish.host = "127.0.0.1";
  wish.port = net::port(net::local_address(listener.number()));
  wish.timeout = 100ms;
  auto client = Client::connect(std::move(wish));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().blame, Blame::environment);
}

TEST_F(ClientTest, MistakesOfTheCallerAreNamedBeforeAnythingIsSent) {
  auto blame_of = [&](auto change) {
    auto wish = options();
    change(wish);
    auto client = Client::connect(std::move(wish));
    return client ? std::nullopt : std::optional(client.error().blame);
  };
  EXPECT_EQ(blame_of([](auto& o) { o.tls.insecure = true; }), Blame::caller_misused);  // TLS was not asked for
  EXPECT_EQ(blame_of([](auto& o) { o.scheme = "nonsense"; }), Blame::caller_misused);
  EXPECT_EQ(blame_of([](auto& o) { o.scheme = "sl1"; }), Blame::caller_misused);
  EXPECT_EQ(blame_of([](auto& o) { o.will = WillMessage{"a/#", {}, QoS::at_most_once, false}; }), Blame::caller_misused);
}

TEST_F(ClientTest, CoroutinesShareAnAsyncClient) {
  boost::asio::io_context loop;
  int received = 0;
  std::string failed;
  auto read = [&](AsyncClient& client) -> boost::asio::awaitable<void> {
    while (true) {
      auto message = co_await client.receive();
      if (!message) co_return;
      ++received;
    }
  };
  auto run = [&]() -> boost::asio::awaitable<void> {
    auto client = co_await AsyncClient::connect(options());
    if (!client) {
      failed = client.error().what;
      co_return;
    }
    auto granted = co_await client->subscribe("open/#");
    if (!granted) failed = granted.error().what;
    boost::asio::co_spawn(loop, read(*client), boost::asio::detached);
    for (int i = 0; i < 20; ++i) {
      auto published = co_await client->publish("open/a", "x", with(QoS::exactly_once));
      if (!published) failed = published.error().what;
    }
    auto left = co_await client->disconnect();
    if (!left) failed = left.error().what;
  };
  boost::asio::co_spawn(loop, run(), boost::asio::detached);
  loop.run();  // ends: nothing of a client is left behind
  EXPECT_EQ(failed, "");
  EXPECT_EQ(received, 20);
}

TEST_F(ClientTest, ADestroyedAsyncClientEndsWhatWaits) {
  boost::asio::io_context loop;
  std::optional<AsyncClient> client;
  std::optional<Error> ended;
  auto read = [&]() -> boost::asio::awaitable<void> {
    auto message = co_await client->receive();
    if (!message) ended = message.error();
  };
  auto run = [&]() -> boost::asio::awaitable<void> {
    auto connected = co_await AsyncClient::connect(options());
    client.emplace(*std::move(connected));
    boost::asio::co_spawn(loop, read(), boost::asio::detached);
    auto nothing = co_await client->receive(10ms);
    EXPECT_TRUE(nothing && !*nothing);
    client.reset();
  };
  boost::asio::co_spawn(loop, run(), boost::asio::detached);
  loop.run();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->blame, Blame::environment);
}

}  // namespace
}  // namespace sealmq
