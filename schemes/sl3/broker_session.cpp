// The broker's part of hardened SL3: verify who asks for a session, answer, take messages in and seal them for subscribers.
#include "base/try.h"
#include "crypto/kdf.h"
#include "mqtt/topic.h"
#include "schemes/malina/frame.h"
#include "schemes/sl3/session.h"
#include "schemes/sl3/session_keys.h"
#include "schemes/sl3/sl3.h"

namespace sealmq::sl3 {
namespace {

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

Failure misused(const char* why) {
  return fail(Blame::caller_misused, why);
}

/// Numbered like the author's messages; its digest names the key that the request's point leads to. When its time has left the
/// window nothing that is signed with it is accepted any more, whatever its number.
ReplayMark mark_of_request(const RequestBody& body, const crypto::Sec1Compressed& point) {
  ReplayMark mark;
  mark.scheme = scheme_name;
  mark.author = body.id;
  mark.ordered = true;
  mark.sequence = body.sequence;
  mark.digest = malina::used_point(point);
  mark.forget_after = body.time + malina::accepted_behind + 5'000;
  return mark;
}

ReplayMark mark_of_message(const SignedMessage& message) {
  auto mark = malina::mark_of(scheme_name, message.id, message.time, message.signature);
  mark.ordered = true;
  mark.sequence = message.sequence;
  return mark;
}

}  // namespace

Result<BrokerSession::Request> BrokerSession::read_request(Bytes bytes, KeyStore& broker, Now now) {
  Role role = malina::begins(bytes, type_subscribe) ? Role::subscriber : Role::publisher;
  auto frame = TRY(decode_exchange(bytes, request_type(role)));
  const std::string& broker_id = broker.identity().name;
  auto encapsulation = TRY(malina::decapsulate(frame.start, broker_id, broker, frame.point));
  Buffer plaintext = TRY(malina::open_once(encapsulation, request_label, frame.sealed));
  auto body = TRY(decode_request_body(plaintext));

  auto key = TRY(crypto::schnorr::VerifyingKey::from_id(body.id));
  const auto& th1 = encapsulation.exchange.hash();
  bool signed_by_id =
      malina::verify(key, {request_type(role), broker_id, body.topic, body.id, th1, body.time, body.sequence}, body.signature);
  if (!signed_by_id) return refused("the signature of the request does not verify");
  if (!fits(role, body.topic)) return refused("no topic to ask a session for");
  if (!malina::is_fresh(body.time, now)) return refused("the time of the request is outside the window");

  SessionRequest request;
  request.role = role;
  request.topic = body.topic;
  request.id = body.id;
  request.mark = mark_of_request(body, frame.point);
  request.encapsulation = std::move(encapsulation);
  request.frame = to_buffer(bytes);
  return Request(std::move(request));
}

Result<BrokerSession::Answered> BrokerSession::answer(const Request& request, Random& random, Now now, SessionLimits limits) {
  auto ephemeral = crypto::AgreementKey::generate(random);
  auto shared = TRY(crypto::agree(ephemeral, request->encapsulation.point));
  auto exchange = second_step(request->encapsulation.exchange, request->frame, ephemeral.public_key(), shared);

  AnswerBody body{{}, now.wall};
  random.fill(body.session);
  Buffer frame = begin_exchange(answer_type(request->role), ephemeral.public_key());
  Secret master = seal_answer(exchange, encode(body), frame);
  return Answered{BrokerSession(*request, body.session, master, limits, now), std::move(frame)};
}

BrokerSession::BrokerSession(const SessionRequest& request, const SessionId& id, const Secret& master,
                             const SessionLimits& limits, Now now)
    : role_(request.role), id_(id), topic_(request.topic), author_(request.id), age_(limits, now) {
  if (role_ == Role::publisher)
    inwards_.emplace(data_secret(master, to_broker), limits.channel());
  else
    outwards_.emplace(data_secret(master, to_client), limits.channel());
}

bool BrokerSession::is_over(Now now) const {
  return age_.is_over(now) || (inwards_ ? inwards_->is_retired() : outwards_->is_retired());
}

Result<Verified<TakenMessage, BrokerSession>> BrokerSession::open(Bytes bytes, AuthorCheck check, std::string_view broker_id,
                                                                  malina::KnownKeys& keys, Now now) {
  auto frame = TRY(decode_session_frame(bytes, type_message_in));
  if (!inwards_) return refused("a subscriber's session publishes nothing");
  if (frame.session != id_) return refused("sealed for another session");
  if (age_.is_over(now)) return refused("the session is over");
  auto opened = TRY(inwards_->open(frame.counter, frame.header, frame.sealed));
  auto inside = TRY(decode_message_in(opened.plaintext, author_));
  if (check == AuthorCheck::signature) {
    auto key = TRY(keys.find(author_, true));
    if (!malina::verify(key, statement_of(inside, broker_id), inside.signature)) return refused("the signature does not verify");
  }
  if (!malina::is_fresh(inside.time, now)) return refused("its time is outside the window");

  TakenMessage taken;
  taken.body = encode(inside);
  taken.message = TRY(decode_signed_message(taken.body));
  taken.repeat = opened.repeat;
  taken.mark = mark_of_message(inside);
  return Verified<TakenMessage, BrokerSession>(std::move(taken));
}

Result<Buffer> BrokerSession::seal_frame(std::uint8_t type, Bytes body, Now now) {
  if (!outwards_) return misused("a publisher's session receives nothing");
  if (age_.is_over(now)) return misused("the session is over");
  Buffer frame = begin_session_frame(type, id_, outwards_->counter());
  Buffer header = frame;
  TRY(outwards_->seal(header, body, frame));
  return frame;
}

Result<Buffer> BrokerSession::seal(Bytes body, Now now) {
  auto message = TRY(decode_signed_message(body));
  if (!mqtt::matches(topic_, message.topic)) return misused("a topic that this session did not ask for");
  return seal_frame(type_message_out, body, now);
}

Result<Buffer> BrokerSession::seal_group_key(const Secret& body, Now now) {
  return seal_frame(type_group_key, body.reveal(), now);
}

}  // namespace sealmq::sl3
