#include "server/mailbox.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

constexpr std::size_t owner = 1;

Parcels messages(std::initializer_list<std::string> topics, const Buffer& payload = {}) {
  Parcels made;
  for (const std::string& topic : topics) {
    broker::MessageView view;
    view.topic = topic;
    view.payload = view.wire = payload;
    made.emplace_back().message = std::make_shared<const broker::Message>(view);
  }
  return made;
}

TEST(Mailbox, KeepsTheOrderAndWakesOnlyOnce) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(mailbox.put(messages({"a", "b"}), owner).wake);
  EXPECT_FALSE(mailbox.put(messages({"c"}), owner).wake);
  EXPECT_TRUE(mailbox.holds_some());

  std::string topics;
  for (const auto& parcel : mailbox.take().parcels) topics += parcel.message->view().topic;
  EXPECT_EQ(topics, "abc");
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(mailbox.put(messages({"d"}), owner).wake);
}

TEST(Mailbox, WhoeverWasToldToWaitCanBeSureThatTheTakerKnows) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.put(messages({"a"}, Buffer(9 << 20)), owner).overfull);
  EXPECT_FALSE(mailbox.take().was_overfull);
  EXPECT_FALSE(mailbox.put(messages({"a"}, Buffer(9 << 20)), owner).overfull);
  EXPECT_TRUE(mailbox.put(messages({"b"}, Buffer(9 << 20)), owner).overfull);
  EXPECT_TRUE(mailbox.put(messages({"c"}), owner).overfull);
  EXPECT_TRUE(mailbox.take().was_overfull);
  EXPECT_FALSE(mailbox.take().was_overfull);
}

TEST(Mailbox, TakesOnlyWhatIsForItsOwner) {
  Mailbox mailbox;
  Parcels parcels = messages({"for everyone", "for me", "for somebody else"});
  parcels[1].to = owner;
  parcels[2].to = owner + 1;
  EXPECT_FALSE(mailbox.put({&parcels[2], 1}, owner).wake);
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(mailbox.put(parcels, owner).wake);
  EXPECT_EQ(mailbox.take().parcels.size(), 2U);
}

}  // namespace
}  // namespace sealmq::server
