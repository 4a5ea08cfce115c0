// How much of a connection is read at a time.
#include "net/tcp_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <numeric>

namespace sealmq::net {
namespace {

class TcpConnectionsTest : public ::testing::Test, private ByteSink {
 protected:
  TcpConnectionsTest() { peer = connect(key); }

  /// The peer's end of a new connection.
  Descriptor connect(Key of) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    Descriptor its(ends[1]);
    const int size = 1 << 20;
    EXPECT_EQ(::setsockopt(its.number(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    connections.add(of, {Descriptor(ends[0]), {}, nullptr, {}});
    return its;
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
  std::vector<std::uint32_t> readers;  // of each, its slot
  bool stops_at_each = false;

 private:
  bool received(Key from, Bytes bytes) override {
    reads.push_back(bytes.size());
    readers.push_back(from.slot);
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

TEST_F(TcpConnectionsTest, ThoseThatAlwaysHaveMoreShareATurn) {
  constexpr std::uint32_t count = 128;
  const Buffer bytes(60 * kilobyte, 'x');
  std::vector<Descriptor> peers;
  for (std::uint32_t slot = 1; slot <= count; ++slot) {
    peers.push_back(connect({slot, 1}));
    ASSERT_EQ(::send(peers.back().number(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  loop.restart();
  loop.poll();
  std::vector<std::size_t> times(count + 1);
  std::map<std::size_t, std::size_t> of_turn;  // all that was read when each had its first turn, its second
  for (std::size_t i = 0; i < reads.size(); ++i) of_turn[++times[readers[i]]] += reads[i];
  EXPECT_GE(of_turn.size(), 5U);
  for (const auto& [turn, bytes_read] : of_turn)
    EXPECT_LE(bytes_read, turn == 1 ? count * TcpConnections::first_read : 1024 * kilobyte) << "in turn " << turn;
  EXPECT_EQ(std::accumulate(reads.begin(), reads.end(), std::size_t{0}), count * bytes.size());

  EXPECT_EQ(read(50 * kilobyte).front(), 16 * kilobyte) << "nobody has more any longer";
  peers.clear();
  loop.restart();
  loop.poll();
  EXPECT_EQ(read(60 * kilobyte), (std::vector<std::size_t>{60 * kilobyte}));
}

}  // namespace
}  // namespace sealmq::net
