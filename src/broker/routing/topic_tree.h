// TopicTree: which subscriptions match a topic name (MQTT 5 section 4.7). Subscriptions are owned by their sessions.
//
// What a topic matched is remembered until a subscription changes, so a steady stream costs one look-up a message; while memory
// is short, of the last topic alone. Otherwise each node is visited at most once, and only those whose levels are the topic's or
// '+': no more than there are kinds of filters (FilterKinds). Nodes without subscriptions go away at once: a topic is no slower
// for the subscribers that left it. One thread.
#pragma once

#include "broker/limits/budget.h"
#include "broker/routing/interest.h"
#include "broker/sessions/session.h"

namespace sealmq::broker {

struct TopicNode {
  TopicNode* parent = nullptr;
  std::string level;  ///< its own name in the parent
  TextMap<std::unique_ptr<TopicNode>> children;
  std::unique_ptr<TopicNode> plus;   ///< the child '+'
  std::vector<Subscription*> here;   ///< filter ends at this level
  std::vector<Subscription*> below;  ///< filter ends with '#' under this level
  bool empty() const { return children.empty() && plus == nullptr && here.empty() && below.empty(); }
};

class TopicTree {
 public:
  /// `interest`: told of what stands here. `budget`: counts what is remembered, which is at most a part of a sixteenth of it, as
  /// there are so many such trees. Null, or they outlive it.
  explicit TopicTree(Interest* interest = nullptr, Budget* budget = nullptr, std::size_t trees = 1);
  void add(Subscription& subscription);
  void remove(Subscription& subscription);

  /// Valid until the next call. A topic that begins with '$' is not matched by a filter that begins with a wildcard.
  /// [MQTT-4.7.2-1]
  const std::vector<Subscription*>& match(std::string_view topic);

  std::size_t nodes() const { return nodes_; }
  /// Nodes that all calls of match() together have looked at.
  std::uint64_t visited() const { return visited_; }
  std::size_t bytes_remembered() const { return remembered_bytes_; }

  static constexpr std::size_t topics_remembered = 4096;
  /// A topic name may have 65535 bytes, and match every subscription there is. The last one is kept, whatever its size.
  static constexpr std::size_t most_bytes_remembered = 4 << 20;
  static constexpr std::size_t cost_of_remembered = 96;  // besides the name and what it matched

 private:
  void collect(std::string_view topic, std::vector<Subscription*>& out);
  TopicNode& make_child(TopicNode& node, std::string_view level);
  void forget();
  static std::vector<Subscription*>& list_of(TopicNode& node, const Subscription& subscription);

  Interest* const interest_;
  TopicNode root_;
  std::size_t nodes_ = 0;
  std::uint64_t visited_ = 0;
  using Remembered = TextMap<std::vector<Subscription*>>;
  Remembered remembered_;
  std::size_t remembered_bytes_ = 0;
  Budget* const budget_;
  const std::size_t most_remembered_;
  Charge charge_;
  std::vector<const TopicNode*> reached_, next_;  // scratch of collect()
  const Remembered::value_type* last_ = nullptr;  // the topic asked for last: the next message is often of the same
};

}  // namespace sealmq::broker
