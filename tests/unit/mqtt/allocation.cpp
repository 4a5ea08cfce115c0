// The hot path asks the heap for nothing. Counted by replacing the global operator new of this test program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "mqtt/connection.h"
#include "unit/mqtt/packet_support.h"

namespace {
std::size_t allocations = 0;
}

// Not inlined, or the compiler sees free() meet a pointer from new and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace sealmq::mqtt::test {
namespace {

template <class Work>
std::size_t allocations_of(Work work) {
  std::size_t before = allocations;
  work();
  return allocations - before;
}

TEST(Allocation, IsNotNeededToDecodeOrEncodeAPublish) {
  ASSERT_EQ(allocations_of([] { ::operator delete(::operator new(1)); }), 1u) << "the counter counts";
  Publish p;
  p.topic = "plant/boiler/7/temperature";
  p.payload = as_bytes("a payload of some length, longer than any small string");
  p.qos = QoS::at_least_once;
  p.packet_id = 7;
  for (Version version : versions) {
    Buffer bytes = encoded(p, version);
    std::size_t header = (*decode_header(bytes, version))->size;
    EXPECT_EQ(allocations_of([&] { ASSERT_TRUE(decode_publish(0x02, Bytes(bytes).subspan(header), version)); }), 0u);
    Buffer out;
    out.reserve(bytes.size());
    EXPECT_EQ(allocations_of([&] { encode(p, version, out); }), 0u);
    EXPECT_EQ(out, bytes);
  }
}

TEST(Allocation, IsNotNeededForAMessageThroughABusyConnection) {
  struct Answering : Events {
    using Events::on;
    Result<> on(const Connect&, Bytes) override {
      connection->send(Connack{});
      return {};
    }
    Result<> on(const Publish& p) override {
      connection->send(p);
      Puback answer;
      answer.packet_id = p.packet_id;
      connection->send(answer);
      connection->answered();
      return {};
    }
    Connection* connection = nullptr;
  } events;
  Connection connection(Role::server, {}, {});
  events.connection = &connection;
  ASSERT_TRUE(connection.receive(packet(0x10, "00 04 'MQTT' 05 02 00 00 00 00 01 'a'"), events, {}));
  Buffer bytes = packet(0x32, "00 05 'a/b/c' 00 07 00 'a payload'");
  auto turn = [&] {
    ASSERT_TRUE(connection.receive(bytes, events, {}));
    connection.outbox().consume(connection.outbox().size());
  };
  turn();  // the first one makes room
  EXPECT_EQ(allocations_of([&] {
              for (int i = 0; i < 100; ++i) turn();
            }),
            0u);
}

}  // namespace
}  // namespace sealmq::mqtt::test
