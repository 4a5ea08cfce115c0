#include "server/mailbox.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

Messages messages(std::initializer_list<std::string> topics, const Buffer& payload = {}) {
  Messages made;
  for (const std::string& topic : topics) {
    broker::MessageView view;
    view.topic = topic;
    view.payload = view.wire = payload;
    made.push_back(std::make_shared<const broker::Message>(view));
  }
  return made;
}

TEST(Mailbox, KeepsTheOrderAndWakesOnlyOnce) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(mailbox.put(messages({"a", "b"})).wake);
  EXPECT_FALSE(mailbox.put(messages({"c"})).wake);
  EXPECT_TRUE(mailbox.holds_some());

  std::string topics;
  for (const auto& message : mailbox.take().messages) topics += message->view().topic;
  EXPECT_EQ(topics, "abc");
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(mailbox.put(messages({"d"})).wake);
}

TEST(Mailbox, WhoeverWasToldToWaitCanBeSureThatTheTakerKnows) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.put(messages({"a"}, Buffer(9 << 20))).overfull);
  EXPECT_FALSE(mailbox.take().was_overfull);
  EXPECT_FALSE(mailbox.put(messages({"a"}, Buffer(9 << 20))).overfull);
  EXPECT_TRUE(mailbox.put(messages({"b"}, Buffer(9 << 20))).overfull);
  EXPECT_TRUE(mailbox.put(messages({"c"})).overfull);
  EXPECT_TRUE(mailbox.take().was_overfull);
  EXPECT_FALSE(mailbox.take().was_overfull);
}

}  // namespace
}  // namespace sealmq::server
