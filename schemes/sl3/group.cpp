#include "schemes/sl3/group.h"

#include <limits>

#include "base/try.h"
#include "crypto/kdf.h"
#include "mqtt/topic.h"
#include "schemes/malina/frame.h"
#include "schemes/sl3/sl3.h"

namespace sealmq::sl3 {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

Secret channel_secret(Bytes group_secret, const GroupId& group, std::uint32_t epoch) {
  Buffer info;
  Writer(info).text("MALINA-2 sl3 group").bytes(group).u32(epoch);
  return crypto::hkdf(group_secret, {}, info, crypto::channel_secret_size);
}

}  // namespace

GroupEpochs::GroupEpochs(std::size_t secret_size, Random& random, GroupLimits limits)
    : secret_size_(secret_size), random_(random), limits_(limits) {
  random_.fill(id_);
}

void GroupEpochs::join(const std::string& member) {
  if (members_.insert(member).second) changed_ = true;
  waiting_.insert(member);
}

void GroupEpochs::leave(const std::string& member) {
  if (members_.erase(member) != 0) changed_ = true;
  waiting_.erase(member);
}

std::vector<std::string> GroupEpochs::waiting(Now now) {
  bring_up_to_date(now);
  return {waiting_.begin(), waiting_.end()};
}

bool GroupEpochs::lacks_key(const std::string& member, Now now) {
  bring_up_to_date(now);
  return waiting_.contains(member);
}

void GroupEpochs::bring_up_to_date(Now now) {
  bool due = epoch_ == 0 || changed_ || sealed_ >= limits_.messages || sealed_bytes_ >= limits_.bytes ||
             now.steady - started_ >= limits_.age;
  if (!due) return;
  if (epoch_ == std::numeric_limits<std::uint32_t>::max()) {  // no number of a group comes twice: it becomes another group
    random_.fill(id_);
    epoch_ = 0;
  }
  ++epoch_;
  Buffer fresh(secret_size_);
  random_.fill(fresh);
  secret_ = Secret(std::move(fresh));
  started_ = now.steady;
  sealed_ = 0;
  sealed_bytes_ = 0;
  changed_ = false;
  waiting_ = members_;
}

Result<> GroupEpochs::check_member(const std::string& member) const {
  if (!members_.contains(member)) return fail(Blame::caller_misused, "not a member of the group");
  return {};
}

void Group::renew(Now now) {
  bring_up_to_date(now);
  if (channel_epoch_ == epoch()) return;
  // A fresh secret for each epoch, so that its counter may start anew.
  channel_.emplace(channel_secret(secret().reveal(), id(), epoch()), crypto::ChannelLimits{.messages = limits().messages});
  channel_epoch_ = epoch();
}

Result<Buffer> Group::seal_key(const std::string& member, BrokerSession& session, Now now) {
  TRY(check_member(member));
  renew(now);
  Secret body = encode(GroupKeyBody{id(), epoch(), secret().reveal(), limits().messages});
  auto frame = TRY(session.seal_group_key(body, now));
  has_key(member);
  return frame;
}

Result<Buffer> Group::seal(Bytes body, KeyStore& broker, Now now) {
  renew(now);
  Buffer frame = begin_group_frame(id(), epoch(), channel_->counter());
  Buffer header = frame;
  auto signature = TRY(broker.sign_ecdsa(group_statement(broker.identity().name, header, body)));
  Buffer inside = to_buffer(body);
  append(inside, signature);
  TRY(channel_->seal(header, inside, frame));
  count_message(inside.size());
  return frame;
}

Result<GroupMember> GroupMember::make(const ClientSession& session) {
  auto broker_key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(session.broker().ecdsa));
  return GroupMember(session.topic(), session.broker(), std::move(broker_key));
}

Result<> GroupMember::take_key(Bytes frame, ClientSession& session, Now now) {
  Secret body = TRY(session.open_group_key(frame, now));
  auto key = TRY(decode_group_key(body.reveal()));
  return keys_.take(key.group, key.epoch, key.secret, session.id(), GroupLimits{}.age, now, [&] {
    return crypto::OpeningChannel(channel_secret(key.secret, key.group, key.epoch),
                                  crypto::ChannelLimits{.messages = key.messages});
  });
}

Result<GroupMember::Opened> GroupMember::open(Bytes bytes, malina::KnownKeys& keys, Now now) {
  auto frame = TRY(decode_group_frame(bytes));
  auto* held = TRY(keys_.find(frame.group, frame.epoch, now));
  if (held == nullptr) return AskAgain{};
  Buffer plaintext = TRY(held->channel.unseal(frame.counter, frame.header, frame.sealed));
  auto body = TRY(decode_group_body(plaintext));
  if (!crypto::ecdsa::verify(broker_key_, group_statement(broker_.id, frame.header, body.message), body.broker_signature))
    return refused("sealed by a member of the group, not by the broker");
  auto message = TRY(decode_signed_message(body.message));
  if (!mqtt::matches(topic_, message.topic)) return refused("a topic that was not asked for");
  auto key = TRY(keys.find(message.id, true));
  if (!malina::verify(key, statement_of(message, broker_.id), message.signature)) return refused("the signature does not verify");
  Replay replay = held->channel.judge(frame.counter);
  if (replay == Replay::stale) return refused("its counter fell behind the window");
  return Verified<ReceivedMessage, GroupMember>(ReceivedMessage{std::move(plaintext), message, replay == Replay::repeat});
}

namespace paper {

void Group::renew(Now now) {
  bring_up_to_date(now);
  if (key_epoch_ == epoch()) return;
  key_.emplace(secret());
  key_epoch_ = epoch();
}

Result<Buffer> Group::seal_key(const std::string& member, BrokerSession& session, Now now) {
  TRY(check_member(member));
  renew(now);
  Secret body = encode(GroupKeyBody{id(), epoch(), secret().reveal(), messages_left()});
  auto frame = TRY(session.seal_group_key(body, random(), now));
  has_key(member);
  return frame;
}

Result<Buffer> Group::seal(Bytes body, Now now) {
  renew(now);
  Buffer frame = begin_group_frame(id(), epoch());
  malina::paper_seal(*key_, body, random(), frame);
  count_message(body.size());
  return frame;
}

Result<> GroupMember::take_key(Bytes frame, ClientSession& session, Now now) {
  Secret body = TRY(session.open_group_key(frame, now));
  auto key = TRY(decode_group_key(body.reveal()));
  return keys_.take(key.group, key.epoch, key.secret, session.id(), GroupLimits{}.age, now, [&] {
    return Key{crypto::AesGcm(key.secret), key.messages};
  });
}

Result<GroupMember::Opened> GroupMember::open(Bytes bytes, malina::KnownKeys& keys, Now now) {
  auto frame = TRY(decode_group_frame(bytes));
  auto* held = TRY(keys_.find(frame.group, frame.epoch, now));
  if (held == nullptr) return AskAgain{};
  if (held->channel.left == 0) return refused("the key has protected all it may");
  TakenMessage taken;
  taken.body = TRY(malina::paper_open(held->channel.aead, frame.sealed));
  taken.message = TRY(decode_signed_message(taken.body));
  if (taken.message.topic != topic_) return refused("a topic that was not asked for");
  auto key = TRY(keys.find(taken.message.id, true));
  if (!malina::verify(key, statement_of(taken.message), taken.message.signature)) return refused("the signature does not verify");
  taken.mark = malina::mark_of(paper_scheme_name, taken.message.id, taken.message.time, taken.message.signature);
  --held->channel.left;
  return Verified<TakenMessage, GroupMember>(std::move(taken));
}

}  // namespace paper
}  // namespace sealmq::sl3
