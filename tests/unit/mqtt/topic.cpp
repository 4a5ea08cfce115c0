#include "mqtt/topic.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace sealmq::mqtt {
namespace {

using namespace std::literals;

TEST(TopicName, HasOneTo65535BytesAndNoWildcard) {
  for (auto good : {"a", "/", "a//b", " ", "$SYS/x", "été"}) EXPECT_TRUE(is_topic_name(good)) << good;
  for (auto bad : {"", "a/#", "+", "a+b", "\xFF"}) EXPECT_FALSE(is_topic_name(bad)) << bad;
  EXPECT_FALSE(is_topic_name("a\0b"sv));  // [MQTT-4.7.3-2]
  EXPECT_TRUE(is_topic_name(std::string(65535, 'a')));
  EXPECT_FALSE(is_topic_name(std::string(65536, 'a')));  // [MQTT-4.7.3-3]
}

// The examples of MQTT 5 sections 4.7.1.2 and 4.7.1.3
TEST(TopicFilter, HasWildcardsThatFillALevel) {
  for (auto good :
       {"#", "sport/tennis/#", "+", "+/tennis/#", "sport/+/player1", "/finance", "+/+", "/+", "a", "$SYS/#", "$share"})
    EXPECT_TRUE(is_topic_filter(good)) << good;
  for (auto bad : {"", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "#/", "##", "+#", "++", "a/b+/c"})
    EXPECT_FALSE(is_topic_filter(bad)) << bad;
  EXPECT_FALSE(is_topic_filter("$share/group/a"));
  EXPECT_FALSE(is_topic_filter(std::string(65536, 'a')));
}

TEST(SharedFilter, IsTakenApart) {
  const auto shared = SharedFilter::parse("$share/group/a/+/#");
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->name, "group");
  EXPECT_EQ(shared->filter, "a/+/#");
  for (auto bad : {"share/group/a", "$share", "$share/", "$share/group", "$share/group/", "$share//a", "$share/gr+oup/a",
                   "$share/gr#oup/a", "$share/group/a#", "$share/group/$share/group/a", "$share/\xFF/a"})
    EXPECT_FALSE(SharedFilter::parse(bad)) << bad;
  EXPECT_FALSE(SharedFilter::parse("$share/group/" + std::string(65535, 'a')));
}

TEST(Topic, CountsItsLevels) {
  EXPECT_EQ(levels("a"), 1u);
  EXPECT_EQ(levels("a/b/c"), 3u);
  EXPECT_EQ(levels("/"), 2u);
  EXPECT_EQ(levels("a/"), 2u);
}

TEST(Topic, KnowsAWildcard) {
  EXPECT_TRUE(has_wildcard("a/+"));
  EXPECT_TRUE(has_wildcard("#"));
  EXPECT_FALSE(has_wildcard("a/b$"));
}

TEST(Matches, AsTheStandardsExamplesSay) {
  EXPECT_TRUE(matches("sport/tennis/player1/#", "sport/tennis/player1"));
  EXPECT_TRUE(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
  EXPECT_TRUE(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
  EXPECT_FALSE(matches("sport/tennis/player1/#", "sport/tennis/player10"));
  EXPECT_TRUE(matches("sport/#", "sport"));
  EXPECT_TRUE(matches("sport/tennis/+", "sport/tennis/player1"));
  EXPECT_FALSE(matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  EXPECT_FALSE(matches("sport/+", "sport"));
  EXPECT_TRUE(matches("sport/+", "sport/"));
  EXPECT_TRUE(matches("+/+", "/finance"));
  EXPECT_TRUE(matches("/+", "/finance"));
  EXPECT_FALSE(matches("+", "/finance"));
  EXPECT_FALSE(matches("ACCOUNTS", "Accounts"));
}

// [MQTT-4.7.2-1]
TEST(Matches, NoNameThatBeginsWithADollarByAWildcard) {
  EXPECT_FALSE(matches("#", "$SYS/a"));
  EXPECT_FALSE(matches("+/monitor/Clients", "$SYS/monitor/Clients"));
  EXPECT_TRUE(matches("$SYS/#", "$SYS/"));
  EXPECT_TRUE(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
  EXPECT_TRUE(matches("a/+", "a/$b"));
}

TEST(Covers, ByExample) {
  EXPECT_TRUE(covers("a/#", "a/+/c"));
  EXPECT_TRUE(covers("a/#", "a"));
  EXPECT_TRUE(covers("+/#", "#"));
  EXPECT_TRUE(covers("#", "+/#"));
  EXPECT_TRUE(covers("a/+", "a/+"));
  EXPECT_FALSE(covers("a/+", "a/#"));
  EXPECT_FALSE(covers("a/b", "a/+"));
  EXPECT_FALSE(covers("#", "$SYS/a"));
  EXPECT_FALSE(covers("+/a", "$SYS/a"));
  EXPECT_FALSE(covers("a/+/#", "a/#"));
}

TEST(Intersects, ByExample) {
  EXPECT_TRUE(intersects("a/+/c", "a/b/#"));
  EXPECT_TRUE(intersects("a/#", "a"));
  EXPECT_FALSE(intersects("a/+", "a"));
  EXPECT_FALSE(intersects("a/+", "b/#"));
  EXPECT_FALSE(intersects("#", "$SYS/a"));
  EXPECT_FALSE(intersects("$SYS/#", "+/a"));
  EXPECT_FALSE(intersects("/#", "+"));  // the one name in question would be empty
}

TEST(MoreSpecific, ByExample) {
  EXPECT_TRUE(more_specific("a/b", "a/+"));
  EXPECT_TRUE(more_specific("a/+", "a/#"));
  EXPECT_TRUE(more_specific("a/b/c", "a/b"));
  EXPECT_TRUE(more_specific("a", "a/#"));
  EXPECT_TRUE(more_specific("a/#", "#"));
  EXPECT_TRUE(more_specific("a/+/c", "+/b/c"));
  EXPECT_FALSE(more_specific("a/b", "c/d"));
  EXPECT_FALSE(more_specific("c/d", "a/b"));
  EXPECT_FALSE(more_specific("a", "a"));
}

// -- against brute force over every filter and name of up to three levels -------------------------------------------------------

std::vector<std::string> paths(const std::vector<std::string>& words, unsigned depth) {
  std::vector<std::string> all = words, last = words;
  for (unsigned i = 1; i < depth; ++i) {
    std::vector<std::string> longer;
    for (auto& front : last)
      for (auto& word : words) longer.push_back(front + "/" + word);
    all.insert(all.end(), longer.begin(), longer.end());
    last = longer;
  }
  return all;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out(1);
  for (char c : text) {
    if (c == '/')
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

/// The standard's words, by recursion.
bool matches_from(const std::vector<std::string>& filter, const std::vector<std::string>& name, std::size_t i) {
  if (i == filter.size()) return i == name.size();
  if (filter[i] == "#") return true;  // here or one level above, which is where the recursion stands when the name has ended
  if (i == name.size()) return false;
  if (filter[i] != "+" && filter[i] != name[i]) return false;
  return matches_from(filter, name, i + 1);
}
bool reference(const std::string& filter, const std::string& name) {
  bool wild = filter[0] == '+' || filter[0] == '#';
  return !(wild && name[0] == '$') && matches_from(split(filter), split(name), 0);
}

struct Universe {
  std::vector<std::string> filters, names;
  std::vector<std::vector<bool>> matched;  // by filter, by name
  Universe() {
    for (auto& filter : paths({"a", "$b", "", "+", "#"}, 3))
      if (is_topic_filter(filter)) filters.push_back(filter);
    // One level more and one word more than the filters know, so that there is always a name that only a wildcard matches.
    for (auto& name : paths({"a", "$b", "", "z"}, 4))
      if (is_topic_name(name)) names.push_back(name);
    for (auto& filter : filters) {
      auto& row = matched.emplace_back();
      for (auto& name : names) row.push_back(reference(filter, name));
    }
  }
};

TEST(TopicsByBruteForce, MatchesAgrees) {
  Universe u;
  for (std::size_t f = 0; f < u.filters.size(); ++f)
    for (std::size_t n = 0; n < u.names.size(); ++n)
      ASSERT_EQ(matches(u.filters[f], u.names[n]), u.matched[f][n]) << u.filters[f] << " and " << u.names[n];
}

TEST(TopicsByBruteForce, CoversAndIntersectsAgree) {
  Universe u;
  ASSERT_GT(u.filters.size(), 50u);
  for (std::size_t a = 0; a < u.filters.size(); ++a) {
    for (std::size_t b = 0; b < u.filters.size(); ++b) {
      bool all = true, some = false;
      for (std::size_t n = 0; n < u.names.size(); ++n) {
        if (u.matched[b][n] && !u.matched[a][n]) all = false;
        if (u.matched[b][n] && u.matched[a][n]) some = true;
      }
      ASSERT_EQ(covers(u.filters[a], u.filters[b]), all) << u.filters[a] << " over " << u.filters[b];
      ASSERT_EQ(intersects(u.filters[a], u.filters[b]), some) << u.filters[a] << " and " << u.filters[b];
    }
  }
}

TEST(TopicsByBruteForce, AFilterIsMoreSpecificThanOneThatCoversItAndMore) {
  Universe u;
  for (auto& wide : u.filters) {
    for (auto& narrow : u.filters) {
      bool more = covers(wide, narrow) && !covers(narrow, wide);
      if (more) {
        ASSERT_TRUE(more_specific(narrow, wide)) << narrow << " in " << wide;
      }
      ASSERT_FALSE(more_specific(wide, narrow) && more_specific(narrow, wide)) << narrow << " and " << wide;
    }
  }
}

}  // namespace
}  // namespace sealmq::mqtt
