#include "schemes/malina/join.h"

#include <algorithm>

#include "mqtt/topic.h"
#include "schemes/malina/frame.h"

namespace sealmq::malina {
namespace {

constexpr std::string_view request_label = "MALINA-2 join";
constexpr std::string_view answer_label = "MALINA-2 join answer";
constexpr std::size_t answer_key_size = 16;

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

/// The byte that says which lists of topics follow.
enum class Role : std::uint8_t {
  publisher = 1,   ///< those to publish to
  subscriber = 2,  ///< those to subscribe to
  both = 3,        ///< one and the other; or none and none, for whatever the ticket allows
};

Role role_of(const JoinRights& rights) {
  if (rights.publish.empty() == rights.subscribe.empty()) return Role::both;
  return rights.subscribe.empty() ? Role::publisher : Role::subscriber;
}

/// u16 count || lp16(topic) ...
void write_topics(const std::vector<std::string>& topics, Writer& out) {
  out.u16(static_cast<std::uint16_t>(topics.size()));
  for (const auto& topic : topics) out.lp16(topic);
}

std::vector<std::string> read_topics(Reader& in) {
  std::vector<std::string> topics;
  for (unsigned left = in.u16(); left > 0 && !in.failed(); --left) {
    topics.emplace_back(as_text(in.lp16()));
    if (!in.failed() && !mqtt::is_topic_filter(topics.back())) in.fail("not a topic filter");
  }
  return topics;
}

Role read_role(Reader& in) {
  std::uint8_t role = in.u8();
  if (!in.failed() && (role < 1 || role > 3)) in.fail("no such role");
  return static_cast<Role>(role);
}

Buffer encode_topics(const JoinRights& rights) {
  Buffer out;
  Writer writer(out);
  Role role = role_of(rights);
  if (role != Role::subscriber) write_topics(rights.publish, writer);
  if (role != Role::publisher) write_topics(rights.subscribe, writer);
  return out;
}

JoinRights read_topics(Role role, Reader& in) {
  JoinRights rights;
  if (role != Role::subscriber) rights.publish = read_topics(in);
  if (role != Role::publisher) rights.subscribe = read_topics(in);
  if (!in.failed() && role_of(rights) != role) in.fail("its topics are not of its role");
  return rights;
}

Result<> check_rights(const JoinRights& rights) {
  for (const auto* topics : {&rights.publish, &rights.subscribe}) {
    if (topics->size() > 0xFFFF) return fail(Blame::caller_misused, "joining takes at most 65535 topics");
    for (const auto& topic : *topics)
      if (!mqtt::is_topic_filter(topic)) return fail(Blame::caller_misused, "not a topic filter: " + topic);
  }
  return {};
}

// -- hardened: role || ticket || ID || ecdsa || agreement || topics || t || u64 sequence || z || e

struct JoinBody {
  Joining joining;
  std::uint64_t sequence = 0;
  Signature signature{};
};

Result<JoinBody> decode_body(Bytes bytes) {
  Reader in = open_inside(bytes);
  JoinBody b;
  Role role = read_role(in);
  b.joining.ticket = in.array<16>();
  b.joining.keys.schnorr = in.array<32>();
  b.joining.keys.ecdsa = in.array<33>();
  b.joining.keys.agreement = in.array<33>();
  b.joining.rights = read_topics(role, in);
  b.joining.time = in.u64();
  b.sequence = in.u64();
  b.signature = in.array<64>();
  return in.finish(std::move(b));
}

Buffer encode(const JoinBody& b) {
  Buffer out;
  Writer(out)
      .u8(static_cast<std::uint8_t>(role_of(b.joining.rights)))
      .bytes(b.joining.ticket)
      .bytes(b.joining.keys.schnorr)
      .bytes(b.joining.keys.ecdsa)
      .bytes(b.joining.keys.agreement)
      .bytes(encode_topics(b.joining.rights))
      .u64(b.joining.time)
      .u64(b.sequence)
      .bytes(b.signature);
  return out;
}

/// M of the signature: th || role || ticket || ecdsa || agreement || topics. ID, time and sequence are elements of their own.
Buffer signed_message(const JoinBody& b, Bytes th) {
  Buffer out = to_buffer(th);
  Writer(out)
      .u8(static_cast<std::uint8_t>(role_of(b.joining.rights)))
      .bytes(b.joining.ticket)
      .bytes(b.joining.keys.ecdsa)
      .bytes(b.joining.keys.agreement)
      .bytes(encode_topics(b.joining.rights));
  return out;
}

Statement statement_of(const JoinBody& b, std::string_view broker_id, Bytes message) {
  return {type_join, broker_id, {}, b.joining.keys.schnorr, message, b.joining.time, b.sequence};
}

/// The answer's key is bound to the whole request. Not its iv: a request may be answered twice, so the iv is random.
JoinAnswerKey answer_key(const Encapsulation& encapsulation, Bytes request) {
  auto exchange = encapsulation.exchange.fork();
  exchange.see(request).step();
  return JoinAnswerKey(exchange.derive(answer_label, answer_key_size), to_buffer(exchange.hash()));
}

// -- both

struct Answer {
  JoinStatus status;
  Id id;
  std::uint64_t time;
};

Result<Answer> decode_answer(Bytes bytes) {
  Reader in = open_inside(bytes);
  Answer a;
  std::uint8_t status = in.u8();
  if (status > 1) in.fail("no such status");
  a.status = static_cast<JoinStatus>(status);
  a.id = in.array<32>();
  a.time = in.u64();
  return in.finish(a);
}

Buffer encode(const Answer& a) {
  Buffer out;
  Writer(out).u8(static_cast<std::uint8_t>(a.status)).bytes(a.id).u64(a.time);
  return out;
}

/// IV || GCM(...)
void seal_answer(JoinAnswerKey& key, const Answer& answer, Random& random, Buffer& out) {
  crypto::Iv iv;
  random.fill(iv);
  append(out, iv);
  key.aead().seal(iv, key.aad(), encode(answer), out);
}

Result<JoinStatus> open_answer(Reader in, JoinAnswerKey& key, const Id& own) {
  auto iv = in.array<12>();
  Bytes sealed = TRY(in.finish(in.rest()));
  Buffer plaintext = TRY(key.aead().open(iv, key.aad(), sealed));
  auto answer = TRY(decode_answer(plaintext));
  if (answer.id != own) return refused("an answer to somebody else");
  return answer.status;
}

// -- as published: role || ticket || ID || topics || t || z || e

struct PaperBody {
  Joining joining;
  Signature signature{};
};

Result<PaperBody> decode_paper_body(Bytes bytes) {
  Reader in = open_inside(bytes);
  PaperBody b;
  Role role = read_role(in);
  b.joining.ticket = in.array<16>();
  b.joining.keys.schnorr = in.array<32>();
  b.joining.rights = read_topics(role, in);
  b.joining.time = in.u64();
  b.signature = in.array<64>();
  return in.finish(std::move(b));
}

Buffer encode(const PaperBody& b) {
  Buffer out;
  Writer(out)
      .u8(static_cast<std::uint8_t>(role_of(b.joining.rights)))
      .bytes(b.joining.ticket)
      .bytes(b.joining.keys.schnorr)
      .bytes(encode_topics(b.joining.rights))
      .u64(b.joining.time)
      .bytes(b.signature);
  return out;
}

/// ("JOIN", role, ticket, ID, topics, t)
template <class Use>
auto with_paper_list(const Joining& joining, Use use) {
  const std::array<std::uint8_t, 1> role{static_cast<std::uint8_t>(role_of(joining.rights))};
  Buffer topics = encode_topics(joining.rights);
  Buffer time;
  Writer(time).u64(joining.time);
  const std::array<Bytes, 6> list{as_bytes("JOIN"), role, joining.ticket, joining.keys.schnorr, topics, time};
  return use(std::span<const Bytes>(list));
}

}  // namespace

class JoinReader {
 public:
  static Result<ReadJoin> read(Bytes bytes, KeyStore& broker, Now now) {
    Reader in = open_frame(bytes, type_join);
    auto point = in.array<33>();
    Bytes sealed = TRY(in.finish(in.rest()));
    const std::string& broker_id = broker.identity().name;
    auto encapsulation = TRY(decapsulate(bytes.first(frame_start_size), broker_id, broker, point));
    auto body = TRY(decode_body(TRY(open_once(encapsulation, request_label, sealed))));
    auto key = TRY(crypto::schnorr::VerifyingKey::from_id(body.joining.keys.schnorr));
    Buffer message = signed_message(body, encapsulation.exchange.hash());
    if (!verify(key, statement_of(body, broker_id, message), body.signature)) return refused("the signature does not verify");
    TRY(crypto::Point::decode(body.joining.keys.ecdsa));
    TRY(crypto::Point::decode(body.joining.keys.agreement));
    if (!is_fresh(body.joining.time, now)) return refused("its time is outside the window");
    return ReadJoin{VerifiedJoining(std::move(body.joining)), answer_key(encapsulation, bytes), used_point(point)};
  }

  static Result<ReadJoin> read_paper(Bytes bytes, KeyStore& broker, Now now) {
    Reader in = open_paper_frame(bytes, "JOIN_");
    auto point = in.array<33>();
    Bytes sealed = TRY(in.finish(in.rest()));
    JoinAnswerKey key(paper_key(TRY(broker.agree(point))), {});
    auto body = TRY(decode_paper_body(TRY(paper_open(key.aead(), sealed))));
    auto verifying_key = TRY(crypto::schnorr::VerifyingKey::from_id(body.joining.keys.schnorr));
    crypto::schnorr::Signature signature;
    std::copy_n(body.signature.begin(), 32, signature.z.begin());
    std::copy_n(body.signature.begin() + 32, 32, signature.e.begin());
    bool signed_by_id =
        with_paper_list(body.joining, [&](auto list) { return crypto::schnorr::verify(verifying_key, list, signature); });
    if (!signed_by_id) return refused("the signature does not verify");
    if (!is_fresh(body.joining.time, now)) return refused("its time is outside the window");
    return ReadJoin{VerifiedJoining(std::move(body.joining)), std::move(key), used_point(point)};
  }
};

Result<JoinRequest> join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key, const BrokerIdentity& broker,
                                 Random& random, Now now) {
  TRY(check_rights(rights));
  auto ephemeral = crypto::AgreementKey::generate(random);
  Buffer frame;
  begin_frame(frame, type_join).bytes(ephemeral.public_key());
  auto encapsulation = TRY(encapsulate(Bytes(frame).first(frame_start_size), {broker.id, broker.agreement}, ephemeral));
  JoinBody body;
  body.joining = {ticket, key.identity().keys, rights, now.wall};
  body.sequence = TRY(key.sequence().next());
  Buffer message = signed_message(body, encapsulation.exchange.hash());
  body.signature = TRY(sign(key, statement_of(body, broker.id, message)));
  seal_once(encapsulation, request_label, encode(body), frame);
  auto answers = answer_key(encapsulation, frame);
  return JoinRequest{std::move(frame), std::move(answers)};
}

Result<JoinRequest> paper_join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key,
                                       const BrokerIdentity& broker, Random& random, Now now) {
  TRY(check_rights(rights));
  auto ephemeral = crypto::AgreementKey::generate(random);
  JoinAnswerKey shared(paper_key(TRY(crypto::agree(ephemeral, broker.agreement))), {});
  PaperBody body;
  body.joining = {ticket, key.identity().keys, rights, now.wall};
  body.signature = TRY(with_paper_list(body.joining, [&](auto list) { return key.sign_schnorr(list); }));
  Buffer frame = to_buffer(as_bytes("JOIN_"));
  append(frame, ephemeral.public_key());
  paper_seal(shared.aead(), encode(body), random, frame);
  return JoinRequest{std::move(frame), std::move(shared)};
}

Result<ReadJoin> read_join(Bytes frame, KeyStore& broker, Now now) {
  return JoinReader::read(frame, broker, now);
}

Result<ReadJoin> read_paper_join(Bytes frame, KeyStore& broker, Now now) {
  return JoinReader::read_paper(frame, broker, now);
}

Buffer answer_join(JoinAnswerKey& key, JoinStatus status, const Id& id, Random& random, Now now) {
  Buffer frame;
  begin_frame(frame, type_join_answer);
  seal_answer(key, {status, id, now.wall}, random, frame);
  return frame;
}

Buffer answer_paper_join(JoinAnswerKey& key, JoinStatus status, const Id& id, Random& random, Now now) {
  Buffer frame = to_buffer(as_bytes("JOIN+"));
  seal_answer(key, {status, id, now.wall}, random, frame);
  return frame;
}

Result<JoinStatus> read_join_answer(Bytes frame, JoinAnswerKey& key, const Id& own) {
  return open_answer(open_frame(frame, type_join_answer), key, own);
}

Result<JoinStatus> read_paper_join_answer(Bytes frame, JoinAnswerKey& key, const Id& own) {
  return open_answer(open_paper_frame(frame, "JOIN+"), key, own);
}

}  // namespace sealmq::malina
