// Both faces of the client over TCP: against our broker, and against one that does not behave.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
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
#include "support/temporary_folder.h"

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

  std::uint16_t port() const { return static_cast<std::uint16_t>(std::stoi(broker_->urls().front().substr(17))); }
  static ConnectOptions to_nobody() { return {.url = "mqtt://127.0.0.1:1"}; }
  /// It loses all sessions.
  void restart_broker() {
    const auto same = port();
    broker_.reset();
    start_broker(same);
  }
  ConnectOptions reconnecting() const {
    auto connect = options();
    connect.reconnect = true;
    connect.reconnect_delay = 10ms;
    connect.longest_reconnect_delay = 50ms;
    return connect;
  }
  /// Runs a coroutine to its end on a loop of its own.
  template <class Coroutine>
  static void run(Coroutine coroutine) {
    boost::asio::io_context loop;
    bool ended = false;
    boost::asio::co_spawn(loop, std::move(coroutine), [&](std::exception_ptr thrown) {
      EXPECT_FALSE(thrown);
      ended = true;
    });
    loop.run();
    EXPECT_TRUE(ended);
  }

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
      auto published = co_await client->publish("open/a", "x", QoS::exactly_once);
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

using boost::asio::awaitable;

TEST_F(ClientTest, AnAwaitedConnectionThatFailsIsAnError) {
  run([&]() -> awaitable<void> {
    auto client = co_await AsyncClient::connect(to_nobody());
    EXPECT_EQ(client ? Blame::caller_misused : client.error().blame, Blame::environment);
  });
}

TEST_F(ClientTest, AnAsyncClientUnsubscribesAndReconnects) {
  run([&]() -> awaitable<void> {
    auto client = co_await AsyncClient::connect(options());
    auto step_1 = co_await client->subscribe("open/a");
    EXPECT_TRUE(step_1);
    auto step_2 = co_await client->subscribe("open/b");
    EXPECT_TRUE(step_2);
    auto step_3 = co_await client->unsubscribe("open/a");
    EXPECT_TRUE(step_3);
    auto step_4 = co_await client->publish("open/a", "unwanted", QoS::at_least_once);
    EXPECT_TRUE(step_4);
    auto step_5 = co_await client->publish("open/b", "wanted", QoS::at_least_once);
    EXPECT_TRUE(step_5);
    auto message = co_await client->receive(5s);
    EXPECT_TRUE(message && *message && text_of(**message) == "wanted");

    auto step_6 = co_await client->disconnect();
    EXPECT_TRUE(step_6);
    auto step_7 = co_await client->publish("open/b", "x", QoS::at_least_once);
    EXPECT_FALSE(step_7);
    auto step_8 = co_await client->reconnect();
    EXPECT_TRUE(step_8);
    auto step_9 = co_await client->publish("open/b", "x", QoS::at_least_once);
    EXPECT_TRUE(step_9);
    auto step_10 = co_await client->disconnect();
    EXPECT_TRUE(step_10);
  });
}

TEST_F(ClientTest, ACancelledCallEndsWithAnErrorAndTheClientGoesOn) {
  boost::asio::io_context loop;
  boost::asio::cancellation_signal stop;
  std::optional<AsyncClient> client;
  std::optional<Result<ReceivedMessage>> received;
  std::string failed;
  auto rest = [&]() -> awaitable<void> {
    auto connected = co_await AsyncClient::connect(options());
    client.emplace(*std::move(connected));
    boost::asio::co_spawn(
        loop, [&]() -> awaitable<Result<ReceivedMessage>> { return client->receive(); },
        boost::asio::bind_cancellation_slot(stop.slot(),
                                            [&](std::exception_ptr, Result<ReceivedMessage> got) { received = got; }));
    auto nothing = co_await client->receive(10ms);
    stop.emit(boost::asio::cancellation_type::terminal);
    auto subscribed = co_await client->subscribe("open/#");
    if (!subscribed) failed = subscribed.error().what;
    auto published = co_await client->publish("open/a", "x", QoS::at_least_once);
    if (!published) failed = published.error().what;
    auto message = co_await client->receive();
    if (!message) failed = message.error().what;
    client.reset();
  };
  boost::asio::co_spawn(loop, rest(), boost::asio::detached);
  loop.run();
  EXPECT_EQ(failed, "");
  ASSERT_TRUE(received);
  ASSERT_FALSE(*received);
  EXPECT_EQ(received->error().what, "cancelled");
}

TEST_F(ClientTest, TwoLoopsHaveAClientEach) {
  std::vector<std::thread> threads;
  std::atomic<int> heard = 0;
  for (const char* topic : {"open/1", "open/2"})
    threads.emplace_back([&, topic] {
      run([&]() -> awaitable<void> {
        auto client = co_await AsyncClient::connect(options());
        auto granted = co_await client->subscribe(topic, QoS::exactly_once);
        EXPECT_TRUE(granted);
        for (int i = 0; i < 100; ++i) {
          auto published = co_await client->publish(topic, std::to_string(i), QoS::exactly_once);
          EXPECT_TRUE(published);
          auto message = co_await client->receive();
          if (message && message->topic == topic && text_of(*message) == std::to_string(i)) ++heard;
        }
        auto left = co_await client->disconnect();
        EXPECT_TRUE(left);
      });
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(heard, 200);
}

TEST_F(ClientTest, ConnectsAgainByItselfAndSubscribesAgain) {
  std::atomic<int> lost = 0;
  std::atomic<int> back = 0;
  auto wish = reconnecting();
  wish.on_connection = [&](const Result<>& is) { ++(is ? back : lost); };
  Client client = Client::connect(std::move(wish)).value();
  ASSERT_TRUE(client.subscribe("open/#", {.qos = QoS::at_least_once}));
  for (int round = 1; round <= 3; ++round) {
    restart_broker();
    ASSERT_TRUE(client.publish("open/a", std::to_string(round), {.qos = QoS::at_least_once}));  // waits for the connection
    auto message = client.receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(text_of(*message), std::to_string(round));
    EXPECT_EQ(lost, round);
    EXPECT_EQ(back, round);
  }
  ASSERT_TRUE(client.unsubscribe("open/#"));
  restart_broker();
  ASSERT_TRUE(client.publish("open/a", "unwanted", {.qos = QoS::at_least_once}));
  auto nothing = client.receive(100ms);
  EXPECT_TRUE(nothing && !*nothing);
  EXPECT_TRUE(client.disconnect());
  EXPECT_FALSE(client.receive());
}

TEST_F(ClientTest, WhileItWaitsForABrokerCallsSaySo) {
  auto wish = reconnecting();
  wish.timeout = 300ms;
  Client client = Client::connect(std::move(wish)).value();
  broker_->stop();
  EXPECT_FALSE(client.subscribe("open/#"));
  EXPECT_FALSE(client.publish("open/a", "x"));  // QoS 0
  auto nothing = client.receive(50ms);
  EXPECT_TRUE(nothing && !*nothing);
  std::thread waits([&] { EXPECT_FALSE(client.publish("open/a", "x", {.qos = QoS::at_least_once})); });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(client.disconnect());
  waits.join();
  EXPECT_FALSE(client.receive());
}

TEST_F(ClientTest, DoesNotFightForItsName) {
  auto wish = reconnecting();
  wish.client_id = "one";
  Client first = Client::connect(std::move(wish)).value();
  wish = options();
  wish.client_id = "one";
  Client second = Client::connect(std::move(wish)).value();
  auto ended = first.receive();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, static_cast<std::uint8_t>(mqtt::Reason::session_taken_over));
  EXPECT_TRUE(second.publish("open/a", "x", {.qos = QoS::at_least_once}));
}

TEST_F(ClientTest, ACallbackTakesTheMessages) {
  std::mutex mutex;
  std::vector<std::string> heard;
  std::optional<Blame> blame;
  Client* from_within = nullptr;
  auto wish = options();
  wish.on_message = [&](ReceivedMessage message) {
    std::lock_guard lock(mutex);
    heard.push_back(text_of(message));
    if (auto waits = from_within->publish("open/b", "x", {.qos = QoS::at_least_once}); !waits) blame = waits.error().blame;
  };
  Client client = Client::connect(std::move(wish)).value();
  from_within = &client;
  ASSERT_TRUE(client.subscribe("open/a", {.qos = QoS::exactly_once}));
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(client.publish("open/a", text, {.qos = QoS::exactly_once}));
  ASSERT_TRUE(client.unsubscribe("open/a"));  // what was on its way before has come
  std::lock_guard lock(mutex);
  EXPECT_EQ(heard, (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(blame, Blame::caller_misused);
}

TEST_F(ClientTest, MessagesAreARange) {
  Client client = connect();
  ASSERT_TRUE(client.subscribe("open/#", {.qos = QoS::at_least_once}));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.publish("open/a", std::to_string(i), {.qos = QoS::at_least_once}));
  int next = 0;
  for (auto& message : client.messages()) {
    EXPECT_EQ(text_of(message), std::to_string(next));
    if (++next == 3) broker_->stop();
  }
  EXPECT_EQ(next, 3);
  EXPECT_FALSE(client.receive());
}

TEST_F(ClientTest, AStoreTakesMessagesBeforeThereIsABroker) {
  testing::TemporaryFolder folder;
  const auto same = port();
  auto wish = reconnecting();
  wish.client_id = "keeper";
  wish.clean_start = false;
  wish.session_expiry = 60s;
  wish.store = folder / "messages";
  Client reader = Client::connect(reconnecting()).value();
  ASSERT_TRUE(reader.subscribe("open/#", {.qos = QoS::exactly_once}));
  broker_.reset();
  {
    Client keeper = Client::connect(std::move(wish)).value();
    ASSERT_TRUE(keeper.publish("open/a", "kept", {.qos = QoS::exactly_once}));
  }
  start_broker(same);
  ASSERT_TRUE(reader.subscribe("open/#", {.qos = QoS::exactly_once}));
  wish = options();
  wish.client_id = "keeper";
  wish.clean_start = false;
  wish.session_expiry = 60s;
  wish.store = folder / "messages";
  Client keeper = Client::connect(std::move(wish)).value();
  auto message = reader.receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(text_of(*message), "kept");
}

TEST_F(ClientTest, AStoreGoesWithASessionThatLastsAndAKeyThatAgrees) {
  testing::TemporaryFolder folder;
  auto blame_of = [&](auto change) {
    auto wish = options();
    wish.client_id = "keeper";
    wish.clean_start = false;
    wish.session_expiry = 60s;
    wish.store = folder / "messages";
    change(wish);
    auto client = Client::connect(std::move(wish));
    return client ? std::nullopt : std::optional(client.error().blame);
  };
  EXPECT_EQ(blame_of([](auto&) {}), std::nullopt);
  EXPECT_EQ(blame_of([](auto& o) { o.client_id = ""; }), Blame::caller_misused);
  EXPECT_EQ(blame_of([](auto& o) { o.clean_start = true; }), Blame::caller_misused);
  EXPECT_EQ(blame_of([](auto& o) { o.session_expiry = 0s; }), Blame::caller_misused);
  EXPECT_EQ(blame_of([](auto& o) { o.client_id = "another"; }), Blame::caller_misused);
  EXPECT_EQ(blame_of([&](auto& o) {
              o.scheme = "scacauth";
              o.key = make_memory_keys("keeper", Kind::device, random_, 2048);
              o.broker = broker_identity_;
            }),
            Blame::caller_misused);
}

}  // namespace
}  // namespace sealmq
