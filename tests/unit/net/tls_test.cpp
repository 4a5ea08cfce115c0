#include "net/tls.h"
#include "base/try.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "net/tls_files.h"
#include "net/websocket.h"
#include "support/certificates.h"

namespace sealmq::net {
namespace {

using sealmq::testing::Certificates;

class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { made_ = std::make_unique<Certificates>(); }
  static void TearDownTestSuite() { made_.reset(); }
  static std::string file(const std::string& name) { return *made_ / name; }

  static TlsServerFiles server_files() { return {.cert = file("server.pem"), .key = file("server.key")}; }
  static TlsOptions client_options() {
    TlsOptions options;
    options.ca_file = file("ca.pem");
    return options;
  }
  static TlsOptions shows(const std::string& name) {
    TlsOptions options = client_options();
    options.cert = file(name + ".pem");
    options.key = file(name + ".key");
    return options;
  }
  static TlsServerFiles checks_clients(bool required = true, const std::string& crl = "crl.pem") {
    TlsServerFiles files = server_files();
    files.client_ca = file("ca.pem");
    files.client_crl = file(crl);
    files.require_certificate = required;
    return files;
  }
  static std::string psk_file(const std::string& text) {
    const std::string path = file("psk");
    sealmq::testing::write_text(path, text);
    ::chmod(path.c_str(), 0600);
    return path;
  }

  static std::unique_ptr<Certificates> made_;
};
std::unique_ptr<Certificates> TlsTest::made_;

/// Both ends in memory.
struct Pair {
  Pair(const TlsServerFiles& files, const TlsOptions& options, const std::string& host = "localhost")
      : broker(TlsServer::load(files).value()->accept()), client(TlsClient::load(options).value()->connect(host)) {}

  /// Until neither has anything to say. The first error of either.
  Result<> shake_hands(std::size_t piece = SIZE_MAX) {
    Result<> at_client = client->start(to_broker);
    Result<> at_broker;
    while (!to_broker.empty() || !to_client.empty()) {
      at_broker = carry(*broker, to_broker, broker_plain, to_client, piece);
      const Result<> answered = carry(*client, to_client, client_plain, to_broker, piece);
      if (at_client) at_client = answered;
      if (!at_broker) return at_broker;
    }
    return at_client;
  }

  static Result<> carry(Channel& to, Buffer& bytes, Buffer& plain, Buffer& answer, std::size_t piece = SIZE_MAX) {
    const Buffer all = std::exchange(bytes, {});
    for (Bytes rest = all; !rest.empty();) {
      const Bytes part = rest.first(std::min(piece, rest.size()));
      rest = rest.subspan(part.size());
      TRY(to.receive(part, plain, answer));
    }
    return {};
  }

  Result<> send(Channel& from, Bytes bytes, Buffer& to_peer) {
    while (!bytes.empty()) {
      const iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
      bytes = bytes.subspan(TRY(from.send(std::span(&part, 1), to_peer)));
    }
    return {};
  }

  PeerInfo seen_by_broker() const {
    PeerInfo peer;
    broker->describe(peer);
    return peer;
  }
  PeerInfo seen_by_client() const {
    PeerInfo peer;
    client->describe(peer);
    return peer;
  }

  std::unique_ptr<Channel> broker, client;
  Buffer to_broker, to_client, broker_plain, client_plain;
};

TEST_F(TlsTest, CarriesBytesBothWaysInPiecesOfAnySize) {
  for (std::size_t piece : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
    Pair pair(server_files(), client_options());
    ASSERT_TRUE(pair.shake_hands(piece));
    ASSERT_TRUE(pair.broker->is_open() && pair.client->is_open());
    const Buffer large(300'000, 'x');
    ASSERT_TRUE(pair.send(*pair.client, large, pair.to_broker));
    ASSERT_TRUE(pair.send(*pair.broker, as_bytes("small"), pair.to_client));
    ASSERT_TRUE(Pair::carry(*pair.broker, pair.to_broker, pair.broker_plain, pair.to_client, piece));
    ASSERT_TRUE(Pair::carry(*pair.client, pair.to_client, pair.client_plain, pair.to_broker, piece));
    EXPECT_EQ(pair.broker_plain, large);
    EXPECT_EQ(as_text(pair.client_plain), "small");
    pair.client->close(pair.to_broker);
    ASSERT_TRUE(Pair::carry(*pair.broker, pair.to_broker, pair.broker_plain, pair.to_client));
    EXPECT_TRUE(pair.broker->has_ended());
  }
}

TEST_F(TlsTest, SmallPacketsOfOneTurnShareARecord) {
  Pair pair(server_files(), client_options());
  ASSERT_TRUE(pair.shake_hands());
  std::array<std::uint8_t, 100> packet{};
  const std::vector<iovec> parts(64, iovec{packet.data(), packet.size()});
  EXPECT_EQ(pair.broker->send(parts, pair.to_client).value(), 6400U);
  EXPECT_LT(pair.to_client.size(), 6400U + 30U);
}

TEST_F(TlsTest, BothEndsKnowTheSameChannelBindingAndNoOtherConnectionHasIt) {
  for (const char* version : {"tlsv1.2", "tlsv1.3"}) {
    TlsOptions options = client_options();
    options.version = version;
    Pair one(server_files(), options), two(server_files(), options);
    ASSERT_TRUE(one.shake_hands());
    ASSERT_TRUE(two.shake_hands());
    EXPECT_TRUE(one.seen_by_broker().encrypted);
    EXPECT_EQ(one.seen_by_broker().channel_binding, one.seen_by_client().channel_binding);
    EXPECT_NE(one.seen_by_broker().channel_binding, two.seen_by_broker().channel_binding);
    EXPECT_NE(one.seen_by_broker().channel_binding, PeerInfo().channel_binding);
  }
}

TEST_F(TlsTest, AChannelMayGoOnInAnotherThread) {
  Pair pair(server_files(), client_options());
  ASSERT_TRUE(pair.shake_hands());
  std::jthread([&] { ASSERT_TRUE(pair.send(*pair.client, as_bytes("a"), pair.to_broker)); }).join();
  std::jthread([&] { ASSERT_TRUE(Pair::carry(*pair.broker, pair.to_broker, pair.broker_plain, pair.to_client)); }).join();
  EXPECT_EQ(as_text(pair.broker_plain), "a");
}

TEST_F(TlsTest, TheBrokersNameIsCheckedUnlessInsecure) {
  TlsServerFiles elsewhere{.cert = file("wrong-name.pem"), .key = file("wrong-name.key")};
  EXPECT_FALSE(Pair(elsewhere, client_options()).shake_hands());
  EXPECT_FALSE(Pair(elsewhere, client_options(), "127.0.0.1").shake_hands());
  EXPECT_TRUE(Pair(elsewhere, client_options(), "elsewhere.example").shake_hands());
  EXPECT_TRUE(Pair(server_files(), client_options(), "127.0.0.1").shake_hands());
  EXPECT_TRUE(Pair(server_files(), client_options(), "::1").shake_hands());
  TlsOptions insecure = client_options();
  insecure.insecure = true;
  EXPECT_TRUE(Pair(elsewhere, insecure).shake_hands());
  insecure.ca_file = file("other-ca.pem");
  EXPECT_FALSE(Pair(server_files(), insecure).shake_hands());  // who signed it is checked all the same
}

TEST_F(TlsTest, ABrokerThatNobodyVouchesForIsRefused) {
  EXPECT_FALSE(Pair(server_files(), TlsOptions()).shake_hands());
}

TEST_F(TlsTest, AVerifiedCertificateNamesTheClient) {
  Pair pair(checks_clients(), shows("client"));
  ASSERT_TRUE(pair.shake_hands());
  const PeerInfo peer = pair.seen_by_broker();
  EXPECT_EQ(peer.certificate_name, "boiler-7");
  EXPECT_EQ(peer.alternative_names,
            (std::vector<std::string>{"dns:boiler-7.example", "uri:urn:device:7", "email:seven@example.org"}));
}

TEST_F(TlsTest, ClientsWithoutOrWithBadCertificatesAreRefused) {
  EXPECT_FALSE(Pair(checks_clients(), client_options()).shake_hands());
  EXPECT_TRUE(Pair(checks_clients(false), client_options()).shake_hands());
  EXPECT_FALSE(Pair(checks_clients(), shows("other-client")).shake_hands());
  EXPECT_FALSE(Pair(checks_clients(false), shows("other-client")).shake_hands());  // a lie is worse than silence
  EXPECT_FALSE(Pair(checks_clients(), shows("revoked")).shake_hands());
  EXPECT_TRUE(Pair(checks_clients(true, "empty-crl.pem"), shows("revoked")).shake_hands());
}

TEST_F(TlsTest, ACertificateThatNobodyAskedForNamesNobody) {
  Pair pair(server_files(), shows("other-client"));
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.seen_by_broker().certificate_name, "");
}

TEST_F(TlsTest, APreSharedKeyProvesItsIdentity) {
  const TlsServerFiles files{
      .psk_file = psk_file("# keys\nboiler:7:000102030405060708090a0b0c0d0e0f\nother:ffffffffffffffffffffffffffffffff\n")};
  TlsOptions options;
  options.psk_identity = "boiler:7";
  options.psk = "000102030405060708090a0b0c0d0e0f";
  for (const char* version : {"tlsv1.2", "tlsv1.3"}) {
    options.version = version;
    Pair pair(files, options);
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_EQ(pair.seen_by_broker().psk_identity, "boiler:7");
    EXPECT_EQ(pair.seen_by_broker().certificate_name, "");
  }
  options.psk = "ffffffffffffffffffffffffffffffff";  // somebody else's
  EXPECT_FALSE(Pair(files, options).shake_hands());
  options.psk_identity = "unknown";
  EXPECT_FALSE(Pair(files, options).shake_hands());
}

TEST_F(TlsTest, AClientWithAPreSharedKeyTrustsNoCertificate) {
  TlsOptions options;
  options.psk_identity = "boiler";
  options.psk = "000102030405060708090a0b0c0d0e0f";
  EXPECT_FALSE(Pair(server_files(), options).shake_hands());
}

TEST_F(TlsTest, FilesThatDoNotFitAreRefused) {
  const auto blame = [](const TlsServerFiles& files) { return TlsServer::load(files).error().blame; };
  EXPECT_EQ(blame({}), Blame::caller_misused);
  EXPECT_EQ(blame({.cert = file("none.pem"), .key = file("server.key")}), Blame::environment);
  EXPECT_EQ(blame({.cert = file("server.key"), .key = file("server.key")}), Blame::caller_misused);
  EXPECT_EQ(blame({.cert = file("server.pem"), .key = file("client.key")}), Blame::caller_misused);
  TlsServerFiles files = server_files();
  files.client_ca = file("ca.pem");
  files.client_crl = file("ca.pem");
  EXPECT_EQ(blame(files), Blame::caller_misused);
  sealmq::testing::write_text(file("open.key"), sealmq::testing::read_text(file("server.key")));
  ::chmod(file("open.key").c_str(), 0644);
  EXPECT_EQ(blame({.cert = file("server.pem"), .key = file("open.key")}), Blame::environment);
}

TEST_F(TlsTest, GarbageEndsTheHandshakeWithAnAlert) {
  auto broker = TlsServer::load(server_files()).value()->accept();
  Buffer plain, answer;
  EXPECT_FALSE(broker->receive(as_bytes("GET / HTTP/1.1\r\n\r\n"), plain, answer));
  EXPECT_TRUE(plain.empty());
}

TEST_F(TlsTest, WebSocketsRunInsideOfIt) {
  Pair pair(server_files(), client_options());
  pair.broker = stack(std::move(pair.broker), accept_websocket(std::make_shared<UpgradeRules>()));
  pair.client = stack(std::move(pair.client), connect_websocket("localhost:443", "/mqtt"));
  ASSERT_TRUE(pair.shake_hands(5));
  ASSERT_TRUE(pair.broker->is_open() && pair.client->is_open());
  ASSERT_TRUE(pair.send(*pair.client, as_bytes("inside"), pair.to_broker));
  ASSERT_TRUE(Pair::carry(*pair.broker, pair.to_broker, pair.broker_plain, pair.to_client, 1));
  EXPECT_EQ(as_text(pair.broker_plain), "inside");
  EXPECT_TRUE(pair.seen_by_broker().encrypted);
}

TEST(PskFile, RefusesWithTheLine) {
  const auto error = [](std::string_view text) { return parse_psk_file(text, "psk").error().what; };
  EXPECT_EQ(error(""), "psk holds no identity:key");
  EXPECT_EQ(error("# x\nboiler\n"), "psk:2: expected identity:key");
  EXPECT_EQ(error(":00\n"), "psk:1: expected identity:key");
  EXPECT_EQ(error("a:0011\n"), "psk:1: a pre-shared key is 32 to 128 hexadecimal digits");
  EXPECT_EQ(error("a:000102030405060708090a0b0c0d0e0f\na:000102030405060708090a0b0c0d0e0f\n"),
            "psk:2: this identity has a key already");
  EXPECT_EQ(parse_psk_file("a:000102030405060708090a0b0c0d0e0f\r\n b:000102030405060708090A0B0C0D0E0F", "psk")->size(), 2U);
}

}  // namespace
}  // namespace sealmq::net
