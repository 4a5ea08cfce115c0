#include "net/handshakes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace sealmq::net {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Handler : public HandshakeHandler {
 public:
  void established(const Entry&, Stream, Bytes first) override { came.emplace_back(as_text(first)); }
  std::shared_ptr<const void> admit(const std::string&) override { return std::make_shared<int>(); }
  void handshake_failed(const std::string&, const std::string& cause, const std::string&) override { failures.push_back(cause); }
  std::vector<std::string> came;
  std::vector<std::string> failures;
};

/// Its connections begin with a PROXY header, which a load balancer sends of itself: nothing follows but who comes.
class HandshakesTest : public ::testing::Test {
 protected:
  Handshakes make(std::size_t most, std::chrono::milliseconds longest = 10s) {
    auto entry = std::make_shared<const Entry>(Transport::tcp, ProxyRules{.header = true}, UpgradeRules{}, nullptr);
    return Handshakes(loop, std::move(entry), handler, most, longest);
  }
  /// The client's end of a connection that begins; says this much.
  Descriptor begin(Handshakes& handshakes, std::string_view said = {}) {
    int ends[2] = {};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    Descriptor client(ends[0]);
    EXPECT_EQ(::send(client.number(), said.data(), said.size(), MSG_NOSIGNAL), static_cast<ssize_t>(said.size()));
    handshakes.begin(Descriptor(ends[1]), nullptr);
    return client;
  }
  /// From an address of its own.
  Descriptor begin_from(const char* address, Handshakes& handshakes, std::string_view said = {}) {
    Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in here{};
    here.sin_family = AF_INET;
    ::inet_pton(AF_INET, "127.0.0.1", &here.sin_addr);
    socklen_t size = sizeof here;
    EXPECT_EQ(::bind(listener.number(), reinterpret_cast<sockaddr*>(&here), size), 0);
    EXPECT_EQ(::listen(listener.number(), 1), 0);
    EXPECT_EQ(::getsockname(listener.number(), reinterpret_cast<sockaddr*>(&here), &size), 0);
    Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in there{};
    there.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &there.sin_addr);
    EXPECT_EQ(::bind(client.number(), reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    EXPECT_EQ(::connect(client.number(), reinterpret_cast<sockaddr*>(&here), size), 0);
    EXPECT_EQ(::send(client.number(), said.data(), said.size(), MSG_NOSIGNAL), static_cast<ssize_t>(said.size()));
    ::fcntl(client.number(), F_SETFL, O_NONBLOCK);
    handshakes.begin(Descriptor(::accept4(listener.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)), nullptr);
    return client;
  }
  static bool is_closed(const Descriptor& client) {
    std::uint8_t byte = 0;
    return ::recv(client.number(), &byte, 1, 0) == 0;
  }
  static std::string hello(std::string_view name) {
    return std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16) + std::string(name);
  }
  /// Until it holds, but not for ever.
  template <class Condition>
  bool run_until(Condition&& holds) {
    for (const auto end = Clock::now() + 20s; !holds() && Clock::now() < end;) loop.run_one_for(100ms);
    return holds();
  }

  boost::asio::io_context loop{1};
  Handler handler;
};

using Texts = std::vector<std::string>;

TEST_F(HandshakesTest, WhoSpeaksIsHandedOnWithWhatItSaidNext) {
  auto handshakes = make(2);
  const auto client = begin(handshakes, hello("MQTT"));
  EXPECT_TRUE(run_until([&] { return !handler.came.empty(); }));
  EXPECT_EQ(handler.came, Texts{"MQTT"});
  EXPECT_EQ(handshakes.size(), 0U);
}

TEST_F(HandshakesTest, NoMoreThanSoManyAreLookedAtAndTheNextComesWhenOneLeaves) {
  auto handshakes = make(2);
  auto silent = begin(handshakes);
  const auto other = begin(handshakes);
  const auto next = begin(handshakes, hello("next"));
  loop.poll();
  EXPECT_EQ(handshakes.size(), 2U);
  EXPECT_TRUE(handler.came.empty());
  silent = Descriptor();
  EXPECT_TRUE(run_until([&] { return !handler.came.empty(); }));
  EXPECT_EQ(handler.came, Texts{"next"});
}

TEST_F(HandshakesTest, WhoHasBeenAtItForASecondMakesRoomWhenOthersWait) {
  auto handshakes = make(1);
  const auto begun = Clock::now();
  const auto silent = begin(handshakes, hello("cut short").substr(0, 5));
  const auto next = begin(handshakes, hello("next"));
  EXPECT_TRUE(run_until([&] { return !handler.came.empty(); }));
  EXPECT_GE(Clock::now() - begun, Handshakes::patience);
  EXPECT_LT(Clock::now() - begun, 8s) << "its own ten seconds were not over";
  EXPECT_TRUE(is_closed(silent));
  EXPECT_EQ(handler.failures, Texts{"the handshake takes too long"});
}

// Claim: a flood of connections takes the places of its own address, at once.
TEST_F(HandshakesTest, AnAddressWithFewerPlacesTakesOneOfTheAddressWithMost) {
  auto handshakes = make(4);
  std::vector<Descriptor> flood;
  for (int i = 0; i < 20; ++i) flood.push_back(begin_from("127.0.0.2", handshakes));
  EXPECT_EQ(handshakes.waiting(), 16U);
  const auto modest = begin_from("127.0.0.3", handshakes, hello("modest"));
  EXPECT_EQ(std::ranges::count_if(flood, is_closed), 1) << "before anybody's patience is over";
  EXPECT_TRUE(run_until([&] { return !handler.came.empty(); }));
  EXPECT_EQ(handler.came, Texts{"modest"});
}

TEST_F(HandshakesTest, OfThoseWhoSentNothingOneLeavesFirst) {
  auto handshakes = make(3);
  const auto spoke = begin_from("127.0.0.2", handshakes, hello("cut short").substr(0, 5));
  const auto silent = begin_from("127.0.0.2", handshakes);
  const auto spoke_too = begin_from("127.0.0.2", handshakes, hello("cut short").substr(0, 5));
  loop.poll();  // what they sent is there
  const auto modest = begin_from("127.0.0.3", handshakes);
  EXPECT_TRUE(is_closed(silent));
  EXPECT_FALSE(is_closed(spoke));
  EXPECT_FALSE(is_closed(spoke_too));
  EXPECT_EQ(handshakes.size(), 3U);
  EXPECT_EQ(handshakes.waiting(), 0U);
}

TEST_F(HandshakesTest, ThoseWhoWaitTakeTurnsByAddress) {
  auto handshakes = make(1);
  auto first = begin_from("127.0.0.2", handshakes);
  std::vector<Descriptor> others;
  for (const char* name : {"2a", "2b", "2c"}) others.push_back(begin_from("127.0.0.2", handshakes, hello(name)));
  for (const char* name : {"3a", "3b"}) others.push_back(begin_from("127.0.0.3", handshakes, hello(name)));
  EXPECT_EQ(handshakes.waiting(), 5U) << "nobody has more than they would";
  first = Descriptor();
  EXPECT_TRUE(run_until([&] { return handler.came.size() == 5; }));
  EXPECT_EQ(handler.came, (Texts{"2a", "3a", "2b", "3b", "2c"}));
}

TEST_F(HandshakesTest, NobodyTakesLongerThanItMay) {
  auto handshakes = make(1, 50ms);
  const auto silent = begin(handshakes, hello("cut short").substr(0, 5));
  EXPECT_TRUE(run_until([&] { return handshakes.size() == 0; }));
  EXPECT_TRUE(is_closed(silent));
  EXPECT_TRUE(handler.came.empty());
}

TEST_F(HandshakesTest, BeyondThoseWhoMayWaitTheyAreClosedAtOnce) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::max<rlim_t>(files.rlim_cur, std::min<rlim_t>(files.rlim_max, 4 * Handshakes::most_waiting));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  auto handshakes = make(1);
  std::vector<Descriptor> crowd;
  for (std::size_t i = 0; i < 1 + Handshakes::most_waiting; ++i) crowd.push_back(begin(handshakes));
  EXPECT_FALSE(is_closed(crowd.back()));
  EXPECT_TRUE(is_closed(begin(handshakes)));
  const auto modest = begin_from("127.0.0.3", handshakes);
  EXPECT_FALSE(is_closed(modest));
  EXPECT_TRUE(is_closed(crowd.back())) << "who came last from where most of them are from";
}

TEST_F(HandshakesTest, WhoNobodyAdmitsIsEnded) {
  struct : Handler {
    std::shared_ptr<const void> admit(const std::string&) override { return nullptr; }
  } strict;
  Handshakes handshakes(loop, std::make_shared<const Entry>(Transport::tcp, ProxyRules{.header = true}, UpgradeRules{}, nullptr),
                        strict, 1, 10s);
  const auto client = begin(handshakes, hello("MQTT"));
  EXPECT_TRUE(run_until([&] { return handshakes.size() == 0; }));
  EXPECT_TRUE(is_closed(client));
  EXPECT_TRUE(strict.came.empty());
}

}  // namespace
}  // namespace sealmq::net
