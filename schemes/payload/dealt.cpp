#include "schemes/payload/dealt.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "mqtt/topic.h"
#include "schemes/payload/sending.h"

namespace sealmq::payload {
namespace {

constexpr std::string_view mark = "SealMQ keys 1";
constexpr std::size_t most_keys = 64;
constexpr std::size_t most_members = 4096;

void encode_key(cbor::Writer& out, const TopicKey& key, bool to_readers) {
  const bool is_pair = key.kind == TopicKey::Kind::pair;
  out.array(9).bytes(key.id).text(name(key.kind)).text(name(key.form)).integer(algorithm_of(key.cipher)).text(name(key.state));
  out.integer(static_cast<std::int64_t>(key.not_before)).integer(static_cast<std::int64_t>(key.not_after));
  if (to_readers)
    out.bytes(key.secret.reveal());
  else
    out.null();
  if (is_pair)
    out.bytes(key.public_half);
  else
    out.null();
}

template <std::size_t N>
void copy_exactly(cbor::Reader& in, Bytes from, std::array<std::uint8_t, N>& to) {
  if (from.size() == N)
    std::ranges::copy(from, to.begin());
  else
    in.fail("octets of another number");
}

TopicKey decode_key(cbor::Reader& in) {
  TopicKey key;
  if (in.array() != 9) in.fail("a key has nine parts");
  copy_exactly(in, in.bytes(), key.id);
  const auto kind = topic_key_kind_from(in.text());
  const auto form = topic_key_form_from(in.text());
  const auto cipher = cipher_of(in.integer());
  const auto state = in.text();
  if (!kind || !form || !cipher) {
    in.fail("a key of a kind that is not known here");
    return key;
  }
  key.kind = *kind;
  key.form = *form;
  key.cipher = static_cast<TopicKey::Cipher>(*cipher);
  for (const auto its : {TopicKey::State::active, TopicKey::State::decrypt_only, TopicKey::State::revoked})
    if (state == name(its)) key.state = its;
  key.not_before = in.number();
  key.not_after = in.number();
  if (in.next() == cbor::Reader::Kind::null) {
    in.null();
  } else {
    key.secret = Secret(in.bytes());
    if (key.secret.size() != 32) in.fail("a key of another length");
  }
  if (key.kind == TopicKey::Kind::pair)
    copy_exactly(in, in.bytes(), key.public_half);
  else
    in.null();
  if (key.kind == TopicKey::Kind::symmetric && key.secret.empty()) in.fail("a symmetric key without the key");
  return key;
}

std::vector<ReaderKey> meant(const std::vector<TopicKey::Member>& members, bool to_readers) {
  std::vector<ReaderKey> readers;
  for (const auto& member : members)
    if (member.reads == to_readers && is_there(member.identity.keys.agreement))
      readers.push_back(ReaderKey::of(member.identity.keys.agreement));
  return readers;
}

}  // namespace

std::string dealing_topic(std::string_view prefix, std::string_view administrator, std::string_view filter, bool to_readers) {
  const auto digest = crypto::sha256(as_bytes(filter));
  return std::string(prefix) + "/" + std::string(administrator) + "/" + to_hex(Bytes(digest).first(8)) +
         (to_readers ? "/readers" : "/writers");
}

std::string dealing_filter(std::string_view prefix, std::string_view administrator) {
  return std::string(prefix) + "/" + std::string(administrator) + "/+/+";
}

Buffer encode_dealt(const Dealt& dealt, bool to_readers) {
  Buffer plaintext;
  cbor::Writer out(plaintext);
  out.array(4).text(mark).text(dealt.filter).array(dealt.keys.size());
  for (const TopicKey& key : dealt.keys) encode_key(out, key, to_readers);
  const auto& members = dealt.keys.front().members;
  out.array(members.size());
  for (const auto& member : members) out.array(2).text(member.identity.name).bytes(member.identity.keys.ecdsa);
  return plaintext;
}

Result<Dealt> decode_dealt(Bytes plaintext) {
  auto in = TRY(cbor::Reader::over(plaintext));
  Dealt dealt;
  if (in.array() != 4 || in.text() != mark) in.fail("these are no dealt keys");
  dealt.filter = in.text();
  if (!in.failed() && !mqtt::is_topic_filter(dealt.filter)) in.fail("not a topic filter");
  const auto keys = in.array();
  if (keys == 0 || keys > most_keys) in.fail("no keys, or too many");
  for (std::size_t i = 0; i < keys && !in.failed(); ++i) {
    dealt.keys.push_back(decode_key(in));
    dealt.keys.back().filter = dealt.filter;
  }
  std::vector<TopicKey::Member> members;
  const auto count = in.array();
  if (count > most_members) in.fail("too many members");
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    TopicKey::Member member;
    if (in.array() != 2) in.fail("a member has two parts");
    member.identity.name = in.text();
    if (!in.failed() && !is_identity_name(member.identity.name)) in.fail("a member without a name");
    copy_exactly(in, in.bytes(), member.identity.keys.ecdsa);
    members.push_back(std::move(member));
  }
  for (TopicKey& key : dealt.keys) key.members = members;
  return in.finish(std::move(dealt));
}

Result<std::optional<Buffer>> deal(const Dealt& dealt, bool to_readers, std::string_view topic, KeyStore& administrator,
                                   std::uint64_t number, Now now, Random& random) {
  const auto readers = meant(dealt.keys.front().members, to_readers);
  if (readers.empty()) return std::nullopt;
  const Secret plaintext(encode_dealt(dealt, to_readers));
  const Stamper its = stamper(administrator);
  Header stamp{.algorithm = its.algorithm, .content = 96, .key_id = its.id, .number = number, .issued = now.wall / 1000};
  const Header header{.algorithm = algorithm::a256gcm, .key_id = its.id, .issued = stamp.issued};
  const auto outer = outer_of(encode_header(stamp));
  const Buffer sealed = TRY(encode_encrypt_for(
      readers, header, external_aad(topic, Place::inside, outer),
      [&](const Encrypted&) -> Result<Buffer> { return to_buffer(plaintext.reveal()); }, random));
  return TRY(encode_sign1(its, stamp, external_aad(topic), sealed));
}

Result<Dealt> open_dealt(Bytes message, std::string_view topic, const PublicIdentity& administrator, KeyStore& reader) {
  const auto outside = decode_message(message);
  if (!outside) return refused(Cause::malformed, outside.error().what);
  const auto inside = decode_message(outside->body);
  if (!inside) return refused(Cause::malformed, inside.error().what);
  const Header& stamp = outside->header;
  if (outside->structure != Structure::sign1 || inside->structure != Structure::encrypt || stamp.content != 96 || !stamp.number ||
      !stamp.issued || !stamp.claims_are_critical || outside->has_unprotected || inside->has_unprotected)
    return refused(Cause::malformed, "not the form in which keys are dealt");
  const auto verifier = TRY(StampVerifier::make(algorithm::es256, administrator.keys.ecdsa));
  const Buffer sealed = to_be_sealed(Structure::sign1, outside->header_bytes, external_aad(topic), outside->body);
  if (stamp.algorithm != algorithm::es256 || !std::ranges::equal(stamp.key_id, verifier.id()) ||
      !verifier.verify(sealed, outside->seal))
    return refused(Cause::stamp, "keys that their administrator has not dealt");

  const auto own = reader_id(reader.identity().keys.agreement);
  const auto meant_for_us =
      std::ranges::find_if(inside->recipients, [&](const Recipient& its) { return std::ranges::equal(its.header.key_id, own); });
  if (meant_for_us == inside->recipients.end()) return fail(Blame::not_authorised, "policy: keys that were dealt to others");
  const ReaderSecret secret{own, [&](const auto& peer) { return reader.agree(peer); }};
  const auto content_key = unwrap(*meant_for_us, secret);
  if (!content_key) return refused(Cause::decrypt, content_key.error().what);
  const auto cipher = cipher_of(inside->header.algorithm);
  crypto::Iv iv{};
  if (!cipher || content_key->size() != crypto::key_size(*cipher) || inside->header.iv.size() != iv.size())
    return refused(Cause::decrypt, "a cipher or nonce that cannot be");
  std::ranges::copy(inside->header.iv, iv.begin());
  const Buffer external = external_aad(topic, Place::inside, outer_of(outside->header_bytes));
  auto plaintext = crypto::Aead(*cipher, content_key->reveal())
                       .open(iv, enc_structure(Structure::encrypt, inside->header_bytes, external), inside->body);
  if (!plaintext) return refused(Cause::decrypt, plaintext.error().what);
  const Secret kept(*std::move(plaintext));
  auto dealt = decode_dealt(kept.reveal());
  if (!dealt) return refused(Cause::malformed, dealt.error().what);

  for (TopicKey& key : dealt->keys) key.dealt = *stamp.number;
  return dealt;
}

Result<> install(Dealt dealt, const PublicIdentity& administrator, TopicKeys& keys) {
  const auto present = keys.all(true);
  for (const TopicKey& key : *present) {
    const bool is_same = std::ranges::any_of(dealt.keys, [&](const TopicKey& its) { return its.id == key.id; });
    const bool is_theirs = key.administrator.keys == administrator.keys;
    // The last ones come again at each subscription; those before must not bring a former key back.
    if (key.filter == dealt.filter && is_theirs && key.dealt > dealt.keys.front().dealt)
      return refused(Cause::replay, "keys that have been replaced since");
    if (is_same && !is_theirs) return refused(Cause::policy, "keys with the id of somebody else's");
    if (key.filter == dealt.filter && is_theirs && !is_same) TRY(keys.erase(key.id));
  }
  for (TopicKey& key : dealt.keys) {
    key.administrator = administrator;
    TRY(keys.put(key));
  }
  return {};
}

}  // namespace sealmq::payload
