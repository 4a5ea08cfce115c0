// MemoryLimits: how much memory what one shard keeps takes, whose share of it that is, and whether there is room for more. The
// budget is shared by all shards (budget.h). One thread; outlives every session and subscription.
#pragma once

#include "base/shares.h"
#include "broker/sessions/session.h"
#include "broker/shard.h"

namespace sealmq::broker {

/// Unwritten bytes that every client may have, however short memory is.
inline constexpr std::size_t owed_when_full = 4 * 1024;

class MemoryLimits {
 public:
  /// `budget` may be null: there is no bound but those of the settings. `shards`: of how many this is one.
  MemoryLimits(const Settings& settings, Budget* budget, std::size_t shards)
      : settings_(settings), budget_(budget), shards_(shards), tree_charge_(budget, 0, true) {}

  // -- whether there is room

  bool has_room() const { return budget_ == nullptr || budget_->has_room(); }
  bool has_room_to_wait() const { return budget_ == nullptr || budget_->has_room_to_wait(); }
  bool has_room_to_grow() const { return budget_ == nullptr || budget_->has_room_to_grow(); }
  /// Unwritten bytes from which a client gets no more messages.
  std::size_t outbox_limit() const;
  /// Messages of QoS 1 and 2 that may be in flight towards a client with that Receive Maximum.
  std::uint32_t quota(std::uint16_t receive_maximum) const;
  /// For one more session of this party, beside those present.
  bool has_room_for_session(std::string_view party, std::size_t present) const;
  /// In memory, for so much more of sessions and subscriptions.
  bool has_room_to_last(std::size_t more, std::string_view party) const;
  /// In a tree of that many nodes.
  bool has_room_in_tree(std::string_view filter, std::string_view party, std::size_t nodes) const;
  /// Of a subscription, with the nodes of the tree that it may need.
  static std::size_t lasting_cost(std::string_view filter);

  // -- what is taken

  /// Of a connection, with what its transport takes and what changes from packet to packet.
  void account(Charge& connection, std::size_t transport, std::size_t changing) const;
  void account(Session& session) const;
  /// When it is made: takes it from the share of that party.
  void account_first(Session& session, std::string_view party);
  void account_first(Subscription& subscription, std::string_view party);
  /// It belongs to another party from now on: who comes for it now, or has come from elsewhere. Answers how many subscriptions
  /// were looked at for that.
  std::size_t account_to(Session& session, std::string_view party);
  void account_tree(std::size_t nodes);

 private:
  const Settings& settings_;
  Budget* const budget_;
  const std::size_t shards_;
  Shares lasting_;         // bytes of sessions and subscriptions,
  Shares session_places_;  // sessions,
  Shares node_places_;     // and levels of filters
  Charge tree_charge_;
};

}  // namespace sealmq::broker
