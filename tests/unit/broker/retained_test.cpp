#include "broker/routing/retained.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

std::shared_ptr<const Message> message(std::string_view topic, std::string_view payload, std::uint64_t stamp,
                                       std::string_view author = "") {
  return std::make_shared<const Message>(
      MessageView{.topic = topic, .payload = as_bytes(payload), .wire = as_bytes(payload), .author = author, .stamp = stamp});
}

std::vector<std::string> found(const Retained& retained, std::string_view filter) {
  std::vector<std::string> payloads;
  std::string from;
  std::size_t steps = SIZE_MAX;
  EXPECT_TRUE(retained.walk(filter, from, 0, steps, [&](const auto& m, auto) {
    payloads.emplace_back(as_text(m->view().payload));
    return true;
  }));
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

// Against a walk through everything, with the characters that stand beside '/' in the order of names.
RC_GTEST_PROP(Retained, WalksThroughWhatMatchesInSlicesOfAnySize, ()) {
  const auto level = [](std::vector<std::string> words) { return rc::gen::elementOf(std::move(words)); };
  const auto joined = [](const std::vector<std::string>& levels) {
    std::string text;
    for (const auto& l : levels) text += (text.empty() && &l == &levels.front() ? "" : "/") + l;
    return text;
  };
  const std::vector<std::string> names{"a", "b", "", "a-", "a0", "$s", "ab", "a."};
  std::vector<std::string> words = names;
  for (int i = 0; i < 6; ++i) words.emplace_back("+");
  const auto path = [&](const std::vector<std::string>& of) {
    return rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(level(of))));
  };
  Retained retained(1000);
  std::set<std::string> topics;
  const auto paths = *rc::gen::container<std::vector<std::vector<std::string>>>(path(names));
  for (const auto& one : paths) {
    const std::string topic = joined(one);
    if (!mqtt::is_topic_name(topic)) continue;
    topics.insert(topic);
    retained.store(message(topic, topic, 1), 0);
  }
  std::string filter = joined(*path(words));
  if (*rc::gen::arbitrary<bool>()) filter += "/#";
  RC_PRE(mqtt::is_topic_filter(filter));
  std::vector<std::string> expected;
  for (const auto& topic : topics)
    if (mqtt::matches(filter, topic)) expected.push_back(topic);
  const std::size_t slice = *rc::gen::inRange<std::size_t>(1, 4);
  std::vector<std::string> got;
  std::string from;
  for (bool is_done = false; !is_done;) {
    std::size_t steps = slice;
    is_done = retained.walk(filter, from, 0, steps, [&](const auto& m, auto) {
      got.emplace_back(m->view().topic);
      return got.size() % 3 != 0;
    });
  }
  RC_ASSERT(got == expected);
}

TEST(Retained, AFilterVisitsWhatItCanMatch) {
  Retained retained(100'000);
  for (int i = 0; i < 100; ++i)
    for (int k = 0; k < 100; ++k) {
      const std::string topic = "house/" + std::to_string(i) + "/room/" + std::to_string(k);
      retained.store(message(topic, "x", 1), 0);
    }
  const auto steps_for = [&](std::string_view filter) {
    std::string from;
    std::size_t steps = SIZE_MAX;
    EXPECT_TRUE(retained.walk(filter, from, 0, steps, [](const auto&, auto) { return true; }));
    return SIZE_MAX - steps;
  };
  EXPECT_LE(steps_for("house/7/room/8"), 4U);
  EXPECT_LE(steps_for("house/7/#"), 104U);
  EXPECT_LE(steps_for("house/+/room/8"), 500U);
  EXPECT_LE(steps_for("none/#"), 2U);
  EXPECT_LE(steps_for("+/none/#"), 8U);
}

TEST(Retained, TheOldestMarksMakeRoom) {
  Retained retained(3);
  for (std::uint64_t i = 0; i < 10; ++i) retained.store(message("t/" + std::to_string(i), "", 10 + i), 0);
  retained.store(message("t/9", "an older one", 5), 0);
  EXPECT_EQ(retained.size(), 0U) << "it has been erased";
  retained.store(message("t/0", "an older one", 5), 0);
  EXPECT_EQ(retained.size(), 1U) << "that mark has made room";
  EXPECT_TRUE(retained.has_room("new", 10, "p"));
}

TEST(Retained, MarksTakeAnEighthOfTheBytesAtMost) {
  Budget budget(1 << 30);
  constexpr std::size_t most = 800'000;
  Retained retained(100'000, most, &budget);
  const auto topic = [](int i) { return std::to_string(i) + std::string(1000, 't'); };
  for (int i = 0; i < 1000; ++i) {
    retained.store(message(topic(i), "", 10), 0);
    EXPECT_LE(budget.used(), 3 * most / 8) << "the topic in the table, in the list, and what both take";
  }
  EXPECT_TRUE(retained.has_room("new", most / 2, "p")) << "they take nobody's bytes";
  retained.store(message(topic(999), "older", 5), 0);
  EXPECT_EQ(retained.size(), 0U) << "the last ones are remembered";
  retained.store(message(topic(0), "older", 5), 0);
  EXPECT_EQ(retained.size(), 1U) << "the first ones have made room";
}

TEST(Retained, AnErasureThatIsRepeatedTakesNoMoreRoom) {
  Budget budget(1 << 30);
  Retained retained(100'000, 8 << 20, &budget);
  const std::string topic(60'000, 't');
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    retained.store(message(topic, "", 2 * i), 0);
    retained.store(message("other", "", 2 * i + 1), 0);
  }
  EXPECT_LT(budget.used(), std::size_t{4} << 20);
  retained.tick(20'000, [](const Message&) {});
  EXPECT_EQ(budget.used(), 0U);
}

TEST(Retained, KeepsToItsLimitAndFreesWhatIsErased) {
  Retained retained(2);
  auto store_if_room = [&](const std::shared_ptr<const Message>& m) {
    const bool has_room = retained.has_room(m->view().topic, m->size(), "p");
    if (has_room) retained.store(m, 0, "p");
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

TEST(Retained, WhoFillsItLeavesRoomForOthers) {
  for (const bool by_bytes : {false, true}) {
    Retained retained(by_bytes ? 100'000 : 400, by_bytes ? 400'000 : SIZE_MAX);
    const std::string payload(by_bytes ? 500 : 1, 'x');
    const auto fill = [&](const std::string& party, const std::string& topics = "") {
      std::size_t stored = 0;
      for (; stored < 1000; ++stored) {
        const auto m = message(party + topics + "/" + std::to_string(stored), payload, 1);
        if (!retained.has_room(m->view().topic, m->size(), party)) break;
        retained.store(m, 0, party);
      }
      return stored;
    };
    const std::size_t first = fill("one");
    EXPECT_GE(first, by_bytes ? 250U : 300U);
    for (const auto* another : {"two", "three", "four"}) EXPECT_GE(fill(another), by_bytes ? 2U : 4U) << another;
    EXPECT_EQ(fill("one", "-more"), 0U);
    for (std::size_t i = 0; i < first; ++i) retained.store(message("one/" + std::to_string(i), "", 2), 0);
    EXPECT_GE(fill("one", "-again"), first / 2) << "what is erased makes room again";
  }
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
