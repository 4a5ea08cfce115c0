// TopicTree: which subscriptions match a topic name (MQTT 5 section 4.7). Subscriptions are owned by their sessions.
//
// What a topic matched is remembered until a subscription changes, so a steady stream costs one look-up a message. Nodes without
// subscriptions go away at once: a topic is no slower for the subscribers that left it. One thread.
#pragma once

#include "broker/session.h"

namespace sealmq::broker {

struct TopicNode {
  TopicNode* parent = nullptr;
  std::string level;  ///< its own name in the parent
  TextMap<std::unique_ptr<TopicNode>> children;
  std::vector<Subscription*> here;   ///< filter ends at this level
  std::vector<Subscription*> below;  ///< filter ends with '#' under this level
  bool empty() const { return children.empty() && here.empty() && below.empty(); }
};

class TopicTree {
 public:
  void add(Subscription& subscription);
  void remove(Subscription& subscription);

  /// Valid until the next call. A topic that begins with '$' is not matched by a filter that begins with a wildcard.
  /// [MQTT-4.7.2-1]
  const std::vector<Subscription*>& match(std::string_view topic);

  std::size_t nodes() const { return nodes_; }

 private:
  static constexpr std::size_t topics_remembered = 4096;

  void collect(const TopicNode& node, std::string_view rest, bool first, std::vector<Subscription*>& out) const;
  static std::vector<Subscription*>& list_of(TopicNode& node, const Subscription& subscription);

  TopicNode root_;
  std::size_t nodes_ = 0;
  TextMap<std::vector<Subscription*>> remembered_;
};

}  // namespace sealmq::broker
