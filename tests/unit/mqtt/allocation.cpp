// The hot path asks the heap for nothing. Counted by replacing the global operator new of this test program.
#include <gtest/gtest.h>

#include "mqtt/connection.h"
#include "support/counted_new.h"
#include "unit/mqtt/packet_support.h"

namespace sealmq::mqtt::test {
namespace {

using sealmq::testing::allocations_of;

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
