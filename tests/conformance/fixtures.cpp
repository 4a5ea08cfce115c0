// Each scheme's fixture: one line.
#include "conformance/fixtures/between_partners.h"
#include "conformance/fixtures/plain.h"
#include "conformance/fixtures/protected_login.h"
#include "conformance/fixtures/sealed_by_dialogue.h"
#include "conformance/fixtures/signed_messages.h"
#include "conformance/fixtures/topic_keys.h"

namespace sealmq::testing {
namespace {

template <class Kind>
std::unique_ptr<SchemeFixture> make() {
  return std::make_unique<Kind>();
}

constexpr std::string_view nobody_is_named = "it names nobody, so that there is nobody to be found out",
                           proves_itself = "its connections prove who they are, and end with a revocation: more than is claimed",
                           in_the_middle =
                               "who only listens reads nothing; attack: Between.ABrokerThatPutsItsOwnKeysInPlaceOfTheirs",
                           middle_of_cards =
                               "who only listens reads nothing; attack: Scacauth.SomebodyInBetweenPassesForTheBrokerOnPaper";

const std::map<std::string_view, FixtureLine> lines = {
    {"plain", {make<PlainFixture>, {{Claim::hides_subscriber, nobody_is_named}, {Claim::hides_publisher, nobody_is_named}}}},
    {"sl1", {make<SignedMessages>}},
    {"sl1@paper", {make<SignedMessages>}},
    {"sl2", {make<SealedByDialogue>}},
    {"sl2@paper",
     {make<SealedByDialogueForTopics>,
      {{Claim::refuses_replay, "a subscription is what can be sent again; attack: Sealed.ARecordedSubscriptionIsSentAgain"},
       {Claim::hides_publisher, "it takes candidates; attack: Sealed.ASubscriberTestsCandidatesAgainstWhatItGot"}}}},
    {"sl3", {make<SealedByDialogue>}},
    {"sl3@paper", {make<SealedByDialogueForTopics>}},
    {"pmqtt", {make<BetweenPartners>, {{Claim::revocable, proves_itself}}, {"smqtt"}}},
    {"pmqtt@paper",
     {make<BetweenPartners>,
      {{Claim::revocable, proves_itself},
       {Claim::confidentiality, in_the_middle},
       {Claim::forward_secrecy, "its keys are ephemeral: only who was there reads it"}},
      {"pmqtt", "smqtt"}}},
    {"smqtt", {make<LoggedInPartners>, {{Claim::revocable, proves_itself}}, {"pmqtt"}}},
    {"scacauth", {make<ProtectedLogin>}},
    {"scacauth@paper",
     {make<PublishedLogin>,
      {{Claim::revocable, proves_itself},
       {Claim::confidentiality, middle_of_cards},
       {Claim::refuses_replay, "each message has a key of its own, which a copy has not: more than is claimed"},
       {Claim::forward_secrecy, "it takes some arithmetic; attack: Scacauth.AStolenKeyOpensWhatWasRecordedOnPaper"}}}},
    {"payload", {make<TopicKeysFixture>, {{Claim::hides_subscriber, nobody_is_named}}, {"payload-hop"}}},
    {"payload-hop", {make<TopicKeysFixture>, {{Claim::hides_subscriber, nobody_is_named}}, {"payload"}}},
    {"payload@paper",
     {make<PublishedTopicKeys>,
      {{Claim::hides_subscriber, nobody_is_named}, {Claim::hides_publisher, nobody_is_named}},
      {"payload-hop@paper"}}},
    {"payload-hop@paper",
     {make<PublishedTopicKeys>,
      {{Claim::hides_subscriber, nobody_is_named}, {Claim::hides_publisher, nobody_is_named}},
      {"payload@paper"}}},
};

}  // namespace

const FixtureLine* fixture_line(std::string_view scheme_name) {
  const auto at = lines.find(scheme_name);
  return at == lines.end() ? nullptr : &at->second;
}

}  // namespace sealmq::testing
