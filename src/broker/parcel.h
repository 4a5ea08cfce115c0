// Parcel: what one shard sends to others. They arrive in the order in which they were sent.
#pragma once

#include <memory>
#include <string>

#include "broker/durability/changes.h"

namespace sealmq::broker {

/// What the shard that owns a group has to know of a member.
struct MemberEvent {
  enum class What : std::uint8_t { present, away, left };
  What what;
  std::string group;                              ///< the whole filter, `$share/…`
  std::size_t shard;                              ///< of the member,
  Number session;                                 ///< and its session
  std::shared_ptr<const std::string> subscriber;  ///< who it is; null: anonymous
  std::uint8_t scheme = 0;                        ///< by which messages leave for it
};

/// The message is for one member of a group; or, when that one could not take it, for another.
struct SharedRoute {
  std::string group;
  Number session;
  bool refused = false;     ///< on its way back to the group's owner
  std::uint32_t tries = 0;  ///< members asked so far
};

struct Parcel {
  static constexpr std::size_t everyone = SIZE_MAX;

  std::size_t to = everyone;  ///< a shard, or every other
  std::shared_ptr<const Message> message;
  std::shared_ptr<const SharedRoute> route;
  std::shared_ptr<const MemberEvent> member;
  Number transit = 0;  ///< under which the store knows it to be on its way; 0: it does not

  std::size_t size() const { return sizeof(Parcel) + (message != nullptr ? message->size() : 0); }
  /// The same without a message that counts itself in a budget.
  std::size_t uncounted() const { return message != nullptr && message->is_counted() ? sizeof(Parcel) : size(); }
  /// A message that nobody was promised.
  bool may_be_lost() const {
    return member == nullptr && message->view().qos == mqtt::QoS::at_most_once && !message->view().retain;
  }
};

}  // namespace sealmq::broker
