#include "schemes/sl3/paper_session.h"

#include <algorithm>

#include "schemes/sl3/sl3.h"

namespace sealmq::sl3::paper {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

ReplayMark mark_of_point(const crypto::Sec1Compressed& point, const malina::Id& author, const SessionLimits& limits, Now now) {
  ReplayMark mark;
  mark.scheme = paper_scheme_name;
  mark.author = author;
  mark.digest = malina::used_point(point);
  mark.forget_after = now.wall + limits.age;
  return mark;
}

Result<Buffer> signed_body(std::string_view topic, Bytes payload, KeyStore& key, Now now) {
  SignedMessage message{topic, key.identity().keys.schnorr, payload, now.wall, {}};
  message.signature = TRY(malina::sign(key, statement_of(message)));
  return encode(message);
}

/// Everything a message proves by itself. Whoever receives it asks further.
Result<TakenMessage> verified_message(Buffer body, malina::KnownKeys& keys, bool keep) {
  TakenMessage taken;
  taken.body = std::move(body);
  taken.message = TRY(decode_signed_message(taken.body));
  auto key = TRY(keys.find(taken.message.id, keep));
  if (!malina::verify(key, statement_of(taken.message), taken.message.signature)) return refused("the signature does not verify");
  taken.mark = malina::mark_of(paper_scheme_name, taken.message.id, taken.message.time, taken.message.signature);
  return taken;
}

}  // namespace

Result<> SessionKey::seal(Bytes plaintext, Random& random, Now now, Buffer& out) {
  if (is_over(now)) return fail(Blame::caller_misused, "the session is over");
  --left_;
  malina::paper_seal(aead_, plaintext, random, out);
  return {};
}

Result<Buffer> SessionKey::open(Bytes sealed, Now now) {
  if (is_over(now)) return refused("the session is over");
  auto plaintext = TRY(malina::paper_open(aead_, sealed));
  --left_;
  return plaintext;
}

Result<ClientSession::Made> ClientSession::subscribe(std::string_view topic, KeyStore& key, const BrokerIdentity& broker,
                                                     Random& random, Now now, SessionLimits limits) {
  auto ephemeral = crypto::AgreementKey::generate(random);
  SessionKey session(TRY(crypto::agree(ephemeral, broker.agreement)), limits, now);
  Buffer sealed;
  TRY(session.seal(encode(SubscribeBody{topic, now.wall, key.identity().keys.schnorr}), random, now, sealed));
  const std::array<Bytes, 2> list{as_bytes("SL3_1"), sealed};
  SubscribeFrame frame{ephemeral.public_key(), sealed, TRY(key.sign_schnorr(list))};
  return Made{ClientSession(std::move(session), key_id(frame.point), topic), encode(frame)};
}

Result<ClientSession::Made> ClientSession::publish(std::string_view topic, Bytes payload, KeyStore& key,
                                                   const BrokerIdentity& broker, Random& random, Now now, SessionLimits limits) {
  auto ephemeral = crypto::AgreementKey::generate(random);
  SessionKey session(TRY(crypto::agree(ephemeral, broker.agreement)), limits, now);
  Buffer body = TRY(signed_body(topic, payload, key, now));
  Buffer frame = begin_publish(ephemeral.public_key());
  TRY(session.seal(body, random, now, frame));
  return Made{ClientSession(std::move(session), key_id(ephemeral.public_key()), {}), std::move(frame)};
}

Result<Buffer> ClientSession::protect(std::string_view topic, Bytes payload, KeyStore& key, Random& random, Now now) {
  Buffer body = TRY(signed_body(topic, payload, key, now));
  Buffer frame = begin_message_in(id_);
  TRY(key_.seal(body, random, now, frame));
  return frame;
}

Result<Verified<TakenMessage, ClientSession>> ClientSession::open(Bytes frame, malina::KnownKeys& keys, Now now) {
  Buffer body = TRY(key_.open(TRY(decode_message_out(frame)), now));
  auto taken = TRY(verified_message(std::move(body), keys, true));
  if (taken.message.topic != topic_) return refused("a topic that was not asked for");
  return Verified<TakenMessage, ClientSession>(std::move(taken));
}

Result<Secret> ClientSession::open_group_key(Bytes frame, Now now) {
  return Secret(TRY(key_.open(TRY(decode_group_key_frame(frame)), now)));
}

Result<BrokerSession::Subscribed> BrokerSession::subscribe(Bytes bytes, KeyStore& broker, Now now, SessionLimits limits) {
  auto frame = TRY(decode_subscribe(bytes));
  SessionKey session(TRY(broker.agree(frame.point)), limits, now);
  Buffer plaintext = TRY(session.open(frame.sealed, now));
  auto body = TRY(decode_subscribe_body(plaintext));
  auto key = TRY(crypto::schnorr::VerifyingKey::from_id(body.id));
  const std::array<Bytes, 2> list{as_bytes("SL3_1"), frame.sealed};
  crypto::schnorr::Signature signature;
  std::copy_n(frame.signature.begin(), 32, signature.z.begin());
  std::copy_n(frame.signature.begin() + 32, 32, signature.e.begin());
  if (!crypto::schnorr::verify(key, list, signature)) return refused("the signature of the request does not verify");
  if (!malina::is_fresh(body.time, now)) return refused("the time of the request is outside the window");
  return Subscribed{BrokerSession(std::move(session), key_id(frame.point), body.id), std::string(body.topic), body.id,
                    mark_of_point(frame.point, body.id, limits, now)};
}

Result<BrokerSession::Published> BrokerSession::publish(Bytes bytes, KeyStore& broker, Now now, SessionLimits limits) {
  auto frame = TRY(decode_publish(bytes));
  SessionKey session(TRY(broker.agree(frame.point)), limits, now);
  Buffer body = TRY(session.open(frame.sealed, now));
  malina::KnownKeys no_keys;
  auto taken = TRY(verified_message(std::move(body), no_keys, false));
  if (!malina::is_fresh(taken.message.time, now)) return refused("its time is outside the window");
  const malina::Id author = taken.message.id;
  return Published{BrokerSession(std::move(session), key_id(frame.point), author),
                   Verified<TakenMessage, BrokerSession>(std::move(taken)), mark_of_point(frame.point, author, limits, now)};
}

Result<Verified<TakenMessage, BrokerSession>> BrokerSession::open(Bytes bytes, malina::KnownKeys& keys, Now now) {
  auto frame = TRY(decode_message_in(bytes));
  if (frame.key != id_) return refused("sealed for another session");
  auto taken = TRY(verified_message(TRY(key_.open(frame.sealed, now)), keys, true));
  if (taken.message.id != author_) return refused("not by the author who made the session");
  if (!malina::is_fresh(taken.message.time, now)) return refused("its time is outside the window");
  return Verified<TakenMessage, BrokerSession>(std::move(taken));
}

Result<Buffer> BrokerSession::seal(Bytes body, Random& random, Now now) {
  Buffer frame = begin_message_out();
  TRY(key_.seal(body, random, now, frame));
  return frame;
}

Result<Buffer> BrokerSession::seal_group_key(const Secret& body, Random& random, Now now) {
  Buffer frame = begin_group_key_frame();
  TRY(key_.seal(body.reveal(), random, now, frame));
  return frame;
}

}  // namespace sealmq::sl3::paper
