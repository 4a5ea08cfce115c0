// What a scheme says of itself in SchemeInfo is in order, and what the broker does without a configuration is what is written
// here.
#include "conformance/scheme_cases.h"
#include "server/configuration.h"

namespace sealmq::testing {
namespace {

/// By hand: who joins them says so here, and has read what comes in by that.
const std::vector<std::string> let_in_by_default{"sl1", "sl3", "scacauth"};

bool is_line(std::string_view text) {
  return !text.empty() && text.find('\n') == text.npos && text.front() != ' ' && text.back() != ' ';
}

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text,
                             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }) &&
         text.front() >= 'a' && text.front() <= 'z' && text.back() != '-';
}

std::string_view without_profile(std::string_view name) {
  return name.substr(0, name.find('@'));
}

TEST(SchemeInfos, NamesAreWordsAndTellThePublishedFormsApart) {
  for (const Scheme& scheme : all_schemes()) {
    const SchemeInfo& info = *scheme.info;
    const std::string_view base = without_profile(info.name);
    EXPECT_TRUE(is_word(base)) << info.name;
    EXPECT_EQ(info.name == base, info.profile == Profile::hardened) << info.name;
    EXPECT_EQ(info.name == std::string(base) + "@paper", info.profile == Profile::paper) << info.name;
    EXPECT_EQ(find_scheme(info.name), &scheme) << "two of one name, or it is not found: " << info.name;
  }
  EXPECT_EQ(find_scheme("sl"), nullptr);
  EXPECT_EQ(find_scheme(""), nullptr);
}

TEST(SchemeInfos, EachSaysWhatItIsAndWhatItIsNot) {
  for (const Scheme& scheme : all_schemes()) {
    const SchemeInfo& info = *scheme.info;
    EXPECT_TRUE(is_line(info.title)) << info.name;
    EXPECT_FALSE(info.hazards.empty()) << info.name << " has no weaknesses?";
    for (const std::string_view hazard : info.hazards) {
      EXPECT_TRUE(is_line(hazard)) << hazard;
      EXPECT_NE(hazard.back(), '.') << hazard;
    }
  }
}

TEST(SchemeInfos, BothSidesSayTheSame) {
  for (const Scheme& scheme : all_schemes()) {
    World world(scheme.info->name);
    BrokerPorts ports{*world.broker.key, world.broker.random};
    EXPECT_EQ(&scheme.broker_side(ports)->info(), scheme.info) << scheme.info->name;
    EXPECT_EQ(&world.author.scheme->info(), scheme.info) << scheme.info->name;
  }
}

/// A broker side is made in each broker, whatever its policy names: with nothing but a key it must not fail.
TEST(SchemeInfos, WithoutItsNeedsAClientSaysWhatIsMissing) {
  CountingRandom random;
  for (const Scheme& scheme : all_schemes()) {
    const auto made = scheme.client_side({nullptr, std::nullopt, {}, random});
    if (made) continue;
    EXPECT_EQ(made.error().blame, Blame::caller_misused) << scheme.info->name;
    EXPECT_FALSE(made.error().what.empty());
  }
}

TEST(SchemeInfos, OptionsAreNamedAndExplained) {
  for (const Scheme& scheme : all_schemes()) {
    const SchemeInfo& info = *scheme.info;
    std::vector<std::string_view> names;
    for (const SchemeOption& option : info.options) {
      EXPECT_TRUE(is_word(option.name)) << info.name << " " << option.name;
      EXPECT_TRUE(is_line(option.help)) << info.name << " " << option.name;
      EXPECT_EQ(std::ranges::count(names, option.name), 0) << info.name << " has it twice: " << option.name;
      names.push_back(option.name);
    }
    for (const std::string_view option : info.uses.options) {
      const std::string_view prefix = option.substr(0, option.find('.'));
      EXPECT_TRUE(find_scheme(prefix) != nullptr && option.size() > prefix.size() + 1) << option;
    }
    if (info.check_options != nullptr) {
      EXPECT_TRUE(info.check_options({})) << info.name << ": its own defaults are wrong";
    }
  }
}

TEST(SchemeInfos, LoginsProveSomethingAndNeededOnesExist) {
  for (const Scheme& scheme : all_schemes()) {
    const SchemeInfo& info = *scheme.info;
    const bool proves = !(info.login_proves == Factors{});
    EXPECT_EQ(proves, info.has_login && info.profile == Profile::hardened) << info.name << ": of a published form, nothing";
    if (info.login_protects) {
      EXPECT_TRUE(info.has_login) << info.name;
    }
    for (const std::string_view login : info.needs_login) {
      const Scheme* its = find_scheme(login);
      ASSERT_NE(its, nullptr) << info.name << " needs " << login;
      EXPECT_TRUE(its->info->has_login) << login;
    }
  }
}

TEST(SchemeInfos, TheDefaultPolicyIsTheListThatIsWrittenHere) {
  std::vector<std::string> names;
  for (const Scheme& scheme : all_schemes())
    if (scheme.info->in_default_policy) names.emplace_back(scheme.info->name);
  EXPECT_EQ(names, let_in_by_default);
  const server::Configuration defaults;
  ASSERT_EQ(defaults.topics.size(), 1U);
  EXPECT_EQ(defaults.topics[0].publish, let_in_by_default);
  EXPECT_EQ(defaults.topics[0].subscribe, let_in_by_default);
  for (const auto& name : names) {
    const SchemeInfo& info = *find_scheme(name)->info;
    EXPECT_EQ(info.profile, Profile::hardened) << name;
    EXPECT_NE(info.claims.authorship, Authorship::none) << name;
    EXPECT_NE(info.claims.confidentiality, Confidentiality::end_to_end) << name << ": the broker could not judge its messages";
    EXPECT_TRUE(info.claims.refuses_replay && info.claims.bound_to_topic && info.claims.revocable) << name;
  }
}

TEST(SchemeInfos, ClaimsOfAPublishedFormAreNoMoreThanThoseOfTheHardenedOne) {
  for (const Scheme& scheme : all_schemes()) {
    if (scheme.info->profile != Profile::paper) continue;
    const Scheme* hardened = find_scheme(without_profile(scheme.info->name));
    if (hardened == nullptr) continue;
    for (const Claim claim : {Claim::authorship, Claim::confidentiality, Claim::bound_to_topic, Claim::refuses_replay,
                              Claim::hides_publisher, Claim::forward_secrecy, Claim::revocable})
      EXPECT_LE(is_made(scheme.info->claims, claim), is_made(hardened->info->claims, claim)) << scheme.info->name;
  }
}

}  // namespace
}  // namespace sealmq::testing
