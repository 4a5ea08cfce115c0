#include "server/mailbox.h"

#include <gtest/gtest.h>

namespace sealmq::server {
namespace {

constexpr std::size_t owner = 1, sender = 0;
constexpr std::uint64_t now = 5000;

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

Mailbox::Put put(Mailbox& mailbox, std::span<const broker::Parcel> parcels, std::uint64_t steady = now) {
  return mailbox.put(parcels, owner, sender, steady);
}

TEST(Mailbox, KeepsTheOrderAndWakesOnlyOnce) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(put(mailbox, messages({"a", "b"})).wake);
  EXPECT_FALSE(put(mailbox, messages({"c"})).wake);
  EXPECT_TRUE(mailbox.holds_some());

  std::string topics;
  for (const auto& parcel : mailbox.take().parcels) topics += parcel.message->view().topic;
  EXPECT_EQ(topics, "abc");
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(put(mailbox, messages({"d"})).wake);
}

TEST(Mailbox, WhoeverWasToldToWaitIsNamedToTheTaker) {
  Mailbox mailbox(10 << 20);
  EXPECT_EQ(put(mailbox, messages({"a"}, Buffer(9 << 20))).mail, Mail::flows);
  EXPECT_TRUE(mailbox.take().waiting.empty());
  EXPECT_EQ(put(mailbox, messages({"a"}, Buffer(9 << 20))).mail, Mail::flows);
  EXPECT_EQ(put(mailbox, messages({"b"}, Buffer(9 << 20))).mail, Mail::full);
  EXPECT_EQ(put(mailbox, messages({"c"})).mail, Mail::full);
  EXPECT_EQ(mailbox.put({}, owner, 2, now).mail, Mail::full) << "another sender";
  EXPECT_EQ(mailbox.take().waiting, (std::vector<std::size_t>{sender, 2}));
  EXPECT_TRUE(mailbox.take().waiting.empty());
  EXPECT_EQ(mailbox.state_at(now), Mail::flows);
}

TEST(Mailbox, OneThatIsNotTakenLosesWhatNobodyWasPromised) {
  Mailbox mailbox(1000);
  ASSERT_EQ(put(mailbox, messages({"first"}, Buffer(2000))).mail, Mail::full);
  EXPECT_EQ(put(mailbox, messages({"soon"}), now + Mailbox::patience - 1).dropped, 0U);
  const std::uint64_t later = now + Mailbox::patience;
  EXPECT_EQ(mailbox.state_at(later), Mail::stuck);
  Parcels parcels = messages({"lost", "retained", "group"});
  broker::MessageView view;
  view.topic = "retained";
  view.retain = true;
  parcels[1].message = std::make_shared<const broker::Message>(view);
  view = {};
  view.topic = "promised";
  view.qos = mqtt::QoS::at_least_once;
  parcels[2].message = std::make_shared<const broker::Message>(view);
  const Mailbox::Put result = put(mailbox, parcels, later);
  EXPECT_EQ(result.dropped, 1U);
  EXPECT_EQ(result.mail, Mail::stuck);
  std::string topics;
  for (const auto& parcel : mailbox.take().parcels) topics += std::string(parcel.message->view().topic) + " ";
  EXPECT_EQ(topics, "first soon retained promised ");
  EXPECT_EQ(put(mailbox, messages({"again"}), later).dropped, 0U);
}

TEST(Mailbox, CountsWhatIsInItUntilItHasBeenDealtWith) {
  broker::Budget budget(100 << 20);
  {
    Mailbox mailbox(10 << 20, &budget);
    put(mailbox, messages({"a"}, Buffer(5 << 20)));
    EXPECT_GE(budget.used(), 5U << 20);
    auto taken = mailbox.take();
    EXPECT_GE(budget.used(), 5U << 20) << "it is not gone yet";
    put(mailbox, messages({"b"}, Buffer(5 << 20)));
    EXPECT_GE(budget.used(), 10U << 20);
    taken = {};
    EXPECT_LE(budget.used(), 6U << 20);
    broker::MessageView view;
    const Buffer payload(1 << 20);
    view.payload = view.wire = payload;
    Parcels counted(1);
    counted[0].message = std::make_shared<const broker::Message>(view, 0, &budget);
    const std::size_t before = budget.used();
    put(mailbox, counted);
    EXPECT_LE(budget.used(), before + 8192) << "a message that counts itself counts once";
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Mailbox, TakesOnlyWhatIsForItsOwner) {
  Mailbox mailbox;
  Parcels parcels = messages({"for everyone", "for me", "for somebody else"});
  parcels[1].to = owner;
  parcels[2].to = owner + 1;
  EXPECT_FALSE(put(mailbox, {&parcels[2], 1}).wake);
  EXPECT_FALSE(mailbox.holds_some());
  EXPECT_TRUE(put(mailbox, parcels).wake);
  EXPECT_EQ(mailbox.take().parcels.size(), 2U);
}

}  // namespace
}  // namespace sealmq::server
