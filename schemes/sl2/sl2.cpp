#include "schemes/sl2/sl2.h"

namespace sealmq::sl2 {
namespace {

constexpr std::string_view hardened_hazards[] = {
    "the broker reads everything",
    "when somebody receives a message shows in the traffic; only the option cover hides it, from all but the broker",
    "no forward secrecy but by rotation: who gets the broker's Rabin key reads what was sealed for it, a month at most",
    "without the option closed anybody may subscribe to what policy lets out by this scheme",
};

constexpr std::string_view paper_hazards[] = {
    "the broker reads everything",
    "a subscriber finds the author by testing the forwarded signature against candidates",
    "a subscription can be sent again by whoever saw it; the broker then works for nobody",
    "anybody may subscribe to what policy lets out by this scheme",
    "the signature names no broker: a message is as good at any other broker that lists its author",
    "how long the broker takes may tell something of a ciphertext, and failures are told apart by nobody's word but its silence",
    "no forward secrecy: who gets the broker's Rabin key reads all recordings",
};

constexpr std::string_view client_options[] = {"sl2.capability"};

constexpr SchemeOption options[] = {
    {"closed", "closed topics: \"CAPABILITY FILTER; …\", a capability being 32 hexadecimal digits (none)"},
    {"cover", "milliseconds between the frames that every subscription gets, whole seconds; 0: each message at once (0)"},
    {"cover-size", "octets inside each of those frames; a message that needs more cannot leave (512)"},
};

}  // namespace

const SchemeInfo hardened_info{
    .name = "sl2",
    .title = "sealed messages, anonymous subscribers (Malina SL2)",
    .profile = Profile::hardened,
    .claims = {.authorship = Authorship::checked_by_broker,
               .confidentiality = Confidentiality::hop,
               .bound_to_topic = true,
               .refuses_replay = true,
               .hides_subscriber = true,
               .hides_publisher = true,
               .forward_secrecy = false,
               .revocable = true},
    .hazards = hardened_hazards,
    .options = options,
    .uses = {.key = true, .broker_key = true, .authors = true, .evidence = true, .options = client_options},
    .needs_rabin = true};

const SchemeInfo paper_info{.name = "sl2@paper",
                            .title = "sealed messages as published, padded (Malina SL2)",
                            .profile = Profile::paper,
                            .claims = {.authorship = Authorship::checked_by_broker,
                                       .confidentiality = Confidentiality::hop,
                                       .bound_to_topic = true,
                                       .refuses_replay = false,
                                       .hides_subscriber = true,
                                       .hides_publisher = false,
                                       .forward_secrecy = false,
                                       .revocable = true},
                            .hazards = paper_hazards,
                            .uses = {.key = true, .broker_key = true, .authors = true, .evidence = true},
                            .needs_rabin = true};

Scheme hardened() {
  return {&hardened_info, hardened_broker, hardened_client};
}
Scheme paper() {
  return {&paper_info, paper_broker, paper_client};
}

}  // namespace sealmq::sl2
