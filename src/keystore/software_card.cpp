#include "keystore/software_card.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/aes_cbc.h"

namespace sealmq {
namespace {

Failure auth_error(std::string what) {
  return fail(Blame::peer_misbehaved, "Auth Error: " + std::move(what));
}

Failure crypt_error(std::string what) {
  return fail(Blame::peer_misbehaved, "Crypt Error: " + std::move(what));
}

Failure out_of_turn(std::string what) {
  return fail(Blame::caller_misused, "the card is asked " + std::move(what));
}

bool is_padding(Bytes rest) {
  return rest.size() < crypto::aes_block_size && !is_there(rest);
}

Buffer with_length(Bytes data) {
  Buffer out;
  Writer(out).lp16(data);
  return out;
}

}  // namespace

bool is_scac_uid(std::string_view uid) {
  const auto allowed = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  return uid.size() == scac_uid_size && std::all_of(uid.begin(), uid.end(), allowed);
}

SoftwareCard::SoftwareCard(KeyStore& keys, CardForm form, std::size_t key_size, Random& random)
    : keys_(keys), form_(form), key_size_(key_size), random_(random) {
  if (is_scac_uid(keys.identity().name)) uid_ = keys.identity().name;
}

Result<Buffer> SoftwareCard::create_pair() {
  return fail(Blame::caller_misused, "a card in software has the keys of its key store");
}

Result<> SoftwareCard::put_broker_key(Bytes modulus) {
  broker_ = TRY(crypto::rsa::PublicKey::from_modulus(modulus));
  return {};
}

Result<> SoftwareCard::put_uid(std::string_view uid) {
  if (!is_scac_uid(uid)) return fail(Blame::caller_misused, "a UID is 8 of 0-9 A-Z a-z");
  uid_ = uid;
  return {};
}

Result<std::string> SoftwareCard::uid() {
  if (uid_.empty()) return fail(Blame::caller_misused, "the card has no UID, which is 8 of 0-9 A-Z a-z");
  return uid_;
}

void SoftwareCard::reset() {
  rn1_ = Secret();
  rnp_ = Secret();
  rns_ = Secret();
}

Secret SoftwareCard::new_key() const {
  Buffer key(key_size_);
  random_.fill(key);
  return Secret(std::move(key));
}

/// BCE: the parts and zeroes up to whole blocks. The key is new for each message, as the protocol has it.
Buffer SoftwareCard::seal(const Secret& key, std::initializer_list<Bytes> parts) const {
  std::size_t size = 0;
  for (const Bytes part : parts) size += part.size();
  Buffer plain;
  plain.reserve(size + crypto::aes_block_size);
  for (const Bytes part : parts) append(plain, part);
  plain.resize((size + crypto::aes_block_size - 1) / crypto::aes_block_size * crypto::aes_block_size);
  const Secret whole(std::move(plain));
  return crypto::encrypt_blocks(key, whole.reveal());
}

/// What follows the UID.
Result<Secret> SoftwareCard::open(const Secret& key, Bytes ciphertext) const {
  if (ciphertext.empty() || ciphertext.size() % crypto::aes_block_size != 0) return crypt_error("not a whole number of blocks");
  const Secret plain = crypto::decrypt_blocks(key, ciphertext);
  if (!same(plain.reveal().first(scac_uid_size), as_bytes(uid_))) return crypt_error("the UID is not that of this card");
  return Secret(plain.reveal().subspan(scac_uid_size));
}

// UID || u16 || Cpr(UID || RN1)
Result<Buffer> SoftwareCard::auth_step_1() {
  reset();
  const auto name = TRY(uid());
  rn1_ = new_key();
  Buffer message = to_buffer(as_bytes(name));
  append(message, rn1_.reveal());
  const Buffer sealed = TRY(keys_.seal_rsa(message));
  Buffer out;
  Writer(out).text(name).lp16(sealed);
  return out;
}

// u16 || Cpr_b(UID || RN1) || u16 || Cpu(UID || RNp || RNs)
Result<> SoftwareCard::auth_step_2(Bytes data) {
  const Secret rn1 = std::move(rn1_);
  reset();
  if (rn1.empty()) return out_of_turn("to check an answer before it has begun to log in");
  if (!broker_) return fail(Blame::caller_misused, "the card has no key of the broker");
  struct Parts {
    Bytes proof;
    Bytes keys;
  } parts;
  Reader in(data);
  parts.proof = in.lp16();
  parts.keys = in.lp16();
  const auto read = in.finish(parts);
  if (!read) return auth_error(read.error().what);

  Buffer expected = to_buffer(as_bytes(uid_));
  append(expected, rn1.reveal());
  const auto proof = crypto::rsa::open_with_public(*broker_, read->proof, expected.size());
  const Secret keys = TRY(keys_.decrypt_rsa(read->keys, scac_uid_size + 2 * key_size_));
  const bool proves = proof && same(*proof, expected);
  const bool is_for_us = same(keys.reveal().first(scac_uid_size), as_bytes(uid_));
  if (!proves || !is_for_us) return auth_error("the broker's answer does not verify");
  rn1_ = Secret(rn1.reveal());
  rnp_ = Secret(keys.reveal().subspan(scac_uid_size, key_size_));
  rns_ = Secret(keys.reveal().last(key_size_));
  return {};
}

// u16 || Cpu_b(UID || RN1 || RNp || RNs)
Result<Buffer> SoftwareCard::auth_step_3() {
  if (rnp_.empty()) return out_of_turn("for the last step before it has seen the broker's answer");
  Buffer message;
  message.reserve(scac_uid_size + 3 * key_size_);
  Writer out(message);
  out.text(uid_);
  if (form_ == CardForm::paper) out.bytes(rn1_.reveal());
  out.bytes(rnp_.reveal()).bytes(rns_.reveal());
  const Secret whole(std::move(message));
  return with_length(TRY(crypto::rsa::encrypt(*broker_, whole.reveal())));
}

// UID || u16 || data || padding
Result<Buffer> SoftwareCard::make_publish(Bytes data) {
  if (rnp_.empty()) return out_of_turn("to protect a message before it has logged in");
  if (data.size() > 0xFFFF) return fail(Blame::caller_misused, "a card takes at most 65535 octets at once");
  return seal(rnp_, {as_bytes(uid_), with_length(data), form_ == CardForm::applet ? rnp_.reveal() : Bytes()});
}

Result<Buffer> SoftwareCard::make_pubrel() {
  Secret& current = form_ == CardForm::paper ? rnp_ : rns_;
  if (current.empty()) return out_of_turn("for the next key before it has logged in");
  Secret next = new_key();
  // The applet encrypts 48 octets, whatever it has to say.
  const Buffer rest(form_ == CardForm::applet ? scac_uid_size + key_size_ : 0);
  Buffer sealed = seal(current, {as_bytes(uid_), next.reveal(), rest});
  current = std::move(next);
  return sealed;
}

Result<Buffer> SoftwareCard::read_payload(Bytes ciphertext) {
  if (rns_.empty()) return out_of_turn("to read a message before it has logged in");
  const Secret plain = TRY(open(rns_, ciphertext));
  Reader in(plain.reveal());
  const Bytes data = in.lp16();
  const Bytes rest = in.rest();
  if (in.failed()) return crypt_error("the length is wrong");
  const bool repeats_the_key =
      form_ == CardForm::applet && rest.size() >= key_size_ && same(rest.first(key_size_), rns_.reveal());
  if (!is_padding(repeats_the_key ? rest.subspan(key_size_) : rest)) return crypt_error("the padding is wrong");
  return to_buffer(data);
}

Result<> SoftwareCard::check_pubrel(Bytes ciphertext) {
  const bool is_applet = form_ == CardForm::applet;
  Secret& current = is_applet ? rnp_ : rns_;
  if (current.empty()) return out_of_turn("to take the next key before it has logged in");
  const Secret plain = TRY(open(current, ciphertext));
  Reader in(plain.reveal());
  const bool repeats = !is_applet || same(in.bytes(key_size_), current.reveal());
  const Bytes next = in.bytes(key_size_);
  if (in.failed() || !repeats || !is_padding(in.rest())) return crypt_error("the next key is malformed");
  current = Secret(next);
  return {};
}

std::unique_ptr<SmartCard> make_software_card(KeyStore& keys, CardForm form, std::size_t key_size, Random& random) {
  return std::make_unique<SoftwareCard>(keys, form, key_size, random);
}

}  // namespace sealmq
