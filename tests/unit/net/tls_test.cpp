#include "net/tls.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "net/tls_psk.h"
#include "net/tls_term.h"
#include "net/websocket.h"
#include "support/tls_ends.h"

namespace sealmq::net {
namespace {

using testing::Pair;
using testing::TlsTest;

TEST(Term, ACertificateCountsFromItsFirstMomentToItsLast) {
  const Term term{1'000'000, 1'800'000'000};
  EXPECT_EQ(why_not_now("c.pem", term, 1'000'000), "");
  EXPECT_EQ(why_not_now("c.pem", term, 1'799'999'999), "");
  EXPECT_EQ(why_not_now("c.pem", term, 1'800'000'000), "c.pem ran out on 2027-01-15");
  EXPECT_EQ(why_not_now("c.pem", term, 999'999), "c.pem counts from 1970-01-12 on");
}

TEST_F(TlsTest, TheTermOfACertificateIsReadFromItsFile) {
  const auto term = read_term(file("server.pem"));
  ASSERT_TRUE(term) << term.error().what;
  EXPECT_EQ(term->ends - term->begins, 86'400);
  EXPECT_FALSE(read_term(file("server.key")));
  EXPECT_FALSE(read_term(file("nothing")));
}

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
  const TlsServerSettings elsewhere = with_certificate("wrong-name");
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
  const TlsServerSettings files{
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
  const auto blame = [](const TlsServerSettings& files) { return TlsServer::load(files).error().blame; };
  EXPECT_EQ(blame({}), Blame::caller_misused);
  EXPECT_EQ(blame({.certificates = {{file("none.pem"), file("server.key"), ""}}}), Blame::environment);
  EXPECT_EQ(blame({.certificates = {{file("server.key"), file("server.key"), ""}}}), Blame::caller_misused);
  EXPECT_EQ(blame({.certificates = {{file("server.pem"), file("client.key"), ""}}}), Blame::caller_misused);
  TlsServerSettings files = server_files();
  files.client_ca = file("ca.pem");
  files.client_crl = file("ca.pem");
  EXPECT_EQ(blame(files), Blame::caller_misused);
  sealmq::testing::write_text(file("open.key"), sealmq::testing::read_text(file("server.key")));
  ::chmod(file("open.key").c_str(), 0644);
  EXPECT_EQ(blame({.certificates = {{file("server.pem"), file("open.key"), ""}}}), Blame::environment);
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
  const auto error = [](std::string_view text) { return parse_psk_lines(text, "psk").error().what; };
  EXPECT_EQ(error(""), "psk holds no identity:key");
  EXPECT_EQ(error("# x\nboiler\n"), "psk:2: expected identity:key");
  EXPECT_EQ(error(":00\n"), "psk:1: expected identity:key");
  EXPECT_EQ(error("a:0011\n"), "psk:1: a pre-shared key is 32 to 128 hexadecimal digits");
  EXPECT_EQ(error("a:000102030405060708090a0b0c0d0e0f\na:000102030405060708090a0b0c0d0e0f\n"),
            "psk:2: this identity has a key already");
  const auto lines =
      parse_psk_lines("a:000102030405060708090a0b0c0d0e0f\r\n b:000102030405060708090A0B0C0D0E0F raw\n", "psk").value();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_FALSE(lines[0].raw);
  EXPECT_TRUE(lines[1].raw);
  EXPECT_EQ(lines[1].identity, "b");
}

}  // namespace
}  // namespace sealmq::net
