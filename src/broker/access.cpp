#include "broker/access.h"

#include <algorithm>

#include "mqtt/topic.h"

namespace sealmq::broker {
namespace {

bool any_matches(const std::vector<std::string>& filters, std::string_view topic) {
  return std::ranges::any_of(filters, [&](const auto& filter) { return mqtt::matches(filter, topic); });
}

}  // namespace

bool Access::may_use(const Identity& identity, std::size_t scheme) const {
  if (identity.status != Status::active) return false;
  const SchemeInfo& info = schemes_[scheme]->info();
  if (identity.schemes.empty()) return info.profile == Profile::hardened;
  return std::ranges::find(identity.schemes, info.name) != identity.schemes.end();
}

bool Access::may_publish(const Identity& author, std::size_t scheme, std::string_view topic) const {
  return may_use(author, scheme) && any_matches(author.publish, topic);
}

bool Access::may_still_publish(std::string_view author, std::size_t scheme, std::string_view topic) const {
  if (author.empty()) return true;
  const Identity* identity = directory_->find(author);
  return identity != nullptr && may_publish(*identity, scheme, topic);
}

bool Access::may_subscribe(const Identity* subscriber, std::size_t scheme, std::string_view filter) const {
  if (!policy_->may_subscribe_somewhere(filter, scheme)) return false;
  if (subscriber == nullptr) return true;
  return may_use(*subscriber, scheme) &&
         std::ranges::any_of(subscriber->subscribe, [&](const auto& granted) { return mqtt::intersects(granted, filter); });
}

bool Access::may_share(const Identity* subscriber, std::size_t scheme, std::string_view filter) const {
  if (!policy_->is_multicast(filter, scheme)) return false;
  return subscriber == nullptr ||
         (may_use(*subscriber, scheme) &&
          std::ranges::any_of(subscriber->subscribe, [&](const auto& granted) { return mqtt::covers(granted, filter); }));
}

bool Access::may_receive(const std::string* subscriber, std::size_t scheme, std::string_view topic, const TopicRule* rule) const {
  if (rule == nullptr || !rule->subscribe.contains(scheme)) return false;
  if (subscriber == nullptr) return true;
  const Identity* identity = directory_->find(*subscriber);
  return identity != nullptr && may_use(*identity, scheme) && any_matches(identity->subscribe, topic);
}

}  // namespace sealmq::broker
