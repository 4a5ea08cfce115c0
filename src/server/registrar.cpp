#include "server/registrar.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "mqtt/topic.h"

namespace sealmq::server {
namespace {

Failure refused(std::string why) {
  return fail(Blame::not_authorised, std::move(why));
}

/// As much of what a ticket grants as is wanted, with the same QoS; nothing: more is wanted. A pattern is granted whole or not.
std::optional<Rights> part_of(const Rights& granted, const std::vector<std::string>& wanted) {
  Rights part;
  for (const std::string& filter : wanted) {
    QosSet qos = QosSet::none();
    for (const Right& right : granted)
      if (!right.is_pattern && mqtt::covers(right.filter, filter)) qos.add(right.qos);
    if (qos.empty()) return std::nullopt;
    part.emplace_back(filter, false, qos);
  }
  return part;
}

}  // namespace

RegistryRegistrar::RegistryRegistrar(Registry& registry, FollowedVersion& followed,
                                     std::optional<std::array<std::uint8_t, 33>> authority, const authority::AuditLog* audit,
                                     Log& log, Ordered ordered)
    : registry_(registry), followed_(followed), authority_(authority), audit_(audit), log_(log), ordered_(std::move(ordered)) {}

Result<> RegistryRegistrar::join(Bytes code, const PublicKeys& keys, bool proved, const std::vector<std::string>& publish,
                                 const std::vector<std::string>& subscribe, Now now) {
  TRY(need_all_orders());
  const auto ticket = TRY(registry_.burn_ticket(crypto::sha256(code), now.wall));
  if (!ticket) return refused("joins with a ticket that is unknown, used or expired");
  const bool wants_all = publish.empty() && subscribe.empty();
  for (const auto* topics : {&publish, &subscribe})
    if (!std::ranges::all_of(*topics, [](const std::string& filter) { return mqtt::is_topic_filter(filter); }))
      return refused(ticket->name + " joins for what is not a topic filter");
  const auto its_publish = part_of(ticket->publish, publish), its_subscribe = part_of(ticket->subscribe, subscribe);
  if (!its_publish || !its_subscribe) return refused(ticket->name + " joins for topics that its ticket does not allow");
  if (keys == PublicKeys()) return refused(ticket->name + " joins without a key");
  if (!proved && !ticket->unproved) return refused(ticket->name + " joins with keys that it has not proved to hold");
  Identity identity;
  identity.name = ticket->name;
  identity.kind = ticket->kind;
  identity.keys = keys;
  identity.publish = wants_all ? ticket->publish : *its_publish;
  identity.subscribe = wants_all ? ticket->subscribe : *its_subscribe;
  identity.schemes = ticket->schemes;
  identity.changed = now.wall;
  if (proved) identity.proof = Identity::proved_by_joining;
  TRY(registry_.add(identity));
  const LogField fields[] = {{"identity", identity.name}};
  log_.event(Severity::info, "joined", fields, identity.name + " has joined with its ticket");
  record("join", identity.name, fingerprint(keys), now);
  // Whoever is told to be accepted connects at once. If this takes too long it is accepted all the same.
  if (const auto version = registry_.version()) static_cast<void>(followed_.wait_for(*version));
  return {};
}

Result<> RegistryRegistrar::take_order(Bytes frame, Now now) {
  if (!authority_) return refused("an order, but the configuration names no authority");
  const RevocationByAuthority its = TRY(read_authority_order(frame, *authority_));
  if (is_in_force(its.name)) return {};
  AuthorityOrder order;
  order.authority = crypto::sha256(*authority_);
  order.serial = its.serial;
  order.digest = its.name;
  order.restores = its.restores;
  order.keys = its.keys;  // none: the number counts all the same, since those that follow come under later ones
  order.wall = now.wall;
  const auto taken = registry_.take_order(order);
  if (!taken) {
    const std::lock_guard lock(mutex_);
    if (taken.error().blame == Blame::peer_incompatible) early_ = std::max(early_, its.serial);
    return Failure(taken.error());
  }
  if (taken->is_new) tell(order, taken->names, now);
  for (const KeyHash& key : taken->latest_for) ordered_(key, its.frame);
  TRY(followed_.wait_for(TRY(registry_.version())));
  const std::lock_guard lock(mutex_);
  in_force_.insert(its.name);
  return {};
}

void RegistryRegistrar::tell(const AuthorityOrder& order, const std::vector<std::string>& names, Now now) {
  const std::string what = order.restores ? "restore" : "revoke";
  const std::string serial = std::to_string(order.serial);
  const auto tell_of = [&](const std::string& name) {
    const LogField fields[] = {{"serial", serial}, {"identity", name}};
    log_.event(
        Severity::warning, "ordered", fields,
        "order " + serial + " of the authority: " + what + " " + (name.empty() ? "somebody who is not on this list" : name));
    record(what, name, "ordered by the authority, serial " + serial, now);
  };
  if (names.empty()) tell_of("");
  for (const std::string& name : names) tell_of(name);
}

/// While orders are missing that were given before one that has come, nobody can tell whom they mean.
Result<> RegistryRegistrar::need_all_orders() {
  std::uint64_t early = 0;
  {
    const std::lock_guard lock(mutex_);
    early = early_;
  }
  if (early == 0 || TRY(registry_.last_serial(crypto::sha256(*authority_))) >= early) return {};
  return fail(Blame::environment, "orders of the authority are missing; until they have come nobody joins");
}

/// Orders are public: whoever sends one again must not keep the registry busy.
bool RegistryRegistrar::is_in_force(const std::array<std::uint8_t, 32>& name) {
  const std::lock_guard lock(mutex_);
  return in_force_.contains(name);
}

void RegistryRegistrar::record(std::string_view what, std::string_view name, const std::string& text, Now now) {
  if (audit_ == nullptr) return;
  if (const auto recorded = audit_->add(what, name, text, now.wall); !recorded)
    log_.error("not in the audit log: " + recorded.error().what);
}

}  // namespace sealmq::server
