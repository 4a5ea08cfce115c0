#include "schemes/malina/revocation.h"

#include <algorithm>

#include "base/try.h"
#include "schemes/malina/frame.h"
#include "sealmq/complaint.h"
#include "sealmq/scheme.h"

namespace sealmq::malina {
namespace {

constexpr std::size_t signature_size = 64;
constexpr std::size_t ml_dsa_44_size = 2420;
constexpr std::size_t ml_dsa_65_size = 3309;
constexpr std::string_view request_tag = "MALINA-2 revocation request";
constexpr std::string_view order_tag = "MALINA-2 revocation order";
constexpr std::string_view paper_order_name = "RVK1";
constexpr std::uint8_t present_order_form = 0x02;  // where other frames have their suite
constexpr std::string_view paper_evidence_name = "EVID_";

Failure refused(const char* why) {
  return fail(Blame::peer_misbehaved, why);
}

Level read_level(Reader& in) {
  std::uint8_t level = in.u8();
  if (!in.failed() && (level < 1 || level > 3)) in.fail("no such level");
  return static_cast<Level>(level);
}

Action read_action(Reader& in) {
  std::uint8_t action = in.u8();
  if (!in.failed() && action != 1 && action != 2) in.fail("no such action");
  return static_cast<Action>(action);
}

/// What a signature over a whole frame covers: a tag that no other frame has, then the frame up to the signature.
Buffer tagged(std::string_view tag, Bytes before_signature) {
  Buffer out = to_buffer(as_bytes(tag));
  append(out, before_signature);
  return out;
}

Bytes before_signature(Bytes frame) {
  return frame.first(frame.size() < signature_size ? 0 : frame.size() - signature_size);
}

/// The type under which the author signed.
std::uint8_t signed_type(Level level) {
  switch (level) {
    case Level::sl1:
      return 0x12;
    case Level::sl2:
      return 0x22;
    case Level::sl3:
      return 0x33;
  }
  return 0;
}

std::string_view signed_tag(Level level) {
  switch (level) {
    case Level::sl1:
      return "SL1_2";
    case Level::sl2:
      return "SL2_2";
    case Level::sl3:
      return "SL3_2";
  }
  return {};
}

Evidence read_evidence(Reader& in) {
  Evidence e;
  e.level = read_level(in);
  e.broker_id = as_text(in.lp16());
  e.topic = as_text(in.lp16());
  e.message = in.lp32();
  e.time = in.u64();
  if (e.level == Level::sl2) {
    e.escrow = in.lp16();
  } else {
    e.id = in.array<32>();
    e.sequence = in.u64();
    e.signature = in.array<64>();
  }
  return e;
}

void write(const Evidence& e, Writer& out) {
  out.u8(static_cast<std::uint8_t>(e.level)).lp16(e.broker_id).lp16(e.topic).lp32(e.message).u64(e.time);
  if (e.level == Level::sl2)
    out.lp16(e.escrow);
  else
    out.bytes(e.id).u64(e.sequence).bytes(e.signature);
}

OrderById read_by_id(Reader& in) {
  OrderById o;
  o.serial = in.u64();
  o.time = in.u64();
  o.action = read_action(in);
  o.id = in.array<32>();
  o.reason = in.u8();
  return o;
}

void write(const OrderById& o, Writer& out) {
  out.u64(o.serial).u64(o.time).u8(static_cast<std::uint8_t>(o.action)).bytes(o.id).u8(o.reason);
}

/// u8 count || key hashes
std::vector<crypto::Digest> read_keys(Reader& in) {
  std::vector<crypto::Digest> keys;
  for (unsigned left = in.u8(); left > 0 && !in.failed(); --left) {
    keys.push_back(in.array<32>());
    if (!in.failed() && !is_there(keys.back())) in.fail("an order that names nobody's key");
  }
  return keys;
}

void write(const std::vector<crypto::Digest>& keys, Writer& out) {
  out.u8(static_cast<std::uint8_t>(keys.size()));
  for (const auto& key : keys) out.bytes(key);
}

Order read_by_keys(Reader& in) {
  Order o;
  o.serial = in.u64();
  o.time = in.u64();
  o.action = read_action(in);
  o.keys = read_keys(in);
  o.second_keys = read_keys(in);
  o.reason = in.u8();
  if (!in.failed() && o.keys.empty()) in.fail("an order that names nobody");
  return o;
}

void write(const Order& o, Writer& out) {
  out.u64(o.serial).u64(o.time).u8(static_cast<std::uint8_t>(o.action));
  write(o.keys, out);
  write(o.second_keys, out);
  out.u8(o.reason);
}

bool can_be_named(const std::vector<crypto::Digest>& keys) {
  return keys.size() <= 255 && std::ranges::all_of(keys, [](const auto& key) { return is_there(key); });
}

}  // namespace

struct RequestReader {
  static Result<VerifiedRequest> read(Bytes frame) {
    Reader in = open_frame(frame, type_revocation_request);
    RevocationRequest r;
    r.requester = in.array<33>();
    r.number = in.u64();
    r.sent = in.u64();
    r.evidence = read_evidence(in);
    r.reason = as_text(in.lp16());
    auto signature = in.array<signature_size>();
    r = TRY(in.finish(r));
    auto key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(r.requester));
    if (!crypto::ecdsa::verify(key, tagged(request_tag, before_signature(frame)), signature))
      return refused("the request is not signed by who it says");
    return VerifiedRequest(r);
  }
};

Result<Buffer> revocation_request(const Evidence& evidence, std::string_view reason, KeyStore& key, Now now) {
  for (std::size_t size : {evidence.broker_id.size(), evidence.topic.size(), evidence.escrow.size(), reason.size()})
    if (size > 0xFFFF) return fail(Blame::caller_misused, "too long for a request");
  Buffer frame;
  std::uint64_t number = TRY(key.sequence().next());
  Writer out = begin_frame(frame, type_revocation_request);
  out.bytes(key.identity().keys.ecdsa).u64(number).u64(now.wall);
  write(evidence, out);
  out.lp16(reason);
  auto signature = TRY(key.sign_ecdsa(tagged(request_tag, frame)));
  out.bytes(signature);
  return frame;
}

Result<VerifiedRequest> read_revocation_request(Bytes frame) {
  return RequestReader::read(frame);
}

bool holds(const Evidence& e) {
  auto key = crypto::schnorr::VerifyingKey::from_id(e.id);
  return key && verify(*key, {signed_type(e.level), e.broker_id, e.topic, e.id, e.message, e.time, e.sequence}, e.signature);
}

Result<Escrowed> decode_escrowed(Bytes plaintext) {
  Reader in = open_inside(plaintext);
  Escrowed e;
  e.id = in.array<32>();
  e.sequence = in.u64();
  e.signature = in.array<64>();
  return in.finish(e);
}

Buffer encode(const Evidence& evidence) {
  Buffer frame;
  Writer out = begin_frame(frame, type_evidence);
  write(evidence, out);
  return frame;
}

Result<Evidence> decode_evidence(Bytes frame) {
  Reader in = open_frame(frame, type_evidence);
  Evidence e = read_evidence(in);
  return in.finish(e);
}

Buffer encode_paper_evidence(const PaperRequest& evidence) {
  Buffer frame = to_buffer(as_bytes(paper_evidence_name));
  append(frame, encode(evidence));
  return frame;
}

Result<PaperRequest> decode_paper_evidence(Bytes frame) {
  if (!begins(frame, paper_evidence_name)) return fail(Blame::peer_misbehaved, "not evidence", malformed);
  auto evidence = TRY(decode_paper_request(frame.subspan(paper_evidence_name.size())));
  if (!evidence.reason.empty()) return fail(Blame::peer_misbehaved, "evidence has no reason", malformed);
  return evidence;
}

Result<PaperRequest> decode_paper_request(Bytes bytes) {
  Reader in = open_inside(bytes);
  PaperRequest r;
  r.level = read_level(in);
  r.topic = as_text(in.lp16());
  r.message = in.lp32();
  r.time = in.u64();
  r.signature = in.array<64>();
  if (r.level != Level::sl2) r.id = in.array<32>();
  r.reason = as_text(in.lp16());
  return in.finish(r);
}

Buffer encode(const PaperRequest& r) {
  Buffer frame;
  Writer out(frame);
  out.u8(static_cast<std::uint8_t>(r.level)).lp16(r.topic).lp32(r.message).u64(r.time).bytes(r.signature);
  if (r.level != Level::sl2) out.bytes(r.id.value_or(Id{}));
  out.lp16(r.reason);
  return frame;
}

bool signed_by(const PaperRequest& r, const Id& id) {
  auto key = crypto::schnorr::VerifyingKey::from_id(id);
  return key && verify(*key, {signed_tag(r.level), r.topic, id, r.message, r.time}, r.signature);
}

std::optional<Id> author_among(const PaperRequest& request, std::span<const Id> candidates) {
  for (const Id& id : candidates)
    if (signed_by(request, id)) return id;
  return std::nullopt;
}

class OrderReader {
 public:
  static Result<VerifiedOrder> read(Bytes frame, const crypto::ecdsa::VerifyingKey& authority) {
    if (begins(frame, paper_order_name)) {
      const auto read = TRY(before(open_paper_frame(frame, paper_order_name)));
      return verified(read, frame, before_signature(frame), to_buffer(before_signature(frame)), authority);
    }
    if (begins(frame, type_revocation_order) && frame.size() > 2 && frame[2] == suite) {
      const auto read = TRY(before(open_frame(frame, type_revocation_order)));
      return verified(read, frame, before_signature(frame), tagged(order_tag, before_signature(frame)), authority);
    }
    Reader in = open_frame(frame, type_revocation_order, present_order_form);
    Order order = read_by_keys(in);
    const std::size_t size = frame.size() - in.remaining();
    const auto signature = in.array<signature_size>();
    const std::size_t second = in.lp16().size();
    if (!in.failed() && second != 0 && second != ml_dsa_44_size && second != ml_dsa_65_size) in.fail("not a signature");
    order = TRY(in.finish(std::move(order)));
    if (!crypto::ecdsa::is_low(signature)) return refused("the order's signature has another form, which nobody may give it");
    return verified({std::move(order), signature}, frame, frame.first(size), tagged(order_tag, frame.first(size)), authority);
  }

 private:
  struct Read {
    Order order;
    crypto::ecdsa::Signature signature;
  };

  /// Of the forms of before.
  static Result<Read> before(Reader in) {
    const OrderById read = read_by_id(in);
    const auto signature = in.array<signature_size>();
    Order order{read.serial, read.time, read.action, {}, {}, read.reason};
    if (is_there(read.id)) order.keys.push_back(crypto::key_hash(read.id));
    return in.finish(Read{std::move(order), signature});
  }

  static Result<VerifiedOrder> verified(Read read, Bytes frame, Bytes content, const Buffer& statement,
                                        const crypto::ecdsa::VerifyingKey& authority) {
    if (!crypto::ecdsa::verify(authority, statement, read.signature)) return refused("the order is not signed by the authority");
    ReadOrder order{std::move(read.order), crypto::sha256(content), to_buffer(content), to_buffer(frame)};
    const auto lowered = crypto::ecdsa::lowered(read.signature);
    std::ranges::copy(lowered, order.frame.begin() + static_cast<std::ptrdiff_t>(content.size()));
    return VerifiedOrder(std::move(order));
  }
};

namespace {

/// What both forms of before are made of.
Result<Buffer> with_signature(Buffer frame, const Buffer& statement, KeyStore& authority) {
  append(frame, crypto::ecdsa::lowered(TRY(authority.sign_ecdsa(statement))));
  return frame;
}

}  // namespace

Result<Buffer> revocation_order(const Order& order, KeyStore& authority) {
  if (order.keys.empty() || !can_be_named(order.keys) || !can_be_named(order.second_keys))
    return fail(Blame::caller_misused, "an order names somebody by 1 to 255 keys");
  Buffer frame;
  Writer out = begin_frame(frame, type_revocation_order, present_order_form);
  write(order, out);
  frame = TRY(with_signature(frame, tagged(order_tag, frame), authority));
  Writer(frame).lp16(Bytes());
  return frame;
}

Result<Buffer> first_revocation_order(const OrderById& order, KeyStore& authority) {
  Buffer frame;
  Writer out = begin_frame(frame, type_revocation_order);
  write(order, out);
  return with_signature(frame, tagged(order_tag, frame), authority);
}

Result<Buffer> paper_revocation_order(const OrderById& order, KeyStore& authority) {
  Buffer frame = to_buffer(as_bytes(paper_order_name));
  Writer out(frame);
  write(order, out);
  return with_signature(frame, frame, authority);
}

Result<VerifiedOrder> read_order(Bytes frame, const crypto::ecdsa::VerifyingKey& authority) {
  return OrderReader::read(frame, authority);
}

}  // namespace sealmq::malina

namespace sealmq {

Result<RevocationByAuthority> read_authority_order(Bytes frame, const std::array<std::uint8_t, 33>& authority) {
  const auto key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(authority));
  auto read = TRY(malina::read_order(frame, key)).release();
  RevocationByAuthority its{read.order.serial, read.order.action == malina::Action::restore, std::move(read.order.keys),
                            read.name, std::move(read.frame)};
  its.keys.insert(its.keys.end(), read.order.second_keys.begin(), read.order.second_keys.end());
  return its;
}

Result<Buffer> sign_complaint(Bytes evidence, std::string_view reason, KeyStore& key, Now now) {
  if (malina::begins(evidence, malina::type_evidence))
    return malina::revocation_request(TRY(malina::decode_evidence(evidence)), reason, key, now);
  if (!malina::begins(evidence, malina::paper_evidence_name)) return fail(Blame::caller_misused, "this is not evidence");
  auto request = TRY(malina::decode_paper_evidence(evidence));
  if (reason.size() > 0xFFFF) return fail(Blame::caller_misused, "too long for a request");
  request.reason = reason;
  return malina::encode(request);
}

}  // namespace sealmq
