#include "schemes/payload/payload.h"

#include "base/try.h"
#include "schemes/payload/demands.h"

namespace sealmq::payload {
namespace {

constexpr std::string_view hardened_hazards[] = {
    "topics, sizes, times and user properties of MQTT 5 are not encrypted: keep secrets out of them",
    "whoever steals a topic's key reads what was sent under it: replace keys, and let replaced ones go",
    "a broker can hold a message back, and hand it out late as a retained one or to a session that was kept",
    "under a form without a stamp (bare, mac) everybody who has the key can speak in everybody's name",
    "a Will counts as sealed at connect time: give it a topic of its own, or it may be older than what its readers have seen",
};

constexpr std::string_view hop_hazards[] = {
    "the broker reads everything, and what it tells plain subscribers they have to believe",
    "topics, sizes, times and user properties of MQTT 5 are not encrypted: keep secrets out of them",
    "whoever steals a topic's key reads what was sent under it: replace keys, and let replaced ones go",
    "under a form without a stamp (bare, mac) everybody who has the key can speak in everybody's name, and revoking one of them "
    "takes another key",
};

constexpr std::string_view paper_hazards[] = {
    "a message can be sent again, any number of times, and nobody notices",
    "a stamp can be taken off and replaced by the stamp of another who may write there: he then appears as its author",
    "without a stamp a message can be changed in places (CBC), and whoever sees which are taken can decrypt others (padding "
    "oracle)",
    "no key is named in a message: when a key is replaced, readers have to try the old one and the new one",
};

constexpr std::string_view paper_hop_hazards[] = {
    "the broker reads everything, and what it tells subscribers they have to believe",
    "a message can be sent again, any number of times, and nobody notices",
    "without a MAC or a signature in front anybody can change a message in places (CBC), and decrypt others by what the broker "
    "answers (padding oracle)",
    "a stamp says that somebody with the key has made it: the broker lets in whoever may publish on the connection",
    "no key is named in a message: when a key is replaced, the broker has to try the old one and the new one",
};

constexpr std::string_view client_options[] = {"payload.max-age", "payload.max-ahead", "payload.windows", "payload.key-topics"};
constexpr std::string_view paper_options[] = {"payload.topic-key",    "payload.topic-public-key", "payload.topic-private-key",
                                              "payload.stamp",        "payload.stamp-key",        "payload.stamp-keys",
                                              "payload.stamp-mac-key"};
constexpr std::string_view paper_hop_options[] = {"payload-hop.topic-key", "payload-hop.topic-public-key", "payload-hop.stamp",
                                                  "payload-hop.stamp-key", "payload-hop.stamp-mac-key"};

constexpr SchemeOption options[] = {
    {"max-age", "client: how old a message may be, in seconds: 30 (default)"},
    {"max-ahead", "client: how far a sender's clock may be ahead, in seconds: 5 (default)"},
    {"windows", "client: of how many sender names and topics of an author it remembers what it has seen: 4096 (default)"},
    {"key-topics", "client: what the topics begin with on which keys are dealt: \"sealmq-keys\" (default)"},
    {"min-enc", "broker: the weakest encryption it passes on, \"FILTER a128gcm, FILTER a256gcm\": any (default)"},
    {"min-stamp", "broker: the weakest stamp that it must see, \"FILTER mac, FILTER signature\": none (default)"},
    {"topic-key", "paper, client: a topic's AES key of 16 bytes in hexadecimal digits; or several, for readers"},
    {"topic-public-key", "paper, client: a topic's RSA public key, PEM"},
    {"topic-private-key", "paper, client: and the private one, PEM, for readers"},
    {"stamp", "paper, client: none, checksum, hash, mac or signature; what there are keys for (default)"},
    {"stamp-key", "paper, client: an author's RSA private key, PEM"},
    {"stamp-keys", "paper, client: authors' RSA public keys, PEM, for readers"},
    {"stamp-mac-key", "paper, client: the key of stamps that are a MAC, 32 to 128 hexadecimal digits"},
};

/// The broker's, of the paper profile; clients have those of paper_hop_options.
constexpr SchemeOption hop_options[] = {
    {.name = "topic-key", .help = "paper: the topics' AES keys of 16 bytes in hexadecimal digits, @FILE", .is_file = true},
    {.name = "topic-private-key", .help = "paper: or their RSA private key, PEM, @FILE", .is_file = true},
    {.name = "stamp", .help = "paper: none, checksum, hash, mac or signature; what there are keys for (default)"},
    {.name = "stamp-keys", .help = "paper: authors' RSA public keys, PEM, @FILE", .is_file = true},
    {.name = "stamp-mac-key", .help = "paper: the key of stamps that are a MAC, in hexadecimal digits, @FILE", .is_file = true},
};

Result<> check_options(const SchemeOptions& wanted) {
  TRY(Demands::parse(wanted));
  return {};
}

}  // namespace

const SchemeInfo hardened_info{.name = "payload",
                               .title = "encrypted and stamped payloads, end to end (COSE)",
                               .profile = Profile::hardened,
                               .claims = {.authorship = Authorship::verified_by_subscriber,
                                          .confidentiality = Confidentiality::end_to_end,
                                          .bound_to_topic = true,
                                          .refuses_replay = true,
                                          .hides_subscriber = false,
                                          .hides_publisher = false,
                                          .forward_secrecy = false,
                                          .revocable = false},
                               .hazards = hardened_hazards,
                               .options = options,
                               .uses = {.key = true, .readers = true, .authors = true, .options = client_options},
                               .has_topic_keys = true,
                               .check_options = check_options};

const SchemeInfo hop_info{.name = "payload-hop",
                          .title = "encrypted and stamped payloads, up to the broker (COSE)",
                          .profile = Profile::hardened,
                          .claims = {.authorship = Authorship::checked_by_broker,
                                     .confidentiality = Confidentiality::hop,
                                     .bound_to_topic = true,
                                     .refuses_replay = true,
                                     .hides_subscriber = false,
                                     .hides_publisher = false,
                                     .forward_secrecy = false,
                                     .revocable = true},
                          .hazards = hop_hazards,
                          .options = hop_options,
                          .uses = {.key = true, .broker_key = true, .authors = true, .options = client_options},
                          .signs_on_shard = true,
                          .has_topic_keys = true,
                          .needs_topic_keys = true,
                          .leaves_hidden = true,
                          .check_options = check_paper_hop_options};

const SchemeInfo paper_info{.name = "payload@paper",
                            .title = "encrypted and stamped payloads as published (AES-CBC, RSA)",
                            .profile = Profile::paper,
                            .claims = {.authorship = Authorship::none,
                                       .confidentiality = Confidentiality::end_to_end,
                                       .bound_to_topic = true,
                                       .refuses_replay = false,
                                       .hides_subscriber = false,
                                       .hides_publisher = false,
                                       .forward_secrecy = false,
                                       .revocable = false},
                            .hazards = paper_hazards,
                            .uses = {.options = paper_options}};

const SchemeInfo paper_hop_info{.name = "payload-hop@paper",
                                .title = "encrypted and stamped payloads, up to the broker, as published (AES-CBC, RSA)",
                                .profile = Profile::paper,
                                .claims = {.authorship = Authorship::none,
                                           .confidentiality = Confidentiality::hop,
                                           .bound_to_topic = true,
                                           .refuses_replay = false,
                                           .hides_subscriber = false,
                                           .hides_publisher = false,
                                           .forward_secrecy = false,
                                           .revocable = false},
                                .hazards = paper_hop_hazards,
                                .uses = {.options = paper_hop_options},
                                .leaves_hidden = true};

Scheme hardened_scheme() {
  return {&hardened_info, hardened_broker, hardened_client};
}
Scheme hop_scheme() {
  return {&hop_info, hop_broker, hop_client};
}
Scheme paper_hop_scheme() {
  return {&paper_hop_info, paper_hop_broker, paper_hop_client};
}
Scheme paper_scheme() {
  return {&paper_info, paper_broker, paper_client};
}

}  // namespace sealmq::payload
