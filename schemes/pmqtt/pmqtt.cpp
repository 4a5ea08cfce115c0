#include "schemes/pmqtt/pmqtt.h"

#include "base/try.h"
#include "schemes/pmqtt/partner_table.h"
#include "schemes/pmqtt/topics.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::string_view hardened_hazards[] = {
    "the broker sees who writes to whom, when, how much and under which topic",
    "user properties of MQTT 5 are not encrypted: keep secrets out of them",
    "messages are never retained; what waits for somebody who restarts cannot be opened any more, and is asked for again",
};

constexpr std::string_view paper_hazards[] = {
    "the broker, or anybody on the wire, can put its own keys in place of the ends' and read and change everything",
    "a message can be changed, sent again, held back or moved to another topic, and nobody notices",
    "whoever sees which messages are taken can decrypt one that was recorded, byte by byte (padding oracle)",
    "an end that starts anew cannot open what the other one sends, and neither is told",
    "whoever has seen a login can log in with it again, from anywhere, for ever, and test passwords against it (SHA-1, no nonce)",
    "the broker keeps passwords that can be read, and never proves who it is",
};

constexpr std::string_view pmqtt_options[] = {"pmqtt.prefix", "pmqtt.partners"};
constexpr std::string_view smqtt_options[] = {"smqtt.prefix", "smqtt.partners"};
constexpr std::string_view smqtt_logins[] = {"pmqtt"};

constexpr SchemeOption options[] = {
    {"prefix", "what the topics of both ends and the broker begin with: \"pmqtt\" (default)"},
    {.name = "partners",
     .help = "who may talk to whom, @FILE: lines of a name and its partners; everybody (default)",
     .is_file = true,
     .changes_live = true},
};

constexpr Claims hardened_claims{.authorship = Authorship::verified_by_subscriber,
                                 .confidentiality = Confidentiality::end_to_end,
                                 .bound_to_topic = true,
                                 .refuses_replay = true,
                                 .hides_subscriber = false,
                                 .hides_publisher = false,
                                 .forward_secrecy = true,
                                 .revocable = false};

template <const SchemeInfo& info>
Result<> check_options(const SchemeOptions& wanted) {
  TRY(Topics::make(wanted, info.name));
  TRY(PartnerTable::make(wanted, info.name));
  return {};
}

}  // namespace

const SchemeInfo hardened_info{
    .name = "pmqtt",
    .title = "patient and doctor, end to end (PMQTT)",
    .profile = Profile::hardened,
    .claims = hardened_claims,
    .hazards = hardened_hazards,
    .options = options,
    .uses = {.key = true, .broker_key = true, .readers = true, .authors = true, .options = pmqtt_options},
    .has_login = true,
    .login_proves = {Factor::key, Factor::password},
    .names_ends = true,
    .between_partners = true,
    .check_options = check_options<hardened_info>};

const SchemeInfo paper_info{.name = "pmqtt@paper",
                            .title = "patient and doctor as published (PMQTT)",
                            .profile = Profile::paper,
                            .claims = {},
                            .hazards = paper_hazards,
                            .uses = {.key = true, .readers = true, .authors = true, .options = pmqtt_options},
                            .has_login = true,
                            .names_ends = true,
                            .between_partners = true,
                            .check_options = check_options<paper_info>};

const SchemeInfo smqtt_info{.name = "smqtt",
                            .title = "patient and doctor, both logged in (SMQTT)",
                            .profile = Profile::hardened,
                            .claims = hardened_claims,
                            .hazards = hardened_hazards,
                            .options = options,
                            .uses = {.key = true, .broker_key = true, .readers = true, .authors = true, .options = smqtt_options},
                            .needs_login = smqtt_logins,
                            .names_ends = true,
                            .between_partners = true,
                            .check_options = check_options<smqtt_info>};

Scheme hardened_scheme() {
  return {&hardened_info, hardened_broker, hardened_client};
}
Scheme paper_scheme() {
  return {&paper_info, paper_broker, paper_client};
}
Scheme smqtt_scheme() {
  return {&smqtt_info, smqtt_broker, smqtt_client};
}

}  // namespace sealmq::pmqtt
