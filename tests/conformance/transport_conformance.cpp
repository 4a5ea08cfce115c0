// The same conversation over every transport, with the real client and the real broker, whose three shards make connections move.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "base/descriptor.h"
#include "crypto/random.h"
#include "net/address.h"
#include "net/url.h"
#include "sealmq/client.h"
#include "server/broker_server.h"
#include "support/certificates.h"

namespace sealmq {
namespace {

using namespace std::chrono_literals;
using mqtt::QoS;

constexpr std::size_t shards = 3;
const char* const psk = "000102030405060708090a0b0c0d0e0f";

class Lines final : public server::Log {
 public:
  void write(server::Severity, std::string_view line) override {
    const std::lock_guard lock(mutex_);
    lines_.append(line).append("\n");
  }
  std::string all() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::string lines_;
};

/// A load balancer of one connection at a time: tells the broker that it connects for 192.0.2.7:4711.
class Proxy {
 public:
  explicit Proxy(std::uint16_t broker) : broker_(broker) {
    auto address = net::resolve("127.0.0.1", 0).value().front();
    listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size), 0);
    EXPECT_EQ(::listen(listener_.number(), 16), 0);
    thread_ = std::jthread([this] { run(); });
  }
  ~Proxy() { ::shutdown(listener_.number(), SHUT_RDWR); }
  std::uint16_t port() const { return net::port(net::local_address(listener_.number())); }

 private:
  void run() {
    std::vector<std::jthread> pumps;
    while (true) {
      Descriptor client(::accept(listener_.number(), nullptr, nullptr));
      if (!client.is_open()) return;
      const auto address = net::resolve("127.0.0.1", broker_).value().front();
      Descriptor broker(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::connect(broker.number(), reinterpret_cast<const sockaddr*>(&address.storage), address.size), 0);
      constexpr std::uint8_t header[] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11,
                                         0,    12,   192,  0,    2,    7,    10,   0,    0,    1,    0x12, 0x67, 7,    0x5B};
      EXPECT_EQ(::send(broker.number(), header, sizeof header, MSG_NOSIGNAL), static_cast<ssize_t>(sizeof header));
      auto ends = std::make_shared<std::pair<Descriptor, Descriptor>>(std::move(client), std::move(broker));
      pumps.emplace_back([ends] { pump(ends->first.number(), ends->second.number()); });
      pumps.emplace_back([ends] { pump(ends->second.number(), ends->first.number()); });
    }
  }
  static void pump(int from, int to) {
    char bytes[4096];
    for (ssize_t count = 0; (count = ::recv(from, bytes, sizeof bytes, 0)) > 0;)
      if (::send(to, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL) != count) break;
    ::shutdown(to, SHUT_WR);
  }

  std::uint16_t broker_;
  Descriptor listener_;
  std::jthread thread_;
};

class TransportConformance : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { certificates_ = std::make_unique<testing::Certificates>(); }
  static void TearDownTestSuite() { certificates_.reset(); }

  TransportConformance() {
    server::Configuration configuration;
    configuration.threads = shards;
    configuration.topics = {{"#", {"plain"}, {"plain"}}};
    configuration.listeners = {listener()};
    server_ = server::BrokerServer::start(configuration, server::make_volatile_parts(shards, random_), random_, log_).value();
    url_ = server_->urls().front();
    if (GetParam() == "proxy") {
      proxy_ = std::make_unique<Proxy>(net::parse_url(url_).value().port);
      url_ = "mqtt://127.0.0.1:" + std::to_string(proxy_->port());
    }
  }
  ~TransportConformance() override { proxy_.reset(); }

  server::Listener listener() const {
    const std::string kind = GetParam();
    const std::string path = folder_ / "socket", keys = folder_ / "psk";
    const std::string scheme = kind == "tls" || kind == "psk" ? "mqtts" : kind == "proxy" || kind == "tcp" ? "mqtt" : kind;
    server::Listener listener = server::parse_listener(kind == "unix" ? "unix:" + path : scheme + "://127.0.0.1:0").value();
    if (kind == "proxy") listener.proxy = {.header = true, .from = {*net::Network::parse("127.0.0.0/8")}};
    if (kind == "psk") {
      testing::write_text(keys, std::string("device:") + psk + "\n");
      ::chmod(keys.c_str(), 0600);
      listener.tls.psk_file = keys;
      listener.anonymous = true;
    } else if (needs_tls(listener)) {
      listener.tls.certificates = {{*certificates_ / "server.pem", *certificates_ / "server.key", ""}};
    }
    return listener;
  }

  ConnectOptions options(const std::string& client_id) const {
    ConnectOptions options;
    options.url = url_;
    options.client_id = client_id;
    if (GetParam() == "psk") {
      options.tls.psk = psk;
      options.tls.psk_identity = "device";
    } else if (GetParam() == "tls" || GetParam() == "wss") {
      options.tls.ca_file = *certificates_ / "ca.pem";
    }
    return options;
  }
  Client connect(const std::string& client_id) const {
    auto client = Client::connect(options(client_id));
    if (!client) throw std::runtime_error(client.error().what);
    return *std::move(client);
  }

  static std::unique_ptr<testing::Certificates> certificates_;
  testing::TemporaryFolder folder_;
  crypto::OsRandom random_;
  Lines log_;
  std::unique_ptr<server::BrokerServer> server_;
  std::unique_ptr<Proxy> proxy_;
  std::string url_;
};
std::unique_ptr<testing::Certificates> TransportConformance::certificates_;

PublishOptions with(QoS qos) {
  PublishOptions options;
  options.qos = qos;
  return options;
}

TEST_P(TransportConformance, CarriesEveryQosBetweenClientsOfEveryShard) {
  for (int i = 0; i < 6; ++i) {
    Client reader = connect("reader-" + std::to_string(i));
    Client writer = connect("writer-" + std::to_string(5 * i));
    ASSERT_TRUE(reader.subscribe("a/#", {.qos = QoS::exactly_once}));
    for (QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
      ASSERT_TRUE(writer.publish("a/b", "x", with(qos)));
      const auto message = reader.receive(5s);
      ASSERT_TRUE(message && *message);
      EXPECT_EQ((*message)->qos, qos);
    }
    EXPECT_TRUE(writer.disconnect());
    EXPECT_TRUE(reader.disconnect());
  }
}

TEST_P(TransportConformance, CarriesManySmallMessagesAndSomeLargeOnesInOrder) {
  Client reader = connect("reader");
  Client writer = connect("writer");
  ASSERT_TRUE(reader.subscribe("a", {.qos = QoS::at_least_once}));
  std::vector<std::size_t> sizes(500, 20);
  sizes.insert(sizes.end(), {100'000, 1, 200'000, 16'384, 0, 65'536});
  for (std::size_t size : sizes) ASSERT_TRUE(writer.publish("a", Buffer(size, 's'), with(QoS::at_least_once)));
  for (std::size_t size : sizes) {
    const auto message = reader.receive(5s);
    ASSERT_TRUE(message && *message);
    EXPECT_EQ((*message)->payload.size(), size);
  }
}

TEST_P(TransportConformance, AClientThatTakesOverMaySpeakAtOnce) {
  for (int i = 0; i < 5; ++i) {
    Client first = connect("same");
    Client second = connect("same");
    EXPECT_TRUE(second.publish("a", "x", with(QoS::at_least_once)));
    EXPECT_FALSE(first.receive(5s));
  }
}

TEST_P(TransportConformance, AWillIsPublishedForWhoVanishes) {
  Client reader = connect("reader");
  ASSERT_TRUE(reader.subscribe("will", {.qos = QoS::at_least_once}));
  auto mortal = options("mortal");
  mortal.will = WillMessage{"will", to_buffer(as_bytes("gone")), QoS::at_least_once, false};
  { Client vanishes = Client::connect(std::move(mortal)).value(); }
  const auto message = reader.receive(5s);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ(as_text((*message)->payload), "gone");
}

TEST_P(TransportConformance, GoesOnWithItsSessionAfterAReconnect) {
  auto wish = options("stays");
  wish.clean_start = false;
  wish.session_expiry = 60s;
  Client reader = Client::connect(std::move(wish)).value();
  ASSERT_TRUE(reader.subscribe("a", {.qos = QoS::at_least_once}));
  ASSERT_TRUE(reader.disconnect());
  ASSERT_TRUE(connect("writer").publish("a", "meanwhile", with(QoS::at_least_once)));
  ASSERT_TRUE(reader.reconnect());
  EXPECT_TRUE(reader.session_present());
  const auto message = reader.receive(5s);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ(as_text((*message)->payload), "meanwhile");
}

TEST_P(TransportConformance, TheClientIsToldThatTheBrokerEnds) {
  Client reader = connect("reader");
  server_->stop();
  const auto ended = reader.receive(5s);
  ASSERT_FALSE(ended);
  EXPECT_NE(ended.error().what.find("hutting down"), std::string::npos) << ended.error().what;
}

INSTANTIATE_TEST_SUITE_P(All, TransportConformance, ::testing::Values("tcp", "tls", "psk", "ws", "wss", "unix", "proxy"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace sealmq
