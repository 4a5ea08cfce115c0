#include "schemes/malina/join.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/ecdsa.h"
#include "crypto/kdf.h"
#include "mqtt/topic.h"
#include "schemes/malina/frame.h"

namespace sealmq::malina {
namespace {

constexpr std::string_view request_label = "MALINA-2 join";
constexpr std::string_view answer_label = "MALINA-2 join answer";
constexpr std::string_view ecdsa_tag = "MALINA-2 join ecdsa";
constexpr std::string_view agreement_label = "MALINA-2 join ecdh";
constexpr std::string_view ephemeral_word = "ephemeral";  // an ML-KEM key that is made for each run
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

/// With the role of both, one of the lists may be empty, where `form` says so.
JoinRights read_topics(Role role, Reader& in, JoinForm form = JoinForm::first) {
  JoinRights rights;
  if (role != Role::subscriber) rights.publish = read_topics(in);
  if (role != Role::publisher) rights.subscribe = read_topics(in);
  const bool is_wide = form == JoinForm::proved && role == Role::both;
  if (!in.failed() && !is_wide && role_of(rights) != role) in.fail("its topics are not of its role");
  return rights;
}

Buffer encode_topics(Role role, const JoinRights& rights) {
  Buffer out;
  Writer writer(out);
  if (role != Role::subscriber) write_topics(rights.publish, writer);
  if (role != Role::publisher) write_topics(rights.subscribe, writer);
  return out;
}

Result<> check_rights(const JoinRights& rights) {
  for (const auto* topics : {&rights.publish, &rights.subscribe}) {
    if (topics->size() > 0xFFFF) return fail(Blame::caller_misused, "joining takes at most 65535 topics");
    for (const auto& topic : *topics)
      if (!mqtt::is_topic_filter(topic)) return fail(Blame::caller_misused, "not a topic filter: " + topic);
  }
  return {};
}

// -- hardened: role || ticket || ID || keys || topics || t || u64 sequence || z || e, and where all are proved pE || pA ||
// lp16("")

struct JoinBody {
  JoinForm form = JoinForm::first;
  Role role = Role::both;
  Joining joining;
  bool is_ephemeral = false;  // it speaks ML-KEM, with a key for each run
  std::uint64_t sequence = 0;
  Signature signature{};
  crypto::ecdsa::Signature ecdsa_proof{};
  crypto::Digest agreement_proof{};
};

/// ecdsa(33) || agreement(33), and where all are proved lp16(ML-KEM) || lp16(ML-DSA).
void read_keys(Reader& in, JoinBody& b) {
  b.joining.keys.ecdsa = in.array<33>();
  b.joining.keys.agreement = in.array<33>();
  if (b.form == JoinForm::first) return;
  const auto mlkem = as_text(in.lp16());
  if (!in.failed() && !mlkem.empty() && mlkem != ephemeral_word) in.fail("an ML-KEM key, which this form cannot prove");
  b.is_ephemeral = !mlkem.empty();
  if (const Bytes mldsa = in.lp16(); !mldsa.empty()) in.fail("an ML-DSA key, which this build cannot verify");
}

void write_keys(const JoinBody& b, Writer& out) {
  out.bytes(b.joining.keys.ecdsa).bytes(b.joining.keys.agreement);
  if (b.form == JoinForm::proved) out.lp16(as_bytes(b.is_ephemeral ? ephemeral_word : std::string_view())).lp16(Bytes());
}

Result<JoinBody> decode_body(Bytes bytes, JoinForm form) {
  Reader in = open_inside(bytes);
  JoinBody b;
  b.form = form;
  b.role = read_role(in);
  b.joining.ticket = in.array<16>();
  b.joining.keys.schnorr = in.array<32>();
  read_keys(in, b);
  b.joining.rights = read_topics(b.role, in, form);
  b.joining.time = in.u64();
  b.sequence = in.u64();
  b.signature = in.array<64>();
  if (form == JoinForm::proved) {
    b.ecdsa_proof = in.array<64>();
    b.agreement_proof = in.array<32>();
    if (!in.lp16().empty()) in.fail("a proof of no key");
  }
  return in.finish(std::move(b));
}

Buffer encode(const JoinBody& b) {
  Buffer bytes;
  Writer out(bytes);
  out.u8(static_cast<std::uint8_t>(b.role)).bytes(b.joining.ticket).bytes(b.joining.keys.schnorr);
  write_keys(b, out);
  out.bytes(encode_topics(b.role, b.joining.rights)).u64(b.joining.time).u64(b.sequence).bytes(b.signature);
  if (b.form == JoinForm::proved) out.bytes(b.ecdsa_proof).bytes(b.agreement_proof).lp16(Bytes());
  return bytes;
}

/// M of the signature: th || role || ticket || keys || topics. ID, time and sequence are elements of their own.
Buffer signed_message(const JoinBody& b, Bytes th) {
  Buffer message = to_buffer(th);
  Writer out(message);
  out.u8(static_cast<std::uint8_t>(b.role)).bytes(b.joining.ticket);
  write_keys(b, out);
  out.bytes(encode_topics(b.role, b.joining.rights));
  return message;
}

Statement statement_of(const JoinBody& b, std::string_view broker_id, Bytes message) {
  return {type_join, broker_id,      {},         b.joining.keys.schnorr,
          message,   b.joining.time, b.sequence, static_cast<std::uint8_t>(b.form)};
}

/// What the other keys prove themselves over: `tag` || ID || M.
Buffer proved_by_key(std::string_view tag, const Id& id, Bytes message) {
  Buffer text = to_buffer(as_bytes(tag));
  append(text, id);
  append(text, message);
  return text;
}

/// By who shares `shared`, of the joiner's agreement key and the broker's.
crypto::Digest agreement_proof(const Secret& shared, Bytes th, const Id& id, Bytes message) {
  const Secret key = crypto::hkdf(shared.reveal(), th, as_bytes(agreement_label), 32);
  return crypto::hmac_sha256(key.reveal(), proved_by_key({}, id, message));
}

Result<> prove_other_keys(JoinBody& b, KeyStore& key, const BrokerIdentity& broker, Bytes th, Bytes message) {
  const Id& id = b.joining.keys.schnorr;
  b.ecdsa_proof = crypto::ecdsa::lowered(TRY(key.sign_ecdsa(proved_by_key(ecdsa_tag, id, message))));
  const Secret shared = TRY(key.agree(broker.agreement));
  b.agreement_proof = agreement_proof(shared, th, id, message);
  return {};
}

/// Whoever lists another's keys as its own would be shown as the author of what that one signs.
Result<> check_other_keys(const JoinBody& b, KeyStore& broker, Bytes th, Bytes message) {
  const Id& id = b.joining.keys.schnorr;
  const auto ecdsa = TRY(crypto::ecdsa::VerifyingKey::from_sec1(b.joining.keys.ecdsa));
  if (!crypto::ecdsa::is_low(b.ecdsa_proof) ||
      !crypto::ecdsa::verify(ecdsa, proved_by_key(ecdsa_tag, id, message), b.ecdsa_proof))
    return refused("the ECDSA key is not proved");
  const Secret shared = TRY(broker.agree(b.joining.keys.agreement));
  if (!same(agreement_proof(shared, th, id, message), b.agreement_proof)) return refused("the key for agreement is not proved");
  return {};
}

/// The answer's key is bound to the whole request. Not its iv: a request may be answered twice, so the iv is random.
JoinAnswerKey answer_key(const Encapsulation& encapsulation, Bytes request, JoinForm form) {
  auto exchange = encapsulation.exchange.fork();
  exchange.see(request).step();
  return {exchange.derive(answer_label, answer_key_size), to_buffer(exchange.hash()), form};
}

// -- both

struct Answer {
  JoinStatus status;
  Id id;
  std::uint64_t time;
};

Result<Answer> decode_answer(Bytes bytes, JoinForm form) {
  Reader in = open_inside(bytes);
  Answer a;
  std::uint8_t status = in.u8();
  if (status > 1) in.fail("no such status");
  a.status = static_cast<JoinStatus>(status);
  a.id = in.array<32>();
  a.time = in.u64();
  if (form == JoinForm::proved && !in.lp16().empty()) in.fail("a question about a key that was not named");
  return in.finish(a);
}

Buffer encode(const Answer& a, JoinForm form) {
  Buffer bytes;
  Writer out(bytes);
  out.u8(static_cast<std::uint8_t>(a.status)).bytes(a.id).u64(a.time);
  if (form == JoinForm::proved) out.lp16(Bytes());
  return bytes;
}

/// IV || GCM(...)
void seal_answer(JoinAnswerKey& key, const Answer& answer, Random& random, Buffer& out) {
  crypto::Iv iv;
  random.fill(iv);
  append(out, iv);
  key.aead().seal(iv, key.aad(), encode(answer, key.form()), out);
}

Result<JoinStatus> open_answer(Reader in, JoinAnswerKey& key, const Id& own) {
  auto iv = in.array<12>();
  Bytes sealed = TRY(in.finish(in.rest()));
  Buffer plaintext = TRY(key.aead().open(iv, key.aad(), sealed));
  auto answer = TRY(decode_answer(plaintext, key.form()));
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
      .bytes(encode_topics(role_of(b.joining.rights), b.joining.rights))
      .u64(b.joining.time)
      .bytes(b.signature);
  return out;
}

/// ("JOIN", role, ticket, ID, topics, t)
template <class Use>
auto with_paper_list(const Joining& joining, Use use) {
  const std::array<std::uint8_t, 1> role{static_cast<std::uint8_t>(role_of(joining.rights))};
  Buffer topics = encode_topics(role_of(joining.rights), joining.rights);
  Buffer time;
  Writer(time).u64(joining.time);
  const std::array<Bytes, 6> list{as_bytes("JOIN"), role, joining.ticket, joining.keys.schnorr, topics, time};
  return use(std::span<const Bytes>(list));
}

}  // namespace

class JoinReader {
 public:
  static Result<ReadJoin> read(Bytes bytes, KeyStore& broker, Now now) {
    const bool is_first = bytes.size() > 2 && bytes[2] == static_cast<std::uint8_t>(JoinForm::first);
    const JoinForm form = is_first ? JoinForm::first : JoinForm::proved;
    Reader in = open_frame(bytes, type_join, static_cast<std::uint8_t>(form));
    auto point = in.array<33>();
    Bytes sealed = TRY(in.finish(in.rest()));
    const std::string& broker_id = broker.identity().name;
    auto encapsulation = TRY(decapsulate(bytes.first(frame_start_size), broker_id, broker, point));
    const Buffer plaintext = TRY(open_once(encapsulation, request_label, sealed));
    auto body = TRY(decode_body(plaintext, form));
    auto key = TRY(crypto::schnorr::VerifyingKey::from_id(body.joining.keys.schnorr));
    Buffer message = signed_message(body, encapsulation.exchange.hash());
    if (!verify(key, statement_of(body, broker_id, message), body.signature)) return refused("the signature does not verify");
    TRY(crypto::Point::decode(body.joining.keys.ecdsa));
    TRY(crypto::Point::decode(body.joining.keys.agreement));
    if (form == JoinForm::proved) TRY(check_other_keys(body, broker, encapsulation.exchange.hash(), message));
    if (!is_fresh(body.joining.time, now)) return refused("its time is outside the window");
    body.joining.all_keys_proved = form == JoinForm::proved;
    return ReadJoin{VerifiedJoining(std::move(body.joining)), answer_key(encapsulation, bytes, form), used_point(point)};
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
    body.joining.all_keys_proved = true;  // there is no other
    return ReadJoin{VerifiedJoining(std::move(body.joining)), std::move(key), used_point(point)};
  }
};

namespace {

Result<JoinRequest> hardened_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key, const BrokerIdentity& broker,
                                     Random& random, Now now, JoinForm form) {
  TRY(check_rights(rights));
  auto own = crypto::AgreementKey::generate(random);
  Buffer frame;
  begin_frame(frame, type_join, static_cast<std::uint8_t>(form)).bytes(own.public_key());
  auto encapsulation = TRY(encapsulate(Bytes(frame).first(frame_start_size), {broker.id, broker.agreement}, own));
  JoinBody body;
  body.form = form;
  body.role = role_of(rights);
  body.joining = {ticket, key.identity().keys, rights, now.wall};
  body.sequence = TRY(key.sequence().next());
  const Bytes th = encapsulation.exchange.hash();
  const Buffer message = signed_message(body, th);
  body.signature = TRY(sign(key, statement_of(body, broker.id, message)));
  if (form == JoinForm::proved) TRY(prove_other_keys(body, key, broker, th, message));
  seal_once(encapsulation, request_label, encode(body), frame);
  auto answers = answer_key(encapsulation, frame, form);
  return JoinRequest{std::move(frame), std::move(answers)};
}

}  // namespace

Result<JoinRequest> join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key, const BrokerIdentity& broker,
                                 Random& random, Now now) {
  return hardened_request(ticket, rights, key, broker, random, now, JoinForm::proved);
}

Result<JoinRequest> first_join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key,
                                       const BrokerIdentity& broker, Random& random, Now now) {
  return hardened_request(ticket, rights, key, broker, random, now, JoinForm::first);
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
  begin_frame(frame, type_join_answer, static_cast<std::uint8_t>(key.form()));
  seal_answer(key, {status, id, now.wall}, random, frame);
  return frame;
}

Buffer answer_paper_join(JoinAnswerKey& key, JoinStatus status, const Id& id, Random& random, Now now) {
  Buffer frame = to_buffer(as_bytes("JOIN+"));
  seal_answer(key, {status, id, now.wall}, random, frame);
  return frame;
}

Result<JoinStatus> read_join_answer(Bytes frame, JoinAnswerKey& key, const Id& own) {
  return open_answer(open_frame(frame, type_join_answer, static_cast<std::uint8_t>(key.form())), key, own);
}

Result<JoinStatus> read_paper_join_answer(Bytes frame, JoinAnswerKey& key, const Id& own) {
  return open_answer(open_paper_frame(frame, "JOIN+"), key, own);
}

}  // namespace sealmq::malina
