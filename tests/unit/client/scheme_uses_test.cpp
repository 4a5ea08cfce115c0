// What is named beside a scheme, and has no use in it, is refused: nobody shall take for protected what is not.
#include <gtest/gtest.h>

#include <map>

#include "client/open_scheme.h"
#include "crypto/random.h"
#include "support/identities.h"

namespace sealmq {
namespace {

/// By hand, from the schemes' READMEs: K own key, B the broker's, T readers, F authors, L keys of topics, E evidence.
const std::map<std::string_view, std::string_view> expected{
    {"plain", ""},          {"sl1", "KBFE"},         {"sl1@paper", "KFE"},  {"sl2", "KBFE"},
    {"sl2@paper", "KBFE"},  {"sl3", "KBFE"},         {"sl3@paper", "KBFE"}, {"pmqtt", "KBTF"},
    {"pmqtt@paper", "KTF"}, {"smqtt", "KBTF"},       {"scacauth", "KB"},    {"scacauth@paper", "KB"},
    {"payload", "KTFL"},    {"payload-hop", "KBFL"}, {"payload@paper", ""}, {"payload-hop@paper", ""},
};

constexpr std::pair<Named, char> letters[] = {{Named::key, 'K'},     {Named::broker_key, 'B'}, {Named::readers, 'T'},
                                              {Named::authors, 'F'}, {Named::topic_keys, 'L'}, {Named::evidence, 'E'}};

TEST(SchemeUses, EverySchemeTakesWhatItUsesAndNothingElse) {
  for (const Scheme& scheme : all_schemes()) {
    const std::string name(scheme.info->name);
    ASSERT_TRUE(expected.contains(name)) << "say here what " << name << " uses";
    for (const auto& [named, letter] : letters) {
      const bool is_used = expected.at(name).find(letter) != std::string_view::npos;
      const auto checked = check_uses(name, {named}, {});
      EXPECT_EQ(checked.has_value(), is_used) << name << " " << letter;
      if (!checked) {
        EXPECT_EQ(checked.error().blame, Blame::caller_misused);
      }
    }
  }
}

TEST(SchemeUses, WithoutASchemeNothingIsOfUse) {
  for (const auto& [named, letter] : letters) {
    const auto checked = check_uses("", {named}, {});
    ASSERT_FALSE(checked) << letter;
    EXPECT_NE(checked.error().what.find("without it every message goes in clear"), std::string::npos);
  }
  EXPECT_FALSE(check_uses("", {}, {{"sl2.capability", "x"}}));
  EXPECT_TRUE(check_uses("", {}, {}));
}

TEST(SchemeUses, TheRefusalNamesWhoDoesBetter) {
  const auto checked = check_uses("sl1", {Named::readers}, {});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().what,
            "sl1 does not encrypt for anybody; pmqtt, smqtt and payload do\nhint: another --scheme, or leave out --to");
}

TEST(SchemeUses, AnOptionOfAnotherSchemeIsRefused) {
  EXPECT_TRUE(check_uses("sl2", {}, {{"sl2.capability", "x"}}));
  EXPECT_FALSE(check_uses("sl1", {}, {{"sl2.capability", "x"}}));
  EXPECT_FALSE(check_uses("sl2", {}, {{"sl2.cover", "1"}}));  // of a broker
}

/// The same for who uses the library: each field alone, with each scheme.
TEST(SchemeUses, TheLibraryRefusesFieldsThatTheSchemeWouldIgnore) {
  crypto::OsRandom random;
  const auto is_refused = [&](std::string_view scheme, const auto& set) {
    ConnectOptions options;
    options.scheme = scheme;
    set(options);
    const auto opened = open_scheme(options, random);
    return !opened && (opened.error().what.find("another --scheme, or leave out") != std::string::npos ||
                       opened.error().what.find("need --scheme") != std::string::npos ||
                       opened.error().what.find("needs --scheme") != std::string::npos);
  };
  for (const Scheme& scheme : all_schemes()) {
    const std::string_view name = scheme.info->name;
    const auto uses = [&](char letter) { return expected.at(name).find(letter) != std::string_view::npos; };
    EXPECT_EQ(is_refused(name, [](ConnectOptions& o) { o.key_file = "no such.key"; }), !uses('K')) << name;
    EXPECT_EQ(is_refused(name, [](ConnectOptions& o) { o.broker_key_file = "no such.pub"; }), !uses('B')) << name;
    EXPECT_EQ(is_refused(name, [](ConnectOptions& o) { o.broker.emplace(); }), !uses('B')) << name;
    EXPECT_EQ(is_refused(name, [](ConnectOptions& o) { o.peers.push_back(testing::identity_named("a")); }),
              !uses('T') && !uses('F'))
        << name;
    EXPECT_EQ(is_refused(name, [](ConnectOptions& o) { o.topic_keys = "no such folder/keys"; }), !uses('L')) << name;
    EXPECT_EQ(is_refused(name, [](ConnectOptions& o) { o.keep_evidence = true; }), !uses('E')) << name;
  }
}

}  // namespace
}  // namespace sealmq
