// Entitlement: whether a session may get a message: by policy, by rights, and by what schemes say beyond these of who gets it.
// Asked at each delivery, and once more of what has waited. Has no state. One thread.
#pragma once

#include "broker/policy/access.h"
#include "broker/sessions/session.h"

namespace sealmq::broker {

class Entitlement {
 public:
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;

  /// Both outlive it.
  Entitlement(const Schemes& schemes, const Access& access) : schemes_(schemes), access_(access) {}

  /// With which QoS at most the session may get what leaves by this scheme to this subscriber now; nothing: it may not have it.
  /// `rule` is the topic's.
  std::optional<mqtt::QoS> towards(const Session& session, const MessageView& view, std::size_t scheme,
                                   const std::string* subscriber, const TopicRule* rule, Now now) const;
  /// Likewise, of a message that has waited: also for its author's right.
  std::optional<mqtt::QoS> still(const Session& session, const Delivery& delivery, Now now) const;
  /// What a session gets a message with that was published and asked for so.
  static mqtt::QoS qos_for(const Session& session, mqtt::QoS published, mqtt::QoS wanted);

 private:
  /// What the schemes say, beyond policy and rights.
  bool may_reach(const Session& session, const MessageView& view, std::size_t leaves_by) const;

  const Schemes& schemes_;
  const Access& access_;
};

}  // namespace sealmq::broker
