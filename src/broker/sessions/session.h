// Session: what the broker keeps for one client, connected or not (MQTT 5 section 4.1): for one identity, or nobody in
// particular, under one client identifier. One shard's thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/keyed_hash.h"
#include "base/shares.h"
#include "broker/durability/changes.h"
#include "broker/limits/budget.h"
#include "broker/routing/filter_kinds.h"
#include "mqtt/packet.h"
#include "mqtt/session_state.h"
#include "sealmq/scheme.h"

namespace sealmq::broker {

class Link;
struct Session;
struct SharedGroup;
struct TopicNode;

struct Paced;

/// How far a subscription has come with the retained messages that it is owed, which are those stored after `since` and not after
/// `until` (Retained::Order).
struct RetainedOwed {
  std::string from;  ///< in the table
  std::uint64_t since = 0;
  std::uint64_t until = 0;
  std::uint64_t behind = 0;               ///< begins when so many have left the queue: those were there before
  std::optional<std::uint64_t> missed{};  ///< what came live was dropped: once more, with those stored after this
  bool is_saved = false;                  ///< the store knows that some are owed
};

struct Subscription {
  Subscription();
  ~Subscription();
  Session* session = nullptr;  ///< null: it stands in the tree for the members of a group
  SharedGroup* group = nullptr;
  std::string filter;
  mqtt::SubscriptionOptions options;
  std::uint32_t identifier = 0;                   ///< 0: none
  std::uint8_t scheme = 0;                        ///< by which messages leave
  std::shared_ptr<const std::string> subscriber;  ///< name of the verified identity; null: anonymous
  std::shared_ptr<Receiver> receiver;             ///< of one that ends with its connection; null: an ordinary one
  std::shared_ptr<const std::string> share;       ///< the whole filter, of a shared one; null: an ordinary one
  std::optional<RetainedOwed> retained;           ///< set: stands in the session's list of those that are owed some
  std::unique_ptr<Paced> paced;                   ///< what waits for the next frame of a receiver that keeps a pace
  TopicNode* node = nullptr;                      ///< where it stands in the tree,
  std::size_t place = 0;                          ///< and at which index
  KindInUse kind;                                 ///< of its filter
  Charge charge;
  ShareInUse lasting;  ///< of what sessions and subscriptions may take,
  ShareInUse nodes;    ///< and of the tree
};

/// A message that one session is owed, with how this session gets it.
struct Delivery {
  std::shared_ptr<const Message> message;
  Number number = 0;           ///< in the store; 0: not there
  std::uint64_t saved_in = 0;  ///< the batch on which its next step waits
  mqtt::QoS qos = mqtt::QoS::at_most_once;
  bool retain = false;
  std::uint8_t scheme = 0;
  std::shared_ptr<const std::string> subscriber;
  std::vector<std::uint32_t> identifiers;
  std::size_t place = 0;                       ///< of its DeliverySaved among the changes of that batch
  std::shared_ptr<Receiver> receiver{};        ///< set: it ends with the connection, and is not stored
  std::shared_ptr<const std::string> share{};  ///< set: it came by this shared subscription
};

struct Paced {
  std::deque<Delivery> waiting;
  std::uint64_t next = 0;  ///< steady
};

inline Subscription::Subscription() = default;
inline Subscription::~Subscription() = default;

struct PendingWill {
  std::shared_ptr<const Message> message;
  std::uint32_t delay = 0;  ///< seconds
};

/// Names a session among all: whoever logs in finds its own alone, and keeps nobody else from an identifier. No identity has a
/// '/' in its name.
std::string session_name(std::string_view owner, std::string_view client_id);

struct Session {
  Session(std::string_view owner_, std::string_view id, Number own)
      : name(session_name(owner_, id)), client_id(id), owner(owner_), number(own) {}

  /// Whether what happens to it goes to the store: it is meant to outlive its connection.
  bool lasts() const { return expiry_interval != 0; }

  const std::string name;  ///< session_name()
  const std::string client_id;
  const std::string owner;  ///< the identity that logged in; empty: nobody
  const Number number;
  std::size_t counted = 0;             ///< of its subscriptions, in Ports::lasting_subscriptions
  bool saved = false;                  ///< the store knows it
  Link* link = nullptr;                ///< null while the client is away
  bool exactly_once = false;           ///< its connection's login wants all messages with QoS 2; the session ends with it
  std::uint32_t expiry_interval = 0;   ///< seconds after the connection ends; UINT32_MAX: never
  std::uint64_t expires = UINT64_MAX;  ///< steady; set while the client is away
  std::optional<PendingWill> will;
  std::uint64_t will_due = UINT64_MAX;  ///< steady; set while the client is away

  FilterKinds::OfSession kinds;  ///< outlives the subscriptions
  TextMap<std::unique_ptr<Subscription>> subscriptions;
  mqtt::OutgoingState<Delivery> outgoing;
  std::uint32_t in_flight = 0;  ///< of these: sent on the present connection, and not finished
  mqtt::IncomingState incoming;
  std::deque<Delivery> queue;           ///< not yet in flight
  std::uint64_t left_queue = 0;         ///< how many have gone on from there
  std::vector<Subscription*> retained;  ///< that are owed retained messages, in the order in which they came
  bool is_in_line = false;              ///< to go on with them in a turn to come
  std::size_t queued_bytes = 0;
  ShareInUse lasting;  ///< of what sessions and subscriptions may take,
  ShareInUse place;    ///< and of the number of sessions
  Charge charge;       ///< of itself,
  Charge waiting;      ///< and of the lists of what it is owed; the messages have their own
  Speakers speakers;   ///< whose verified messages and requests came through it; for revocation

  std::uint64_t last_delivery = 0;  ///< merges overlapping subscriptions of one publication
  std::size_t last_target = 0;      ///< and the last of its targets in it
};

}  // namespace sealmq::broker
