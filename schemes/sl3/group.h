// Secure multicast: one group for each topic filter and policy, whose members share a key that changes with its membership. Both
// sides, in both profiles, without a broker around them. One thread at a time for each object.
//
//   broker, for each message:   for (name : group.waiting(now)) send group.seal_key(name, its session, now)      SL3_5
//                               send to all of group.members():   group.seal(body, key, now)                     SL3_6
//   member:                     SL3_5 -> take_key()    SL3_6 -> open(), which may answer AskAgain
#pragma once

#include <set>
#include <variant>

#include "crypto/ecdsa.h"
#include "schemes/sl3/paper_session.h"
#include "schemes/sl3/session.h"

namespace sealmq::sl3 {

/// How long an epoch may last, at most.
struct GroupLimits {
  std::uint32_t messages = 1024;
  std::uint64_t bytes = 1ULL << 36;
  std::uint64_t age = 60 * 60 * 1000;  ///< milliseconds
};

// -- broker side

/// Who is in a group, and which epoch it is in. Who joins, leaves or is revoked starts a new epoch, as do limits: but only when
/// the next message or key is asked for, so that many changes in one turn make one epoch.
class GroupEpochs {
 public:
  const GroupId& id() const { return id_; }
  std::uint32_t epoch() const { return epoch_; }
  const std::set<std::string>& members() const { return members_; }

  /// A newcomer does not get the key of the epoch that was: what was sent before stays closed. For a member that asks again, the
  /// present key becomes due again, and nothing else changes.
  void join(const std::string& member);
  /// Also when revoked, or when its session ends. No effect on others than members.
  void leave(const std::string& member);

  /// Members who lack the key under which the next message would be sealed. Begins its epoch if it is due.
  std::vector<std::string> waiting(Now now);
  /// Whether this member is among them.
  bool lacks_key(const std::string& member, Now now);

 protected:
  GroupEpochs(std::size_t secret_size, Random& random, GroupLimits limits);
  ~GroupEpochs() = default;
  GroupEpochs(GroupEpochs&&) = default;

  /// Begins a new epoch if one is due.
  void bring_up_to_date(Now now);
  void count_message(std::size_t size) {
    ++sealed_;
    sealed_bytes_ += size;
  }
  Result<> check_member(const std::string& member) const;
  void has_key(const std::string& member) { waiting_.erase(member); }

  const Secret& secret() const { return secret_; }
  const GroupLimits& limits() const { return limits_; }
  std::uint32_t messages_left() const { return limits_.messages - sealed_; }
  Random& random() const { return random_; }

 private:
  std::size_t secret_size_;
  Random& random_;
  GroupLimits limits_;
  GroupId id_;
  std::uint32_t epoch_ = 0;  // none has begun
  Secret secret_;
  std::uint64_t started_ = 0;
  std::uint32_t sealed_ = 0;
  std::uint64_t sealed_bytes_ = 0;
  bool changed_ = false;
  std::set<std::string> members_;
  std::set<std::string> waiting_;  // members without the epoch's key
};

class Group : public GroupEpochs {
 public:
  /// `random` outlives the group.
  explicit Group(Random& random, GroupLimits limits = {}) : GroupEpochs(group_secret_size, random, limits) {}

  /// SL3_5. Errors: caller_misused (no member, or its session is over).
  Result<Buffer> seal_key(const std::string& member, BrokerSession& session, Now now);
  /// SL3_6, once for all members. `body` is a SignedMessage, encoded; `broker` signs what is sealed, because the key of the group
  /// proves no more than that some member made it. Errors: the key store's.
  Result<Buffer> seal(Bytes body, KeyStore& broker, Now now);

 private:
  /// Also the channel, if it is of an epoch before.
  void renew(Now now);
  std::optional<crypto::SealingChannel> channel_;
  std::uint32_t channel_epoch_ = 0;
};

// -- member side

/// An answer of its own: the key of this group and epoch is not here. Renew the subscription, but seldom: an epoch is the one
/// part of a frame that anybody can make up.
struct AskAgain {};

inline constexpr std::uint64_t previous_epoch_lasts = 10'000;  // milliseconds

/// The keys a member holds: of the present epoch, and for 10 s of the one before.
template <class Channel>
class HeldKeys {
 public:
  struct Held {
    GroupId group;
    std::uint32_t epoch;
    Secret secret;
    Channel channel;
    std::uint64_t until;
  };

  /// A key that came by the session `source`. Epochs only grow, so that an old SL3_5 brings no old key back; another group
  /// counts anew, but only in another session.
  template <class MakeChannel>
  Result<> take(const GroupId& group, std::uint32_t epoch, Bytes secret, const SessionId& source, std::uint64_t lasts, Now now,
                MakeChannel make_channel) {
    if (present_ && present_->group == group) {
      if (epoch < present_->epoch) return fail(Blame::peer_misbehaved, "the key of an epoch that has ended");
      if (epoch == present_->epoch) {
        if (!same(secret, present_->secret.reveal())) return fail(Blame::peer_misbehaved, "a second key for one epoch");
        source_ = source;
        return {};
      }
    } else if (present_ && source == source_) {
      return fail(Blame::peer_misbehaved, "the key of another group");
    }
    previous_ = std::move(present_);
    if (previous_) previous_->until = std::min(previous_->until, now.steady + previous_epoch_lasts);
    present_.emplace(Held{group, epoch, Secret(secret), make_channel(), now.steady + lasts + previous_epoch_lasts});
    source_ = source;
    return {};
  }

  /// Whether it has had a key of this group; of any.
  bool knows(const GroupId& group) const {
    return (present_ && present_->group == group) || (previous_ && previous_->group == group);
  }
  bool is_empty() const { return !present_; }

  /// Null: ask again. Error: an epoch that has ended.
  Result<Held*> find(const GroupId& group, std::uint32_t epoch, Now now) {
    for (auto* held : {&present_, &previous_})
      if (*held && (*held)->until <= now.steady) held->reset();
    for (auto* held : {&present_, &previous_})
      if (*held && (*held)->group == group && (*held)->epoch == epoch) return &**held;
    if (present_ && present_->group == group && epoch < present_->epoch)
      return fail(Blame::peer_misbehaved, "sealed in an epoch that has ended");
    return nullptr;
  }

 private:
  std::optional<Held> present_;
  std::optional<Held> previous_;
  SessionId source_{};
};

class GroupMember {
 public:
  /// For the subscription of `session`; outlives it if the session is renewed. Error: the broker's key is no point of the curve.
  static Result<GroupMember> make(const ClientSession& session);

  /// SL3_5. Errors: peer_misbehaved (changed, an old epoch), caller_misused.
  Result<> take_key(Bytes frame, ClientSession& session, Now now);
  const HeldKeys<crypto::OpeningChannel>& keys() const { return keys_; }

  using Opened = std::variant<Verified<ReceivedMessage, GroupMember>, AskAgain>;
  /// SL3_6. Errors: peer_misbehaved (changed, an ended epoch, not the broker's, signature or topic wrong).
  Result<Opened> open(Bytes frame, malina::KnownKeys& keys, Now now);

 private:
  GroupMember(std::string topic, BrokerIdentity broker, crypto::ecdsa::VerifyingKey broker_key)
      : topic_(std::move(topic)), broker_(std::move(broker)), broker_key_(std::move(broker_key)) {}
  std::string topic_;
  BrokerIdentity broker_;
  crypto::ecdsa::VerifyingKey broker_key_;
  HeldKeys<crypto::OpeningChannel> keys_;
};

// -- as published: no counter, and the broker does not sign

namespace paper {

class Group : public GroupEpochs {
 public:
  explicit Group(Random& random, GroupLimits limits = {}) : GroupEpochs(group_secret_size, random, limits) {}

  Result<Buffer> seal_key(const std::string& member, BrokerSession& session, Now now);
  Result<Buffer> seal(Bytes body, Now now);

 private:
  void renew(Now now);
  std::optional<crypto::AesGcm> key_;
  std::uint32_t key_epoch_ = 0;
};

class GroupMember {
 public:
  struct Key {
    crypto::AesGcm aead;
    std::uint32_t left;
  };

  explicit GroupMember(const ClientSession& session) : topic_(session.topic()) {}

  Result<> take_key(Bytes frame, ClientSession& session, Now now);
  const HeldKeys<Key>& keys() const { return keys_; }

  using Opened = std::variant<Verified<TakenMessage, GroupMember>, AskAgain>;
  Result<Opened> open(Bytes frame, malina::KnownKeys& keys, Now now);

 private:
  std::string topic_;
  HeldKeys<Key> keys_;
};

}  // namespace paper
}  // namespace sealmq::sl3
