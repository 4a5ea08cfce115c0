#include "schemes/sl3/sl3.h"

namespace sealmq::sl3 {
namespace {

constexpr std::string_view hardened_hazards[] = {
    "the broker reads every message",
    "who holds the broker's key, now or later, learns who asked to publish or to subscribe, and for which topic",
    "user properties of MQTT 5 are not encrypted: keep secrets out of them",
    "messages are never retained, and nothing waits for a subscriber that is away: a session ends with its connection",
};

constexpr SchemeOption hardened_options[] = {
    {"author", "who checks at the broker that a message is its author's: \"session\" (default), or \"signature\" each time"},
};

constexpr std::string_view paper_hazards[] = {
    "the broker reads every message",
    "who holds the broker's key, now or later, reads everything that was ever recorded",
    "the signature names no broker: a subscriber can give a message to another broker that lists its author",
    "a member of a group can show the others messages that the broker never saw, signed by itself",
    "a session is bound to nobody: no more than the signature of each message says who speaks",
};

}  // namespace

const SchemeInfo hardened_info{.name = scheme_name,
                               .title = "sessions and groups (Malina SL3)",
                               .profile = Profile::hardened,
                               .claims = {.authorship = Authorship::verified_by_subscriber,
                                          .confidentiality = Confidentiality::hop,
                                          .bound_to_topic = true,
                                          .refuses_replay = true,
                                          .hides_subscriber = false,
                                          .hides_publisher = false,
                                          .forward_secrecy = true,
                                          .revocable = true},
                               .hazards = hardened_hazards,
                               .options = hardened_options,
                               .uses = {.key = true, .broker_key = true, .authors = true, .evidence = true},
                               .in_default_policy = true,
                               .signs_on_shard = true};

const SchemeInfo paper_info{.name = paper_scheme_name,
                            .title = "sessions and groups as published (Malina SL3)",
                            .profile = Profile::paper,
                            .claims = {.authorship = Authorship::verified_by_subscriber,
                                       .confidentiality = Confidentiality::hop,
                                       .bound_to_topic = true,
                                       .refuses_replay = true,
                                       .hides_subscriber = false,
                                       .hides_publisher = false,
                                       .forward_secrecy = false,
                                       .revocable = true},
                            .hazards = paper_hazards,
                            .uses = {.key = true, .broker_key = true, .authors = true, .evidence = true}};

Scheme hardened_scheme() {
  return {&hardened_info, hardened_broker, hardened_client};
}
Scheme paper_scheme() {
  return {&paper_info, paper_broker, paper_client};
}

}  // namespace sealmq::sl3
