#include "net/websocket_upgrade.h"

#include <gtest/gtest.h>

#include "net/websocket.h"

namespace sealmq::net {
namespace {

std::string request(const std::string& more = "Sec-WebSocket-Protocol: mqtt\r\n", const std::string& line = "GET /mqtt HTTP/1.1",
                    const std::string& upgrade = "websocket") {
  return line + "\r\nHost: broker\r\nUpgrade: " + upgrade +
         "\r\nConnection: keep-alive, Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         more + "\r\n";
}

Upgraded answered(const std::string& text, const UpgradeRules& rules = {}) {
  const auto head = parse_head(text);
  if (!head || !*head) {
    ADD_FAILURE() << (head ? "not whole" : head.error().what);
    return {};
  }
  return answer_upgrade(**head, rules);
}

std::string status(const Upgraded& upgraded) {
  return upgraded.answer.substr(9, 3);
}

TEST(WebSocketUpgrade, AnswersTheExampleOfTheStandard) {
  const Upgraded upgraded = answered(request());
  EXPECT_TRUE(upgraded.accepted) << upgraded.why_not;
  EXPECT_NE(upgraded.answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos);
  EXPECT_NE(upgraded.answer.find("Sec-WebSocket-Protocol: mqtt\r\n"), std::string::npos);
}

TEST(WebSocketUpgrade, ChoosesTheSubprotocolAmongThoseOffered) {
  EXPECT_TRUE(answered(request("Sec-WebSocket-Protocol: chat, mqtt\r\n")).accepted);
  EXPECT_TRUE(answered(request("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqttv3.1\r\n")).accepted);
  EXPECT_EQ(status(answered(request(""))), "400");  // [MQTT-6.0.0-3]
  EXPECT_EQ(status(answered(request("Sec-WebSocket-Protocol: MQTT\r\n"))), "400");
}

TEST(WebSocketUpgrade, RefusesWithTheStatusThatSaysWhy) {
  const std::string mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
  EXPECT_EQ(status(answered(request(mqtt, "GET /other HTTP/1.1"))), "404");
  EXPECT_EQ(status(answered(request(mqtt, "POST /mqtt HTTP/1.1"))), "405");
  EXPECT_EQ(status(answered(request(mqtt, "GET /mqtt HTTP/1.0"))), "400");
  EXPECT_EQ(status(answered(request(mqtt, "GET"))), "400");
  EXPECT_EQ(status(answered(request(mqtt, "GET /mqtt HTTP/1.1", "h2c"))), "426");
  EXPECT_EQ(status(answered(request(mqtt + "Content-Length: 5\r\n"))), "400");
  EXPECT_EQ(status(answered(request(mqtt + "Transfer-Encoding: chunked\r\n"))), "400");
  EXPECT_EQ(status(answered(request(mqtt + "Host: twice\r\n"))), "400");
  EXPECT_EQ(status(answered(request(mqtt + "Sec-WebSocket-Version: 8\r\n"))), "426");
  EXPECT_EQ(status(answered(request(mqtt + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))), "400");
}

TEST(WebSocketUpgrade, PagesOfOtherHostsMayConnectOnlyIfThatIsSaid) {
  const std::string from = "Sec-WebSocket-Protocol: mqtt\r\nOrigin: https://evil.example\r\n";
  EXPECT_EQ(status(answered(request(from))), "403");
  EXPECT_TRUE(answered(request(from), {.origins = {"*"}}).accepted);
  for (auto origin : {"http://broker", "https://broker:8443", "http://BROKER:1"})
    EXPECT_TRUE(answered(request("Sec-WebSocket-Protocol: mqtt\r\nOrigin: " + std::string(origin) + "\r\n")).accepted) << origin;
  for (auto origin : {"null", "http://broker.evil.example", "http://evil.example/broker", "broker"})
    EXPECT_EQ(status(answered(request("Sec-WebSocket-Protocol: mqtt\r\nOrigin: " + std::string(origin) + "\r\n"))), "403")
        << origin;
  const UpgradeRules rules{.origins = {"https://good.example"}};
  EXPECT_EQ(status(answered(request(from), rules)), "403");
  EXPECT_TRUE(answered(request("Sec-WebSocket-Protocol: mqtt\r\nOrigin: https://good.example\r\n"), rules).accepted);
  EXPECT_TRUE(answered(request(), rules).accepted);  // no browser
}

TEST(WebSocketUpgrade, MayBeAskedForAtSeveralPaths) {
  const UpgradeRules rules{.paths = {"/mqtt", "/"}};
  const std::string mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
  EXPECT_TRUE(answered(request(mqtt, "GET / HTTP/1.1"), rules).accepted);
  EXPECT_TRUE(answered(request(mqtt, "GET /mqtt?a=b HTTP/1.1"), rules).accepted);
  EXPECT_EQ(status(answered(request(mqtt, "GET /mqtt/ HTTP/1.1"), rules)), "404");
}

TEST(WebSocketUpgrade, WhatProxiesSayIsKeptWhereItIsWanted) {
  const std::string several = request("X-Forwarded-For: 192.0.2.7\r\nx-forwarded-for: 10.0.0.1, 10.0.0.2\r\n");
  EXPECT_EQ(forwarded_for(parse_head(several).value().value()), "192.0.2.7,10.0.0.1, 10.0.0.2");
  const std::string text = request("X-Forwarded-For: " + std::string(4000, 'x') + ",10.0.0.1\r\n");
  EXPECT_EQ(forwarded_for(parse_head(text).value().value()), "10.0.0.1");
}

// The owner of a name may let it mean this machine, after its page was loaded.
TEST(WebSocketUpgrade, OnLoopbackAPageCallsUsByNoOtherName) {
  const UpgradeRules rules{.is_local = true};
  const auto from = [&](const std::string& host) {
    std::string text = request("Sec-WebSocket-Protocol: mqtt\r\nOrigin: http://" + host + ":80\r\n");
    text.replace(text.find("Host: broker"), 12, "Host: " + host + ":9001");
    return answered(text, rules).accepted;
  };
  for (auto host : {"127.0.0.1", "localhost", "[::1]"}) EXPECT_TRUE(from(host)) << host;
  for (auto host : {"evil.example", "10.0.0.1"}) EXPECT_FALSE(from(host)) << host;
}

TEST(WebSocketUpgrade, AHeadIsWaitedForUntilItIsWhole) {
  const std::string text = request();
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto head = parse_head(std::string_view(text).substr(0, size));
    ASSERT_TRUE(head) << size << head.error().what;
    EXPECT_FALSE(*head) << size;
  }
  EXPECT_EQ((*parse_head(text + "behind"))->size, text.size());
}

TEST(WebSocketUpgrade, WhatIsNoHeadIsRefusedAtOnce) {
  for (const std::string& text :
       {std::string("\x16\x03\x01"), std::string("GET / HTTP/1.1\nHost"), std::string("GET / HTTP/1.1\rX"),
        std::string("GET /\0", 6), "GET / HTTP/1.1\r\n" + std::string(largest_head, 'x'),
        std::string("GET / HTTP/1.1\r\n folded: x\r\n\r\n"), std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nspace : x\r\n\r\n"), std::string("GET / HTTP/1.1\r\n: x\r\n\r\n")})
    EXPECT_FALSE(parse_head(text)) << text.substr(0, 40);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 101; ++i) many += "a: b\r\n";
  EXPECT_FALSE(parse_head(many + "\r\n"));
}

TEST(WebSocketUpgrade, AClientChecksTheAnswer) {
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  const std::string good = answered(request()).answer;
  EXPECT_TRUE(check_upgrade(**parse_head(good), key));
  EXPECT_FALSE(check_upgrade(**parse_head(good), "AGhlIHNhbXBsZSBub25jZQ=="));
  std::string other = good;
  other.replace(other.find(": mqtt\r\n"), 8, ": chat\r\n");
  EXPECT_FALSE(check_upgrade(**parse_head(other), key));
  EXPECT_EQ(check_upgrade(**parse_head("HTTP/1.1 404 Not Found\r\n\r\n"), key).error().blame, Blame::peer_incompatible);
}

/// Both ends in memory, with every message in pieces of this size.
class Conversation {
 public:
  explicit Conversation(std::size_t piece) : piece_(piece) {}

  void run() {
    Buffer to_broker, to_client;
    ASSERT_TRUE(client->start(to_broker));
    carry(*broker, to_broker, at_broker, to_client);
    carry(*client, to_client, at_client, to_broker);
  }
  void carry(Channel& to, Buffer& bytes, Buffer& plain, Buffer& answer) {
    for (Bytes rest = bytes; !rest.empty();) {
      const Bytes part = rest.first(std::min(piece_, rest.size()));
      rest = rest.subspan(part.size());
      ASSERT_TRUE(to.receive(part, plain, answer));
    }
    bytes.clear();
  }
  static void send(Channel& from, std::string_view text, Buffer& to_peer) {
    Buffer half = to_buffer(as_bytes(text.substr(0, text.size() / 2))), rest = to_buffer(as_bytes(text.substr(text.size() / 2)));
    const std::array parts = {iovec{half.data(), half.size()}, iovec{rest.data(), rest.size()}};
    EXPECT_EQ(from.send(parts, to_peer).value(), text.size());
  }

  std::unique_ptr<Channel> broker = accept_websocket(std::make_shared<UpgradeRules>());
  std::unique_ptr<Channel> client = connect_websocket("broker:8083", "/mqtt");
  Buffer at_broker, at_client;

 private:
  std::size_t piece_;
};

TEST(WebSocket, BothEndsUnderstandEachOtherInPiecesOfAnySize) {
  for (std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    Conversation talk(piece);
    talk.run();
    ASSERT_TRUE(talk.broker->is_open() && talk.client->is_open());
    Buffer to_broker, to_client;
    Conversation::send(*talk.client, "from the client", to_broker);
    Conversation::send(*talk.broker, std::string(70'000, 'b'), to_client);
    talk.client->close(to_broker);
    talk.carry(*talk.broker, to_broker, talk.at_broker, to_client);
    talk.carry(*talk.client, to_client, talk.at_client, to_broker);
    EXPECT_EQ(as_text(talk.at_broker), "from the client");
    EXPECT_EQ(talk.at_client, Buffer(70'000, 'b'));
    EXPECT_TRUE(talk.broker->has_ended() && talk.client->has_ended());
    EXPECT_TRUE(to_broker.empty());  // a close is not answered by who began
  }
}

}  // namespace
}  // namespace sealmq::net
