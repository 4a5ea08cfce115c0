#include "schemes/payload/dealt.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "crypto/identity_digest.h"
#include "mqtt/topic.h"
#include "schemes/payload/sending.h"
#include "schemes/payload/who_may_deal.h"

namespace sealmq::payload {
namespace {

constexpr std::string_view mark = "SealMQ keys 2";
constexpr std::string_view earlier_mark = "SealMQ keys 1";
constexpr std::uint64_t earlier_lasts = 30 * 24 * 3600;  // seconds
constexpr std::string_view delegation_mark = "SealMQ delegation 1";
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

std::string topics_of(std::string_view prefix, const PublicIdentity& administrator) {
  return std::string(prefix) + "/" + administrator.name + "/" + to_hex(Bytes(stamp_id(administrator.keys.ecdsa)).first(8));
}

std::vector<ReaderKey> meant(const std::vector<TopicKey::Member>& members, bool to_readers) {
  std::vector<ReaderKey> readers;
  for (const auto& member : members)
    if (member.reads == to_readers && is_there(member.identity.keys.agreement))
      readers.push_back(ReaderKey::of(member.identity.keys.agreement));
  return readers;
}

}  // namespace

std::string dealing_topic(std::string_view prefix, const PublicIdentity& administrator, std::string_view filter, Deal what) {
  const auto digest = crypto::sha256(as_bytes(filter));
  constexpr std::array<std::string_view, 3> ends = {"/readers", "/writers", "/delegate"};
  return topics_of(prefix, administrator) + "/" + to_hex(Bytes(digest).first(8)) +
         std::string(ends[static_cast<std::size_t>(what)]);
}

std::string dealing_filter(std::string_view prefix, const PublicIdentity& administrator) {
  return topics_of(prefix, administrator) + "/+/+";
}

Buffer encode_dealt(const Dealt& dealt, bool to_readers) {
  Buffer plaintext;
  cbor::Writer out(plaintext);
  out.array(4).text(mark).text(dealt.filter).array(dealt.keys.size());
  for (const TopicKey& key : dealt.keys) encode_key(out, key, to_readers);
  const auto& members = dealt.keys.front().members;
  out.array(members.size());
  for (const auto& member : members) out.array(3).text(member.identity.name).bytes(member.identity.keys.ecdsa).null();
  return plaintext;
}

Result<Dealt> decode_dealt(Bytes plaintext) {
  auto in = TRY(cbor::Reader::over(plaintext));
  Dealt dealt;
  const auto parts = in.array();
  const auto form = in.text();
  const bool is_earlier = form == earlier_mark;
  if (parts != 4 || (form != mark && !is_earlier)) in.fail("these are no shared keys");
  dealt.filter = in.text();
  if (!in.failed() && !mqtt::is_topic_filter(dealt.filter)) in.fail("not a topic filter");
  const auto keys = in.array();
  if (keys == 0 || keys > most_keys) in.fail("no keys, or too many");
  for (std::size_t i = 0; i < keys && !in.failed(); ++i) {
    dealt.keys.push_back(decode_key(in));
    dealt.keys.back().filter = dealt.filter;
    dealt.keys.back().is_earlier = is_earlier;
  }
  std::vector<TopicKey::Member> members;
  const auto count = in.array();
  if (count > most_members) in.fail("too many members");
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    TopicKey::Member member;
    if (in.array() != (is_earlier ? 2u : 3u)) in.fail("a member has a name and two keys");
    member.identity.name = in.text();
    if (!in.failed() && !is_identity_name(member.identity.name)) in.fail("a member without a name");
    copy_exactly(in, in.bytes(), member.identity.keys.ecdsa);
    if (!is_earlier) in.skip();  // a key for a second stamp, which this program does not verify
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

namespace {

/// A stamp over this topic by this administrator, with a number. `earlier`: its id is in the earlier form.
struct Signed {
  Message message;
  bool earlier;
};
Result<Signed> verify_stamp_of(const PublicIdentity& administrator, Bytes container, std::string_view topic,
                               std::optional<std::uint64_t> content) {
  auto message = decode_message(container);
  if (!message) return refused(Cause::malformed, message.error().what);
  const Header& stamp = message->header;
  if (message->structure != Structure::sign1 || stamp.content != content || !stamp.number || !stamp.issued ||
      !stamp.claims_are_critical || message->has_unprotected)
    return refused(Cause::malformed, "not the form in which keys are shared");
  const auto verifier = TRY(StampVerifier::make(algorithm::es256, administrator.keys.ecdsa));
  const bool earlier = std::ranges::equal(stamp.key_id, earlier_stamp_id(administrator.keys.ecdsa));
  const Buffer sealed = to_be_sealed(Structure::sign1, message->header_bytes, external_aad(topic), message->body);
  if (stamp.algorithm != algorithm::es256 || (!earlier && !std::ranges::equal(stamp.key_id, verifier.id())) ||
      !verifier.verify(sealed, message->seal))
    return refused(Cause::stamp, "not signed by " + administrator.name);
  return Signed{*std::move(message), earlier};
}

}  // namespace

Result<Dealt> open_dealt(Bytes message, std::string_view topic, const PublicIdentity& administrator, KeyStore& reader) {
  const auto [outside, earlier] = TRY(verify_stamp_of(administrator, message, topic, 96));
  const Header& stamp = outside.header;
  const auto inside = decode_message(outside.body);
  if (!inside) return refused(Cause::malformed, inside.error().what);
  if (inside->structure != Structure::encrypt || inside->has_unprotected)
    return refused(Cause::malformed, "not the form in which keys are shared");

  const auto own = reader_id(reader.identity().keys.agreement);
  const auto meant_for_us =
      std::ranges::find_if(inside->recipients, [&](const Recipient& its) { return std::ranges::equal(its.header.key_id, own); });
  if (meant_for_us == inside->recipients.end()) return fail(Blame::not_authorised, "policy: keys that were shared with others");
  const ReaderSecret secret{own, [&](const auto& peer) { return reader.agree(peer); }};
  const auto content_key = unwrap(*meant_for_us, secret);
  if (!content_key) return refused(Cause::decrypt, content_key.error().what);
  const auto cipher = cipher_of(inside->header.algorithm);
  crypto::Iv iv{};
  if (!cipher || content_key->size() != crypto::key_size(*cipher) || inside->header.iv.size() != iv.size())
    return refused(Cause::decrypt, "a cipher or nonce that cannot be");
  std::ranges::copy(inside->header.iv, iv.begin());
  const Buffer external = external_aad(topic, Place::inside, outer_of(outside.header_bytes));
  auto plaintext = crypto::Aead(*cipher, content_key->reveal())
                       .open(iv, enc_structure(Structure::encrypt, inside->header_bytes, external), inside->body);
  if (!plaintext) return refused(Cause::decrypt, plaintext.error().what);
  const Secret kept(*std::move(plaintext));
  auto dealt = decode_dealt(kept.reveal());
  if (!dealt) return refused(Cause::malformed, dealt.error().what);

  for (TopicKey& key : dealt->keys) {
    if (key.is_earlier != earlier) return refused(Cause::malformed, "an id in another form than the keys");
    key.dealt = *stamp.number;
    if (earlier) key.not_after = std::min(key.not_after, *stamp.issued + earlier_lasts);
  }
  return dealt;
}

Result<std::string> install(Dealt dealt, const PublicIdentity& administrator, TopicKeys& keys, Now now) {
  TRY(may_deal(keys, administrator, dealt.filter, now.wall / 1000));
  const auto present = keys.all(true);
  bool is_first = true;
  for (const TopicKey& key : *present) {
    const bool is_same = std::ranges::any_of(dealt.keys, [&](const TopicKey& its) { return its.id == key.id; });
    const bool is_theirs = key.administrator.keys == administrator.keys;
    if (is_theirs) is_first = false;
    // The last ones come again at each subscription; those before must not bring a former key back.
    if (key.filter == dealt.filter && is_theirs && key.dealt > dealt.keys.front().dealt)
      return refused(Cause::replay, "keys that have been replaced since");
    if (is_same && !is_theirs) return refused(Cause::policy, "keys with the id of somebody else's");
    if (key.filter == dealt.filter && is_theirs && !is_same) TRY(keys.erase(key.id));
  }
  std::string news;
  for (TopicKey& key : dealt.keys) {
    const bool is_new = std::ranges::find(*present, key.id, &TopicKey::id) == present->end();
    if (is_new && key.state == TopicKey::State::active)
      news = "new key of " + printable(key.filter, 200) + " from " + administrator.name + (is_first ? ", its first" : "") +
             ", id " + to_hex(key.id);
    key.administrator = administrator;
    TRY(keys.put(key));
  }
  return news;
}

// -- delegations

Result<Buffer> encode_delegation(const TopicKeys::Delegation& delegation, std::string_view topic, KeyStore& owner,
                                 std::uint64_t number, Now now) {
  Buffer body;
  cbor::Writer out(body);
  const auto integer = [&](std::uint64_t value) { out.integer(static_cast<std::int64_t>(value)); };
  out.array(7).text(delegation_mark).text(delegation.filter).text(delegation.name).bytes(delegation.delegate);
  integer(delegation.not_before);
  integer(delegation.not_after);
  integer(delegation.serial);
  const Stamper its = stamper(owner);
  const Header stamp{.algorithm = its.algorithm, .key_id = its.id, .number = number, .issued = now.wall / 1000};
  return encode_sign1(its, stamp, external_aad(topic), body);
}

Result<TopicKeys::Delegation> decode_delegation(Bytes body) {
  auto in = TRY(cbor::Reader::over(body));
  TopicKeys::Delegation delegation;
  if (in.array() != 7 || in.text() != delegation_mark) in.fail("this is no delegation");
  delegation.filter = in.text();
  delegation.name = in.text();
  copy_exactly(in, in.bytes(), delegation.delegate);
  delegation.not_before = in.number();
  delegation.not_after = in.number();
  delegation.serial = in.number();
  if (!in.failed() && !mqtt::is_topic_filter(delegation.filter)) in.fail("not a topic filter");
  if (!in.failed() && !is_identity_name(delegation.name)) in.fail("a delegate without a name");
  return in.finish(std::move(delegation));
}

Result<TopicKeys::Delegation> open_delegation(Bytes message, std::string_view topic, const PublicIdentity& owner) {
  const auto stamped = TRY(verify_stamp_of(owner, message, topic, std::nullopt));
  auto delegation = decode_delegation(stamped.message.body);
  if (!delegation) return refused(Cause::malformed, delegation.error().what);
  delegation->owner = crypto::identity_digest(owner.keys);
  return delegation;
}

Result<> install(const TopicKeys::Delegation& delegation, TopicKeys& keys) {
  for (const auto& its : keys.delegations()) {
    if (its.owner != delegation.owner || its.filter != delegation.filter) continue;
    if (its.serial > delegation.serial) return refused(Cause::replay, "a delegation that has been replaced since");
    if (its.serial == delegation.serial) return {};
  }
  return keys.put(delegation);
}

}  // namespace sealmq::payload
