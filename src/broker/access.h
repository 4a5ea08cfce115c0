// Access: who may do what, from policy (which schemes a topic allows) and rights (which topics an identity has). Pure functions
// over the present policy and list; every delivery asks again.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker/policy.h"
#include "sealmq/scheme.h"

namespace sealmq::broker {

class Access {
 public:
  Access(const std::vector<std::unique_ptr<BrokerScheme>>& schemes, std::shared_ptr<const Policy> policy,
         std::shared_ptr<const Directory> directory)
      : schemes_(schemes), policy_(std::move(policy)), directory_(std::move(directory)) {}

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

  /// An active identity that may use this scheme and publish to this topic.
  bool may_publish(const Identity& author, std::size_t scheme, std::string_view topic) const;
  /// ... by name, for a message that was accepted earlier; an empty name needs no right.
  bool may_still_publish(std::string_view author, std::size_t scheme, std::string_view topic) const;

  /// Whether policy names this scheme at all.
  bool is_offered(std::size_t scheme) const { return policy_->offered().contains(scheme); }
  /// Whether policy lets nobody subscribe to this filter.
  bool is_closed(std::string_view filter) const { return policy_->is_closed(filter); }
  /// Whether whoever subscribes may have everything that the filter matches, and policy wants it encrypted once for all who may.
  bool may_share(const Identity* subscriber, std::size_t scheme, std::string_view filter) const;

  /// Whether a subscription can be granted: some topic of the filter may leave by the scheme to this subscriber (null:
  /// anonymous).
  bool may_subscribe(const Identity* subscriber, std::size_t scheme, std::string_view filter) const;
  /// Whether this topic may leave by the scheme to the subscriber of that name (null: anonymous). `rule` is the topic's.
  bool may_receive(const std::string* subscriber, std::size_t scheme, std::string_view topic, const TopicRule* rule) const;

 private:
  bool may_use(const Identity& identity, std::size_t scheme) const;

  const std::vector<std::unique_ptr<BrokerScheme>>& schemes_;
  std::shared_ptr<const Policy> policy_;
  std::shared_ptr<const Directory> directory_;
  mutable std::string topic_;                      // of the last question,
  mutable std::optional<const TopicRule*> asked_;  // and its answer; nothing: none yet of this policy
};

}  // namespace sealmq::broker
