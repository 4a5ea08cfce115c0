#include "schemes/scacauth/paper_messages.h"

#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"

namespace sealmq::scacauth {
namespace {

constexpr std::uint8_t protocol_error = 0x82;
constexpr std::size_t length_size = 2;

Secret joined(std::string_view uid, std::initializer_list<Bytes> parts) {
  std::size_t size = uid.size();
  for (const Bytes part : parts) size += part.size();
  Buffer all;
  all.reserve(size);
  append(all, as_bytes(uid));
  for (const Bytes part : parts) append(all, part);
  return Secret(std::move(all));
}

/// What is `size` octets long stands there with its length before it or without.
Bytes read_sized(Reader& in, std::size_t size) {
  if (in.remaining() == size) return in.bytes(size);
  const Bytes sized = in.lp16();
  if (sized.size() != size) in.fail("a part of another length than the method has");
  return sized;
}

}  // namespace

// -- the login

Buffer encode(const Step1& step) {
  Buffer out;
  Writer(out).text(step.uid).lp16(step.proof);
  return out;
}

Result<Step1> decode_step1(const Method& method, Bytes in) {
  Reader reader(in);
  reader.answer_with(protocol_error);
  Step1 step;
  step.uid = as_text(reader.bytes(uid_size));
  step.proof = read_sized(reader, proof_size(method, uid_size + method.key_size()));
  if (!is_uid(step.uid)) reader.fail("not a UID");
  return reader.finish(step);
}

Buffer encode(const Step2& step) {
  Buffer out;
  Writer(out).lp16(step.proof).lp16(step.keys);
  return out;
}

Result<Step2> decode_step2(Bytes in) {
  Reader reader(in);
  Step2 step;
  step.proof = reader.lp16();
  step.keys = reader.lp16();
  return reader.finish(step);
}

Buffer encode_step3(Bytes sealed) {
  Buffer out;
  Writer(out).lp16(sealed);
  return out;
}

Result<Bytes> decode_step3(const Method& method, Bytes in) {
  Reader reader(in);
  reader.answer_with(protocol_error);
  const std::size_t whole = sealed_size(method, uid_size + 3 * method.key_size());
  const std::size_t applets = sealed_size(method, uid_size + 2 * method.key_size());
  const bool is_applets = in.size() == applets || in.size() == length_size + applets;
  const Bytes sealed = read_sized(reader, is_applets ? applets : whole);
  return reader.finish(sealed);
}

// -- under the keys of the connection

std::string_view property_name(Chain chain) {
  return chain == Chain::publisher ? "Np" : "Ns";
}

Buffer encrypt_message(const Method& method, const Secret& key, std::string_view uid, Bytes data) {
  Buffer length;
  Writer(length).u16(static_cast<std::uint16_t>(data.size()));
  return encrypt(method, key, joined(uid, {length, data}));
}

Result<Buffer> decrypt_message(const Method& method, const Secret& key, std::string_view uid, Bytes ciphertext, Form form) {
  const Secret plain = TRY(decrypt(method, key, ciphertext));
  Reader in(plain.reveal());
  if (!same(in.bytes(uid_size), as_bytes(uid))) in.fail("another UID");
  const Bytes data = in.lp16();
  Bytes rest = in.rest();
  if (form == Form::card_v2 && rest.size() >= key.size() && same(rest.first(key.size()), key.reveal()))
    rest = rest.subspan(key.size());
  if (!is_padding(method, rest)) in.fail("more than padding behind the data");
  if (in.failed()) return in.finish(Buffer());
  return to_buffer(data);
}

Buffer encrypt_next_key(const Method& method, const Secret& current, std::string_view uid, const Secret& next, Form form) {
  const Bytes before = form == Form::card_v2 ? current.reveal() : Bytes();
  return encrypt(method, current, joined(uid, {before, next.reveal()}));
}

Result<Secret> decrypt_next_key(const Method& method, const Secret& current, std::string_view uid, Bytes ciphertext, Form form) {
  constexpr std::size_t no_meaning = 24;
  const Secret plain = TRY(decrypt(method, current, ciphertext));
  const std::size_t size = method.key_size();
  Reader in(plain.reveal());
  if (!same(in.bytes(uid_size), as_bytes(uid))) in.fail("another UID");
  Bytes next = in.bytes(size);
  const bool repeats = form == Form::card_v2 && in.remaining() >= size && same(next, current.reveal());
  if (repeats) next = in.bytes(size);
  const Bytes rest = in.rest();
  const bool may_have_more = form == Form::card_v2 && !repeats && rest.size() <= no_meaning;
  if (!may_have_more && !is_padding(method, rest)) in.fail("more than padding behind the key");
  if (in.failed()) return fail(Blame::peer_misbehaved, "the next key is malformed");
  return Secret(next);
}

Result<std::optional<Buffer>> find_property(std::span<const mqtt::UserProperty> properties, std::string_view name) {
  std::optional<Buffer> found;
  for (const auto& property : properties) {
    if (property.name != name) continue;
    if (found) return fail(Blame::peer_misbehaved, "the next key stands there twice");
    found = from_hex(property.value);
    if (!found) return fail(Blame::peer_misbehaved, "the next key is not in hexadecimal digits");
  }
  return found;
}

}  // namespace sealmq::scacauth
