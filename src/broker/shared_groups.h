// SharedGroups: the shared subscriptions (MQTT 5 section 4.8.2) that one shard owns. A group belongs to the shard that the hash
// of its filter names; its members may sit on any shard and tell the owner when they come, go away and leave. One thread.
#pragma once

#include "broker/parcel.h"
#include "broker/topic_tree.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::SharedFilter;

struct SharedGroup {
  struct Member {
    std::size_t shard;
    Number session;
    bool present;
  };
  std::string name;           ///< the whole filter
  Subscription subscription;  ///< stands in the tree for all members
  std::vector<Member> members;
  std::size_t next = 0;

  /// In turn; those whose client is there go first. Null: nobody left but `except`.
  const Member* choose(Number except);
};

class SharedGroups {
 public:
  explicit SharedGroups(TopicTree& tree) : tree_(tree) {}

  void apply(const MemberEvent& event);
  SharedGroup* find(std::string_view name);
  static std::size_t owner(std::string_view name, std::size_t shards) { return std::hash<std::string_view>{}(name) % shards; }

 private:
  TopicTree& tree_;
  TextMap<std::unique_ptr<SharedGroup>> groups_;
};

}  // namespace sealmq::broker
