// How much of a connection is read at a time.
#include "net/tcp_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sealmq::net {
namespace {

class TcpConnectionsTest : public ::testing::Test, private ByteSink {
 protected:
  TcpConnectionsTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    peer = Descriptor(ends[1]);
    const int size = 1 << 20;
    EXPECT_EQ(::setsockopt(peer.number(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    connections.add(key, {Descriptor(ends[0]), {}, nullptr, {}});
  }

  /// Answers in which sizes they were read.
  std::vector<std::size_t> read(std::size_t count) {
    reads.clear();
    const Buffer bytes(count, 'x');
    EXPECT_EQ(::send(peer.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(count));
    loop.restart();
    loop.poll();
    return reads;
  }

  boost::asio::io_context loop{1};
  TcpConnections connections{loop, *this};
  const Key key{0, 1};
  Descriptor peer;
  std::vector<std::size_t> reads;
  bool stops_at_each = false;

 private:
  bool received(Key, Bytes bytes) override {
    reads.push_back(bytes.size());
    if (stops_at_each) connections.set_reading(key, false);
    return false;
  }
  std::size_t gather(Key, std::span<iovec>) override { return 0; }
  void written(Key, std::size_t) override {}
  void closed(Key) override {}
};

constexpr std::size_t kilobyte = 1024;

TEST_F(TcpConnectionsTest, ReadsMoreAtATimeTheMoreThereIs) {
  EXPECT_EQ(read(100), (std::vector<std::size_t>{100}));
  EXPECT_EQ(read(50 * kilobyte), (std::vector<std::size_t>{16 * kilobyte, 32 * kilobyte, 2 * kilobyte}));
  EXPECT_EQ(read(60 * kilobyte), (std::vector<std::size_t>{60 * kilobyte}));
}

TEST_F(TcpConnectionsTest, OfWhomItDoesNotWantToHearItTakesLittleAtATime) {
  read(60 * kilobyte);
  stops_at_each = true;
  EXPECT_EQ(read(60 * kilobyte), (std::vector<std::size_t>{60 * kilobyte}));
  EXPECT_EQ(read(60 * kilobyte), (std::vector<std::size_t>{}));
  for (int i = 0; i < 3; ++i) {
    connections.set_reading(key, true);
    EXPECT_EQ(read(100), (std::vector<std::size_t>{16 * kilobyte}));
  }
}

}  // namespace
}  // namespace sealmq::net
