#include "broker/connections/connection_table.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

struct FakeConnection {
  ConnectionId id;
  bool ended = false;
};

class ConnectionTableTest : public ::testing::Test {
 protected:
  FakeConnection& open() {
    return table.open([](ConnectionId id) { return std::make_unique<FakeConnection>(FakeConnection{id}); });
  }
  ConnectionTable<FakeConnection> table;
};

TEST_F(ConnectionTableTest, AnIdentifierIsNeverUsedAgain) {
  const ConnectionId first = open().id;
  EXPECT_NE(table.find(first), nullptr);
  table.close(first);
  EXPECT_EQ(table.find(first), nullptr);
  const ConnectionId second = open().id;
  EXPECT_EQ(second.slot, first.slot);
  EXPECT_FALSE(second == first);
  EXPECT_EQ(table.find(first), nullptr);
  EXPECT_EQ(table.find({17, 1}), nullptr);
}

TEST_F(ConnectionTableTest, VisitsThoseThatHaveNotEndedThoughOthersComeAndEnd) {
  std::vector<ConnectionId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(open().id);
  table.find(ids[1])->ended = true;
  std::vector<std::uint32_t> visited;
  table.for_each([&](FakeConnection& connection) {
    visited.push_back(connection.id.slot);
    if (visited.size() == 1) {
      table.find(ids[2])->ended = true;
      for (int i = 0; i < 100; ++i) open();
    }
  });
  EXPECT_EQ(visited.size(), 101U);
  EXPECT_EQ(visited[1], 3U);
}

}  // namespace
}  // namespace sealmq::broker
