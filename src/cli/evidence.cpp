#include "cli/evidence.h"

#include <algorithm>

#include "base/try.h"
#include "mqtt/topic.h"
#include "mqtt/topic_pattern.h"
#include "schemes/malina/frame.h"
#include "schemes/sl2/escrow.h"

namespace sealmq::cli {
namespace {

Failure not_signed() {
  return fail(Blame::peer_misbehaved, "the message was not signed by who it names");
}

Result<malina::Id> author_of(malina::Evidence evidence, KeyStore& authority) {
  if (evidence.level == malina::Level::sl2) {
    const auto authorship = TRY(sl2::open_escrow(authority, evidence.escrow, evidence.topic, evidence.time));
    evidence.id = authorship.id;
    evidence.sequence = authorship.sequence;
    evidence.signature = authorship.signature;
  }
  if (!malina::holds(evidence)) return not_signed();
  return evidence.id;
}

Result<malina::Id> author_of(const malina::PaperRequest& request, const std::vector<Identity>& listed) {
  if (request.id) {
    if (!malina::signed_by(request, *request.id)) return not_signed();
    return *request.id;
  }
  std::vector<malina::Id> entitled;
  std::vector<malina::Id> others;  // their rights may have been others when it was written
  for (const Identity& identity : listed) {
    const bool may = std::ranges::any_of(identity.publish, [&](const Right& right) {
      return mqtt::matches(right.is_pattern ? mqtt::widen_pattern(right.filter) : right.filter, request.topic);
    });
    (may ? entitled : others).push_back(identity.keys.schnorr);
  }
  auto author = malina::author_among(request, entitled);
  if (!author) author = malina::author_among(request, others);
  if (!author) return fail(Blame::peer_misbehaved, "the message was signed by nobody on the list");
  return *author;
}

}  // namespace

malina::Level Shown::level() const {
  return hardened ? hardened->level : paper->level;
}
std::string_view Shown::topic() const {
  return hardened ? hardened->topic : paper->topic;
}
Bytes Shown::message() const {
  return hardened ? hardened->message : paper->message;
}
std::uint64_t Shown::time() const {
  return hardened ? hardened->time : paper->time;
}

Result<Shown> read_shown(Bytes file) {
  Shown shown;
  if (malina::begins(file, malina::type_evidence)) {
    shown.hardened = TRY(malina::decode_evidence(file));
  } else if (malina::begins(file, malina::type_revocation_request)) {
    const auto request = TRY(malina::read_revocation_request(file));
    shown.hardened = request->evidence;
    shown.reason = request->reason;
    shown.has_requester = true;
    shown.requester = request->requester;
    shown.number = request->number;
    shown.sent = request->sent;
  } else {
    shown.paper = TRY(malina::begins(file, "EVID_") ? malina::decode_paper_evidence(file) : malina::decode_paper_request(file));
    shown.reason = shown.paper->reason;
  }
  return shown;
}

Result<malina::Id> author_of(const Shown& shown, KeyStore& authority, const std::vector<Identity>& listed) {
  return shown.hardened ? author_of(*shown.hardened, authority) : author_of(*shown.paper, listed);
}

}  // namespace sealmq::cli
