#include "broker/retained.h"

#include <gtest/gtest.h>

namespace sealmq::broker {
namespace {

std::shared_ptr<const Message> message(std::string_view topic, std::string_view payload, std::uint64_t stamp,
                                       std::string_view author = "") {
  return std::make_shared<const Message>(
      MessageView{.topic = topic, .payload = as_bytes(payload), .wire = as_bytes(payload), .author = author, .stamp = stamp});
}

std::vector<std::string> found(const Retained& retained, std::string_view filter) {
  std::vector<std::string> payloads;
  retained.for_each(filter, 0, [&](const auto& m) { payloads.emplace_back(as_text(m->view().payload)); });
  return payloads;
}

TEST(Retained, AgreesBetweenShardsWhateverTheOrder) {
  auto first = message("t", "first", 1), second = message("t", "second", 2), erased = message("t", "", 3);
  Retained a(10), b(10);
  for (const auto& m : {first, second, erased}) a.store(m, 0);
  for (const auto& m : {erased, second, first}) b.store(m, 0);
  EXPECT_EQ(a.size(), 0U);
  EXPECT_EQ(b.size(), 0U);
}

TEST(Retained, FindsByPrefixAndWildcard) {
  Retained retained(10);
  for (auto topic : {"a", "a/b", "a/b/c", "ab", "b", "$s/b"}) retained.store(message(topic, topic, 1), 0);
  EXPECT_EQ(found(retained, "a/#"), (std::vector<std::string>{"a", "a/b", "a/b/c"}));
  EXPECT_EQ(found(retained, "a/+"), (std::vector<std::string>{"a/b"}));
  EXPECT_EQ(found(retained, "ab"), (std::vector<std::string>{"ab"}));
  EXPECT_EQ(found(retained, "#").size(), 5U);
  EXPECT_EQ(found(retained, "+/b"), (std::vector<std::string>{"a/b"}));
}

TEST(Retained, KeepsToItsLimitAndFreesWhatIsErased) {
  Retained retained(2);
  auto store_if_room = [&](const std::shared_ptr<const Message>& m) {
    const bool has_room = retained.has_room(m->view().topic, m->size());
    if (has_room) retained.store(m, 0);
    return has_room;
  };
  EXPECT_TRUE(store_if_room(message("a", "x", 1)));
  EXPECT_TRUE(store_if_room(message("b", "x", 1)));
  EXPECT_FALSE(store_if_room(message("c", "x", 1)));
  EXPECT_TRUE(store_if_room(message("a", "y", 2))) << "a new value for a topic it has";
  EXPECT_TRUE(store_if_room(message("a", "", 3)));
  EXPECT_TRUE(store_if_room(message("c", "x", 4)));
  EXPECT_EQ(retained.size(), 2U);
  retained.tick(20'000, [](const Message&) {});
  EXPECT_EQ(retained.size(), 2U);
}

TEST(Retained, ErasesWhatAnAuthorLeft) {
  Retained retained(10);
  retained.store(message("a", "x", 1, "boiler-7"), 0);
  retained.store(message("b", "x", 1, "boiler-8"), 0);
  std::size_t erased = 0;
  retained.erase_of("boiler-7", [&](const Message&) { ++erased; });
  EXPECT_EQ(erased, 1U);
  EXPECT_EQ(found(retained, "#").size(), 1U);
}

}  // namespace
}  // namespace sealmq::broker
