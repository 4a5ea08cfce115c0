// Access: who may do what, from policy (which schemes, logins and QoS a topic allows) and rights (which topics an identity has,
// and with which QoS). Pure functions over the present policy and list; every delivery asks again.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker/policy/policy.h"
#include "sealmq/scheme.h"

namespace sealmq::broker {

/// Of a connection, all that access depends on. Views into it.
struct Caller {
  const Proved& proved;
  mqtt::PatternNames names{};  ///< of whoever has logged in
  std::uint64_t now = 0;       ///< steady
  bool is_own = false;         ///< a bridge of this broker, to which nothing is denied
};

class Access {
 public:
  Access(const std::vector<std::unique_ptr<BrokerScheme>>& schemes, std::shared_ptr<const Policy> policy,
         std::shared_ptr<const Directory> directory);

  void set(std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    asked_.reset();
  }
  void set(std::shared_ptr<const Directory> directory) { directory_ = std::move(directory); }

  const Directory& directory() const { return *directory_; }
  std::shared_ptr<const Directory> shared_directory() const { return directory_; }
  /// The last answer is remembered: each message asks on its way in and out, and the next one is often of the same topic.
  const TopicRule* rule(std::string_view topic) const {
    if (!asked_ || topic_ != topic) {
      topic_ = topic;
      asked_ = policy_->find(topic);
    }
    return *asked_;
  }

  // -- logins

  struct Login {
    std::string_view name;  ///< of its scheme, or one of those in logins.h; empty: there was none
    Profile profile = Profile::hardened;
    Factors factors{};
    bool by_transport = false;  ///< which names the same identity
    bool by_card = false;       ///< its key may be in one, as the list says
  };
  /// What it proves of this identity; null: of nobody on the list. Errors: the list does not let it in so.
  static Result<Factors> check_login(const Identity* listed, const Login& login);
  /// Of an active one.
  static bool may_log_in(const Identity& identity, std::string_view login, Profile profile);
  std::string_view name_of_login(std::size_t login) const;
  /// Adds a login to what a connection has proved.
  void add_login(Proved& proved, std::size_t login) const;
  /// Whether the topics of the rule are open to this login, for messages of one of these schemes.
  bool opens(const TopicRule& rule, const Caller& caller, const SchemeSet& schemes) const;
  /// Whether the scheme is for who has logged in so, or for everybody.
  bool is_for(std::size_t scheme, const Proved& proved) const {
    return needed_logins_[scheme].empty() || needed_logins_[scheme].meets(proved.by);
  }

  /// Whether the scheme says more about who sends and gets its messages than policy and rights do.
  bool is_restricted(std::size_t scheme) const { return is_restricted_[scheme]; }
  /// Whether its messages are what comes on connections of its login.
  bool is_of_login(std::size_t scheme) const { return is_of_login_[scheme]; }

  // -- topics. An identity of null is nobody in particular: policy alone decides.

  /// With which QoS it may publish by this scheme now; none: not at all.
  QosSet may_publish(const Identity* author, std::size_t scheme, std::string_view topic, const Caller& caller) const;
  /// ... by name, for a message that was accepted earlier; an empty name needs no right.
  bool may_still_publish(std::string_view author, std::size_t scheme, std::string_view topic, mqtt::QoS qos) const;

  /// Whether policy names this scheme at all.
  bool is_offered(std::size_t scheme) const { return policy_->offered().contains(scheme); }
  /// Whether policy lets nobody subscribe to this filter.
  bool is_closed(std::string_view filter) const { return policy_->is_closed(filter); }
  /// Whether whoever subscribes may have everything that the filter matches, and policy wants it encrypted once for all who may.
  bool may_share(const Identity* subscriber, std::size_t scheme, std::string_view filter, const Caller& caller) const;

  /// With which QoS, of at most `wanted`, a subscription can be granted: what some topic of the filter would get by the scheme.
  std::optional<mqtt::QoS> may_subscribe(const Identity* subscriber, std::size_t scheme, std::string_view filter,
                                         mqtt::QoS wanted, const Caller& caller) const;
  /// With which QoS at most this topic may leave by the scheme to the subscriber of that name. `rule` is the topic's.
  std::optional<mqtt::QoS> may_receive(const std::string* subscriber, std::size_t scheme, std::string_view topic,
                                       const TopicRule* rule, const mqtt::PatternNames& names, bool is_own = false) const;

 private:
  bool may_use(const Identity& identity, std::size_t scheme) const;

  const std::vector<std::unique_ptr<BrokerScheme>>& schemes_;
  std::vector<LoginSet> needed_logins_;            // by scheme; empty: none
  std::vector<bool> is_restricted_, is_of_login_;  // by scheme
  LoginSet hardened_;                              // logins
  std::shared_ptr<const Policy> policy_;
  std::shared_ptr<const Directory> directory_;
  mutable std::string topic_;                      // of the last question,
  mutable std::optional<const TopicRule*> asked_;  // and its answer; nothing: none yet of this policy
};

}  // namespace sealmq::broker
