#include "mqtt/outbox.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace sealmq::mqtt {
namespace {

/// What a transport would write, with at most `parts` pieces at a time.
Buffer gathered(const Outbox& outbox, std::size_t parts = 16) {
  std::vector<iovec> pieces(parts);
  std::size_t count = outbox.gather(pieces);
  Buffer out;
  for (std::size_t i = 0; i < count; ++i) append(out, {static_cast<const std::uint8_t*>(pieces[i].iov_base), pieces[i].iov_len});
  return out;
}

std::shared_ptr<const Buffer> shared(std::size_t size, std::uint8_t content) {
  return std::make_shared<const Buffer>(size, content);
}

TEST(Outbox, KeepsTheOrderOfCopiedAndSharedPackets) {
  Outbox outbox;
  Buffer expected;
  auto put = [&](Bytes bytes) {
    outbox.append(bytes);
    append(expected, bytes);
  };
  put(as_bytes("one"));
  auto large = shared(Outbox::share_from, 'L');
  outbox.append_shared(large);
  append(expected, *large);
  put(as_bytes("two"));
  append(outbox.tail(), as_bytes("three"));
  append(expected, as_bytes("three"));
  EXPECT_EQ(outbox.size(), expected.size());
  EXPECT_EQ(gathered(outbox), expected);
  EXPECT_EQ(gathered(outbox, 1), to_buffer(as_bytes("one")));
}

TEST(Outbox, RefersToALargePacketAndCopiesASmallOne) {
  Outbox outbox;
  auto large = shared(Outbox::share_from, 'L'), small = shared(Outbox::share_from - 1, 's');
  outbox.append_shared(large);
  outbox.append_shared(small);
  EXPECT_EQ(large.use_count(), 2);
  EXPECT_EQ(small.use_count(), 1);
  outbox.consume(large->size());
  EXPECT_EQ(large.use_count(), 1);
  EXPECT_EQ(gathered(outbox), *small);
}

TEST(Outbox, KeepsALittleMemoryWhenEmptyAndNoneAfterGivingBack) {
  Outbox outbox;
  outbox.append(Buffer(100, 'x'));
  outbox.give_back();
  EXPECT_EQ(outbox.size(), 100u) << "what is owed stays";
  outbox.consume(100);
  EXPECT_GE(outbox.tail().capacity(), 100u) << "the next packet needs no allocation";
  outbox.give_back();
  EXPECT_EQ(outbox.tail().capacity(), 0u);
  outbox.append(Buffer(Outbox::keep_at_most + 1, 'x'));
  outbox.consume(outbox.size());
  EXPECT_EQ(outbox.tail().capacity(), 0u);
}

TEST(Outbox, GivesItsMemoryBackWhenNothingWasWrittenBetweenTwoRests) {
  Outbox outbox;
  outbox.append(Buffer(100, 'x'));
  outbox.rest();
  EXPECT_EQ(outbox.size(), 100u) << "what is owed stays";
  outbox.consume(100);
  outbox.rest();
  EXPECT_GE(outbox.tail().capacity(), 100u) << "it was busy just now";
  outbox.rest();
  EXPECT_EQ(outbox.tail().capacity(), 0u);
}

TEST(Outbox, DoesNotGrowBehindAReaderThatIsNeverQuiteFinished) {
  Outbox outbox;
  outbox.append(Buffer(10, 'x'));
  for (int i = 0; i < 10'000; ++i) {
    outbox.append(Buffer(100, 'x'));
    outbox.consume(100);
  }
  EXPECT_EQ(outbox.size(), 10u);
  EXPECT_LT(outbox.tail().capacity(), 32'768u);
}

TEST(Outbox, ClearsEverything) {
  Outbox outbox;
  outbox.append(as_bytes("a"));
  outbox.append_shared(shared(5000, 'L'));
  outbox.append(as_bytes("b"));
  outbox.consume(1);
  outbox.clear();
  EXPECT_TRUE(outbox.empty());
  EXPECT_TRUE(gathered(outbox).empty());
}

RC_GTEST_PROP(OutboxAgainstAString, WritesWhatWasAppendedInWhateverPieces, ()) {
  Outbox outbox;
  Buffer expected, written;
  std::uint8_t content = 0;
  for (unsigned step = *rc::gen::inRange(1u, 40u); step > 0; --step) {
    std::size_t size = *rc::gen::element<std::size_t>(0, 1, 7, 300, 4095, 4096, 9000);
    Buffer bytes(size, ++content);
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        outbox.append(bytes);
        break;
      case 1:
        append(outbox.tail(), bytes);
        break;
      case 2:
        outbox.append_shared(std::make_shared<const Buffer>(bytes));
        break;
      default: {
        Buffer next = gathered(outbox, *rc::gen::inRange<std::size_t>(1, 5));
        std::size_t count = std::min(next.size(), *rc::gen::inRange<std::size_t>(0, 20'000));
        append(written, Bytes(next).first(count));
        outbox.consume(count);
        bytes.clear();
      }
    }
    append(expected, bytes);
    RC_ASSERT(outbox.size() + written.size() == expected.size());
  }
  append(written, gathered(outbox, 100));
  RC_ASSERT(written == expected);
}

}  // namespace
}  // namespace sealmq::mqtt
