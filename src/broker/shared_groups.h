// SharedGroups: the shared subscriptions (MQTT 5 section 4.8.2) that one shard owns. A group belongs to the shard that the hash
// of its filter names; its members may sit on any shard and tell the owner when they come, go away and leave. One thread.
#pragma once

#include "broker/parcel.h"
#include "broker/topic_tree.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::SharedFilter;

/// The members of one group. Each call costs the same, however many there are: sessions may stay away for long, and be many.
class GroupMembers {
 public:
  struct Member {
    std::size_t shard;
    Number session;
  };

  void set(const Member& member, bool present);
  void remove(Number session);
  std::size_t size() const { return places_.size(); }

  /// Whose turn it is to be asked about a message, after `tries` others: those whose client is there come first. Null: nobody is
  /// left but `except`.
  const Member* choose(Number except, std::size_t tries);
  /// Members that all calls of choose() together have looked at.
  std::uint64_t visited() const { return visited_; }

 private:
  struct Circle {
    std::vector<Member> members;
    std::size_t next = 0;
  };
  struct Place {
    bool present;
    std::size_t index;
  };
  Circle& circle(bool present) { return present ? present_ : absent_; }
  const Member* next_of(Circle& circle, Number except);

  Circle present_;
  Circle absent_;
  std::unordered_map<Number, Place> places_;
  std::uint64_t visited_ = 0;
};

struct SharedGroup {
  /// Members asked about one message before it is dropped.
  static constexpr std::uint32_t most_tries = 100;

  std::string name;           ///< the whole filter
  Subscription subscription;  ///< stands in the tree for all members
  GroupMembers members;
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
