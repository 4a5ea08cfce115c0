#include "schemes/scacauth/scacauth.h"

#include "base/try.h"
#include "schemes/scacauth/method.h"

namespace sealmq::scacauth {
namespace {

constexpr std::string_view hardened_hazards[] = {
    "the broker reads every message: it is protected on its way to the broker and from there, not from end to end",
    "UIDs go in clear when clients log in, so that they can be followed",
};

constexpr std::string_view paper_hazards[] = {
    "somebody on the wire can pass for the broker: it gives the client keys of its own, and reads and writes its messages",
    "a login that was recorded makes the broker sign and encrypt again, as often as somebody likes",
    "how logins with made-up answers fail can help to decrypt others (PKCS#1 v1.5)",
    "parts of messages can be changed and cut off unnoticed, and equal beginnings are seen (CBC, no IV, no MAC)",
    "who gets one key opens all messages behind it, and who gets an RSA key all messages that were recorded",
    "topics, subscriptions and acknowledgements are not protected; nothing says for which broker a login was",
    "one message at a time in each direction",
};

constexpr std::string_view hardened_options[] = {"scacauth.method"};
constexpr std::string_view paper_options[] = {"scacauth.method", "scacauth.card_v2"};

constexpr SchemeOption options[] = {
    {"methods", "which of the hardened methods a client may use, with ',' between them (all of schemes/scacauth/README.md)"},
    {"paper_methods", "the same for scacauth@paper (SCACAuth-RSAPKCS1-2048-AES-128)"},
    {"legacy_ciphers", "whether paper_methods may name 3DES-192 and DES-64: false"},
    {"card_v2", "whether scacauth@paper takes cards with the published applet, version 2: false"},
    {"plain_will", "whether scacauth@paper takes Wills, which go in clear: false"},
    {"method", "of a client: the method it names (the first that its keys are for)"},
};

Result<> check_hardened(const SchemeOptions& given) {
  TRY(AllowList::make(given, Profile::hardened));
  return {};
}
Result<> check_paper(const SchemeOptions& given) {
  TRY(AllowList::make(given, Profile::paper));
  return {};
}

}  // namespace

const SchemeInfo hardened_info{.name = "scacauth",
                               .title = "logged in by a card, protected to the broker (SCACAuth2)",
                               .profile = Profile::hardened,
                               .claims = {.authorship = Authorship::checked_by_broker,
                                          .confidentiality = Confidentiality::hop,
                                          .bound_to_topic = true,
                                          .refuses_replay = true,
                                          .hides_subscriber = false,
                                          .hides_publisher = false,
                                          .forward_secrecy = true,
                                          .revocable = true},
                               .hazards = hardened_hazards,
                               .options = options,
                               .uses = {.key = true, .broker_key = true, .options = hardened_options},
                               .in_default_policy = true,
                               .has_login = true,
                               .login_proves = {Factor::key, Factor::card},
                               .login_protects = true,
                               .check_options = check_hardened};

const SchemeInfo paper_info{.name = "scacauth@paper",
                            .title = "logged in by a card, as published (SCACAuth)",
                            .profile = Profile::paper,
                            .claims = {},
                            .hazards = paper_hazards,
                            .options = options,
                            .uses = {.key = true, .broker_key = true, .options = paper_options},
                            .has_login = true,
                            .needs_rsa = true,
                            .login_protects = true,
                            .exactly_once = true,
                            .check_options = check_paper};

Scheme hardened_scheme() {
  return {&hardened_info, hardened_broker, hardened_client};
}
Scheme paper_scheme() {
  return {&paper_info, paper_broker, paper_client};
}

}  // namespace sealmq::scacauth
