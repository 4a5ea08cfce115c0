#include "schemes/payload/who_may_deal.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/identity_digest.h"
#include "mqtt/topic.h"
#include "schemes/payload/causes.h"
#include "schemes/payload/topic_choice.h"

namespace sealmq::payload {
namespace {

constexpr std::uint64_t allowance = 60;  // seconds: the new deal has to get to whoever sends

/// The most specific of the filters of those who are trusted that covers `filter`, and whose it is.
const TopicKeys::Administrator* owner_of(const std::vector<TopicKeys::Administrator>& trusted, std::string_view filter) {
  const TopicKeys::Administrator* owner = nullptr;
  std::string_view best;
  for (const auto& its : trusted) {
    for (const std::string& covering : its.filters) {
      if (!mqtt::covers(covering, filter) || (owner != nullptr && !is_more_specific(covering, best))) continue;
      owner = &its;
      best = covering;
    }
  }
  return owner;
}

}  // namespace

Result<> may_deal(TopicKeys& keys, const PublicIdentity& administrator, std::string_view filter, std::uint64_t seconds) {
  const auto no = [&] {
    return refused(Cause::policy, administrator.name + " may not share keys for " + printable(filter, 200));
  };
  const auto trusted = keys.administrators();
  const auto is_this = [&](const auto& its) { return its.identity.keys == administrator.keys; };
  if (std::ranges::none_of(trusted, is_this)) return no();
  const auto* owner = owner_of(trusted, filter);
  if (owner == nullptr) return no();
  if (is_this(*owner)) {
    // Nobody else's filter lies within this one, or shares topics with it.
    for (const auto& other : trusted)
      for (const std::string& its : other.filters)
        if (!is_this(other) && overlap(its, filter) && !mqtt::covers(its, filter)) return no();
    return {};
  }
  const auto by = crypto::identity_digest(owner->identity.keys);
  const auto to = crypto::identity_digest(administrator.keys);
  for (const auto& its : keys.delegations())
    if (its.owner == by && its.delegate == to && mqtt::covers(its.filter, filter) && its.not_before <= seconds &&
        seconds <= its.not_after)
      return {};
  return no();
}

Result<> may_be_used(TopicKeys& keys, const TopicKey& key, std::uint64_t seconds) {
  if (key.dealt == 0) return {};
  return may_deal(keys, key.administrator, key.filter, seconds);
}

Result<> may_have_dealt(const AuthorityView& authority, const PublicIdentity& administrator) {
  for (const KeyHash& key : crypto::key_hashes(administrator.keys))
    if (const auto serial = authority.revoked(key))
      return refused(Cause::policy, administrator.name + " is revoked by order " + std::to_string(*serial) +
                                        " of the authority, and so are the keys it has shared");
  return {};
}

std::optional<std::uint64_t> end_of_deal(const AuthorityView& authority, const TopicKey& key) {
  if (key.dealt == 0) return std::nullopt;
  const auto last = authority.last_deal(crypto::identity_digest(key.administrator.keys), crypto::sha256(as_bytes(key.filter)));
  if (!last || key.dealt >= last->number) return std::nullopt;
  return last->time / 1000 + allowance;
}

}  // namespace sealmq::payload
