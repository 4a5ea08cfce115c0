#include "server/admin_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/descriptor.h"
#include "net/url.h"

namespace sealmq::server {
namespace {

using namespace std::chrono_literals;

class AdminListenerTest : public ::testing::Test {
 protected:
  AdminListenerTest() { listener->start(); }

  Descriptor connect() {
    Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.1", &there.sin_addr);
    EXPECT_EQ(::connect(client.number(), reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    ::fcntl(client.number(), F_SETFL, O_NONBLOCK);
    loop.poll();
    return client;
  }
  static void ask(const Descriptor& client) {
    constexpr std::string_view request = "GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    EXPECT_EQ(::send(client.number(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  }
  /// What it gets, until it has this or the connection ends.
  std::string answer(const Descriptor& client, std::string_view end) {
    std::string text;
    for (const auto patience = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < patience;) {
      char part[4096];
      const ssize_t count = ::recv(client.number(), part, sizeof part, 0);
      if (count == 0 || (count < 0 && errno != EAGAIN)) break;
      if (count > 0) text.append(part, static_cast<std::size_t>(count));
      if (text.ends_with(end)) break;
      loop.run_one_for(10ms);
    }
    return text;
  }
  static bool is_closed(const Descriptor& client) {
    char byte = 0;
    return ::recv(client.number(), &byte, 1, 0) == 0;
  }

  boost::asio::io_context loop{1};
  std::unique_ptr<AdminListener> listener =
      AdminListener::open(loop, "127.0.0.1", 0, {}, [](std::string_view) { return Page{.body = "a page"}; }).value();
  const std::uint16_t port = parse_admin_url(listener->url()).value().port;
};

// Claim: who connects and says nothing keeps no probe out, however many they are.
TEST_F(AdminListenerTest, TheOldestWhoAskedForNothingMakesRoom) {
  std::vector<Descriptor> silent;
  for (int i = 0; i < 32; ++i) silent.push_back(connect());
  EXPECT_EQ(std::ranges::count_if(silent, is_closed), 0);
  const auto probe = connect();
  ask(probe);
  EXPECT_TRUE(answer(probe, "a page").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(is_closed(silent[0]));
  EXPECT_EQ(std::ranges::count_if(silent, is_closed), 1);
  for (int i = 0; i < 100; ++i) silent.push_back(connect());
  const auto next = connect();
  ask(next);
  EXPECT_TRUE(answer(next, "a page").starts_with("HTTP/1.1 200 "));
  EXPECT_LE(std::ranges::count_if(silent, [](const auto& client) { return !is_closed(client); }), 32);
}

// Claim: a connection that goes on after its answer is one that asks for nothing.
TEST_F(AdminListenerTest, WhoHasItsAnswerMakesRoomToo) {
  std::vector<Descriptor> answered;
  for (int i = 0; i < 40; ++i) {  // also the places that are kept for this machine
    answered.push_back(connect());
    ask(answered.back());
    EXPECT_TRUE(answer(answered.back(), "a page").starts_with("HTTP/1.1 200 "));
  }
  const auto probe = connect();
  ask(probe);
  EXPECT_TRUE(answer(probe, "a page").starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace sealmq::server
