// SharedGroups: the shared subscriptions (MQTT 5 section 4.8.2) that one shard owns. A group belongs to the shard that the hash
// of its filter names; its members may sit on any shard and tell the owner when they come, go away and leave. One thread.
#pragma once

#include <functional>
#include <map>

#include "broker/parcel.h"
#include "broker/routing/topic_tree.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::SharedFilter;

/// The members of one group. Members of one identity are a party: what one of them may get, all of them may, so a message costs
/// a question for each party and not for each member. Each call costs the same however many members there are.
class GroupMembers {
 public:
  struct Member {
    std::size_t shard;
    Number session;
  };
  /// Who some members are, and by which scheme messages leave for them.
  struct Party {
    std::shared_ptr<const std::string> subscriber;  ///< null: anonymous
    std::uint8_t scheme = 0;
  };

  void set(const Member& member, const Party& party, bool present);
  void remove(Number session);
  std::size_t size() const { return places_.size(); }

  /// Whose turn it is to be asked about a message that some parties may get, after `tries` others: those whose client is there
  /// come first. Null: nobody is left but `except`.
  using May = std::function<bool(const Party&)>;
  const Member* choose(Number except, std::size_t tries, const May& may);
  /// Members and parties that all calls of choose() together have looked at.
  std::uint64_t visited() const { return visited_; }

  /// Parties that one message asks about. Of more, others are asked next time.
  static constexpr std::size_t most_parties = 100;

 private:
  using Name = std::pair<std::string, std::uint16_t>;  // of a party; an anonymous one's scheme is marked
  struct Members {
    Party party;
    std::vector<Member> present, absent;
  };
  struct Place {
    Members* members;
    bool present;
    std::size_t index;
  };
  static Name name_of(const Party& party);
  void take_out(const Place& place);
  static std::vector<Member>& list(Members& members, bool present) { return present ? members.present : members.absent; }
  const Member* next(std::vector<Members*>& entitled, bool present, Number except);

  std::map<Name, Members> parties_;
  std::map<Name, Members>::iterator first_ = parties_.end();  // to be asked next
  std::uint64_t turn_ = 0;
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

 private:
  TopicTree& tree_;
  TextMap<std::unique_ptr<SharedGroup>> groups_;
};

}  // namespace sealmq::broker
