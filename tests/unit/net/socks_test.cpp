// RFC 1928 and RFC 1929: what the client says, and what it makes of the answers.
#include "net/socks.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "net/dial.h"

namespace sealmq::net {
namespace {

struct Talk {
  Talk(const Proxy& proxy, const std::string& host = "broker.example", std::uint16_t port = 1883)
      : channel(connect_by_proxy(proxy, host, port)) {
    EXPECT_TRUE(channel->start(sent));
  }
  std::string said() { return to_hex(std::exchange(sent, {})); }
  Result<> hears(std::string_view hex) { return channel->receive(*from_hex(hex), plain, sent); }

  std::unique_ptr<Channel> channel;
  Buffer sent, plain;
};

constexpr const char* connected = "05000001000000000000";

TEST(Socks, ANameGoesToTheProxyAsItIs) {
  Talk talk({});
  EXPECT_EQ(talk.said(), "050100");
  ASSERT_TRUE(talk.hears("0500"));
  EXPECT_EQ(talk.said(), "050100030e" + to_hex(as_bytes("broker.example")) + "075b");
  EXPECT_FALSE(talk.channel->is_open());
  ASSERT_TRUE(talk.hears(std::string(connected) + "20020000"));
  EXPECT_TRUE(talk.channel->is_open());
  EXPECT_EQ(to_hex(talk.plain), "20020000");  // what came behind
  const iovec part{const_cast<char*>("hello"), 5};
  EXPECT_EQ(talk.channel->send({&part, 1}, talk.sent).value(), 5U);
  EXPECT_EQ(as_text(talk.sent), "hello");
}

TEST(Socks, AddressesGoAsAddresses) {
  for (const auto& [host, asked] : {std::pair("192.0.2.7", "05010001c0000207075b"),
                                    std::pair("2001:db8::7", "0501000420010db8000000000000000000000007075b")}) {
    Talk talk({}, host);
    talk.said();
    ASSERT_TRUE(talk.hears("0500"));
    EXPECT_EQ(talk.said(), asked);
  }
}

TEST(Socks, NameAndPasswordAreTheOnlyWayThatIsOffered) {
  Proxy proxy;
  proxy.user = "circuit";
  proxy.password = "7";
  Talk talk(proxy);
  EXPECT_EQ(talk.said(), "050102");
  ASSERT_TRUE(talk.hears("0502"));
  EXPECT_EQ(talk.said(), "0107" + to_hex(as_bytes("circuit")) + "01" + to_hex(as_bytes("7")));
  ASSERT_TRUE(talk.hears("0100"));
  EXPECT_TRUE(talk.said().starts_with("05010003"));
  // One that pays no attention to them would mix what they keep apart.
  Talk careless(proxy);
  EXPECT_EQ(careless.hears("0500").error().blame, Blame::peer_misbehaved);
  Talk strict(proxy);
  EXPECT_EQ(strict.hears("05ff").error().blame, Blame::environment);
  Talk wrong(proxy);
  ASSERT_TRUE(wrong.hears("0502"));
  EXPECT_EQ(wrong.hears("0101").error().blame, Blame::environment);
}

TEST(Socks, AnswersMayComeByteByByte) {
  Talk talk({});
  const Buffer all = *from_hex(
      "0500"
      "050000"
      "0303616263"
      "0050"
      "99");
  for (std::uint8_t byte : all) ASSERT_TRUE(talk.channel->receive({&byte, 1}, talk.plain, talk.sent));
  EXPECT_TRUE(talk.channel->is_open());
  EXPECT_EQ(to_hex(talk.plain), "99");
}

TEST(Socks, RefusalsAreToldInWords) {
  const auto told = [](std::string_view reply) {
    Talk talk({});
    EXPECT_TRUE(talk.hears("0500"));
    const auto heard = talk.hears(reply);
    EXPECT_FALSE(talk.channel->is_open());
    return heard ? "" : heard.error().what;
  };
  EXPECT_EQ(told("05050001"), "the proxy cannot connect to broker.example: connection refused");
  EXPECT_EQ(told("0504"), "the proxy cannot connect to broker.example: host unreachable");
  EXPECT_EQ(told("05f2"), "the proxy cannot connect to broker.example: its code 242");
  EXPECT_EQ(told("0500000900"), "the proxy answers with an unknown kind of address");
  EXPECT_EQ(told("04"), "the proxy answers in another version");
  Talk web({});
  EXPECT_EQ(web.hears(to_hex(as_bytes("HTTP/1.1 400"))).error().what, "the proxy does not speak SOCKS5");
}

TEST(Socks, UrlsAreRead) {
  EXPECT_EQ(parse_proxy("socks5h://127.0.0.1").value(), (Proxy{.host = "127.0.0.1"}));
  EXPECT_EQ(parse_proxy("socks5://a%40b:c@[::1]:9050/").value(), (Proxy{"::1", 9050, "a@b", "c", false}));
  for (const char* wrong : {"", "http://a", "socks5h://", "socks5h://a:0", "socks5h://a:70000", "socks5h://a/path",
                            "socks5h://u@a", "socks5h://u:@a", "socks4://a", "socks5h://a\n"})
    EXPECT_EQ(parse_proxy(wrong).error().blame, Blame::caller_misused) << wrong;
  EXPECT_FALSE(parse_proxy("socks5h://" + std::string(256, 'u') + ":p@a"));
}

TEST(Socks, NothingIsLookedUpHereButTheProxy) {
  const auto to = destination_of(parse_url("mqtt://hidden.onion:1883").value(), {}, "socks5h://127.0.0.1:9050").value();
  EXPECT_EQ(first_stop(to).host, "127.0.0.1");
  EXPECT_EQ(first_stop(to).port, 9050);
  EXPECT_FALSE(destination_of(parse_url("unix:/run/x").value(), {}, "socks5h://127.0.0.1"));
  EXPECT_EQ(first_stop(destination_of(parse_url("mqtt://a").value(), {}).value()).host, "a");
}

}  // namespace
}  // namespace sealmq::net
