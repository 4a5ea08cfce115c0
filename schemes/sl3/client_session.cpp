// The client's part of hardened SL3: ask for a session, use it.
#include "base/try.h"
#include "crypto/kdf.h"
#include "mqtt/topic.h"
#include "schemes/malina/frame.h"
#include "schemes/sl3/session.h"
#include "schemes/sl3/session_keys.h"

namespace sealmq::sl3 {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

Failure misused(const char* why) {
  return fail(Blame::caller_misused, why);
}

}  // namespace

Result<ClientRequest> ClientRequest::make(Role role, std::string_view topic, KeyStore& key, const BrokerIdentity& broker,
                                          Random& random, Now now, SessionLimits limits) {
  if (!fits(role, topic)) return misused("not a topic to ask a session for");
  auto ephemeral = crypto::AgreementKey::generate(random);
  Buffer frame = begin_exchange(request_type(role), ephemeral.public_key());
  Bytes start = Bytes(frame).first(malina::frame_start_size);
  auto encapsulation = TRY(malina::encapsulate(start, {broker.id, broker.agreement}, ephemeral));

  const auto sequence = TRY(key.sequence().next());
  RequestBody body{now.wall, sequence, topic, key.identity().keys.schnorr, {}};
  const auto& th1 = encapsulation.exchange.hash();
  body.signature = TRY(malina::sign(key, {request_type(role), broker.id, topic, body.id, th1, body.time, body.sequence}));
  malina::seal_once(encapsulation, request_label, encode(body), frame);

  ClientRequest request(role, std::string(topic), broker, std::move(ephemeral), std::move(encapsulation), limits);
  request.frame_ = std::move(frame);
  return request;
}

Result<ClientSession> ClientRequest::take(Bytes answer, Now now) const {
  auto frame = TRY(decode_exchange(answer, answer_type(role_)));
  auto shared = TRY(crypto::agree(ephemeral_, frame.point));
  auto exchange = second_step(encapsulation_.exchange, frame_, frame.point, shared);
  auto opened = TRY(open_answer(exchange, frame.sealed));
  auto body = TRY(decode_answer_body(opened.plaintext));
  return ClientSession(role_, topic_, broker_, body.session, opened.master, body.time, limits_, now);
}

ClientSession::ClientSession(Role role, std::string topic, BrokerIdentity broker, const SessionId& id, const Secret& master,
                             std::uint64_t broker_time, const SessionLimits& limits, Now now)
    : id_(id), topic_(std::move(topic)), broker_(std::move(broker)), broker_time_(broker_time), age_(limits, now) {
  if (role == Role::publisher)
    outwards_.emplace(data_secret(master, to_broker), limits.channel());
  else
    inwards_.emplace(data_secret(master, to_client), limits.channel());
}

bool ClientSession::must_be_renewed(Now now) const {
  return age_.is_nearly_over(now) || (outwards_ ? outwards_->use() : inwards_->use()).is_nearly_over();
}

bool ClientSession::is_over(Now now) const {
  return age_.is_over(now) || (outwards_ ? outwards_->is_retired() : inwards_->is_retired());
}

Result<Buffer> ClientSession::protect(std::string_view topic, Bytes payload, KeyStore& key, Now now) {
  if (!outwards_) return misused("a subscriber's session publishes nothing");
  if (!mqtt::is_topic_name(topic)) return misused("not a topic name");
  if (age_.is_over(now) || outwards_->is_retired()) return misused("the session is over");
  SignedMessage message{topic, key.identity().keys.schnorr, payload, now.wall, TRY(key.sequence().next()), {}};
  message.signature = TRY(malina::sign(key, statement_of(message, broker_.id)));
  Buffer frame = begin_session_frame(type_message_in, id_, outwards_->counter());
  Buffer header = frame;
  TRY(outwards_->seal(header, encode_message_in(message), frame));
  return frame;
}

Result<crypto::OpeningChannel::Opened> ClientSession::open_frame(Bytes bytes, std::uint8_t type, Now now) {
  if (!inwards_) return misused("a publisher's session receives nothing");
  auto frame = TRY(decode_session_frame(bytes, type));
  if (frame.session != id_) return refused("sealed for another session");
  if (age_.is_over(now)) return refused("the session is over");
  return inwards_->open(frame.counter, frame.header, frame.sealed);
}

Result<Verified<ReceivedMessage, ClientSession>> ClientSession::open(Bytes frame, malina::KnownKeys& keys, Now now) {
  auto opened = TRY(open_frame(frame, type_message_out, now));
  auto message = TRY(decode_signed_message(opened.plaintext));
  if (!mqtt::matches(topic_, message.topic)) return refused("a topic that was not asked for");
  auto key = TRY(keys.find(message.id, true));
  if (!malina::verify(key, statement_of(message, broker_.id), message.signature)) return refused("the signature does not verify");
  return Verified<ReceivedMessage, ClientSession>(ReceivedMessage{std::move(opened.plaintext), message, opened.repeat});
}

Result<Secret> ClientSession::open_group_key(Bytes frame, Now now) {
  auto opened = TRY(open_frame(frame, type_group_key, now));
  Secret body(std::move(opened.plaintext));
  if (opened.repeat) return refused("a group key that was already taken");
  return body;
}

}  // namespace sealmq::sl3
