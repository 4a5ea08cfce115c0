#include "schemes/sl1/sl1.h"

namespace sealmq::sl1 {
namespace {

constexpr std::string_view hardened_hazards[] = {
    "payloads are not encrypted: whoever sees the connection reads them",
    "a subscriber that starts anew can be shown a message of any age, held back or shown before, by whoever holds the wire to it",
    "a Will counts as signed at connect time: give it a topic of its own, or it may be older than what its readers have seen",
};

constexpr std::string_view paper_hazards[] = {
    "payloads are not encrypted: whoever sees the connection reads them",
    "a subscriber does not learn whether the signer is on the list: without pinned publishers anybody's key would do",
    "the signature names no broker: a message is as good at any other broker that lists its author",
    "a subscription is not authenticated: anybody receives what policy lets out by this scheme",
};

}  // namespace

const SchemeInfo hardened_info{.name = "sl1",
                               .title = "signed messages (Malina SL1)",
                               .profile = Profile::hardened,
                               .claims = {.authorship = Authorship::verified_by_subscriber,
                                          .confidentiality = Confidentiality::none,
                                          .bound_to_topic = true,
                                          .refuses_replay = true,
                                          .hides_subscriber = false,
                                          .hides_publisher = false,
                                          .forward_secrecy = false,
                                          .revocable = true},
                               .hazards = hardened_hazards,
                               .uses = {.key = true, .broker_key = true, .authors = true, .evidence = true},
                               .in_default_policy = true,
                               .signs_on_shard = true};

const SchemeInfo paper_info{.name = "sl1@paper",
                            .title = "signed messages as published (Malina SL1)",
                            .profile = Profile::paper,
                            .claims = {.authorship = Authorship::verified_by_subscriber,
                                       .confidentiality = Confidentiality::none,
                                       .bound_to_topic = true,
                                       .refuses_replay = true,
                                       .hides_subscriber = true,
                                       .hides_publisher = false,
                                       .forward_secrecy = false,
                                       .revocable = true},
                            .hazards = paper_hazards,
                            .uses = {.key = true, .authors = true, .evidence = true}};

Scheme hardened() {
  return {&hardened_info, hardened_broker, hardened_client};
}
Scheme paper() {
  return {&paper_info, paper_broker, paper_client};
}

}  // namespace sealmq::sl1
