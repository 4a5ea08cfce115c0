#include "keystore/apdu_card.h"

#include <algorithm>

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"
#include "crypto/p256.h"
#include "crypto/rsa.h"
#include "keystore/card_commands.h"
#include "keystore/software_card.h"

namespace sealmq::card {
namespace {

constexpr std::size_t any_answer = 65536;
constexpr std::size_t pair_answer = 4 + 3 + crypto::rsa::most_bits / 8;

std::string in_hex(std::uint16_t status) {
  return to_hex(Buffer{static_cast<std::uint8_t>(status >> 8), static_cast<std::uint8_t>(status)});
}

Error meaning(std::uint16_t status) {
  switch (status) {
    case status_auth_error:
      return {Blame::peer_misbehaved, "Auth Error: the card does not accept the broker's answer"};
    case status_crypt_error:
      return {Blame::peer_misbehaved, "Crypt Error: the card cannot read the message"};
    case status_not_verified:
      return {Blame::caller_misused, "the card wants its PIN first"};
    case status_pin_blocked:
      return {Blame::environment, "the card has locked itself after wrong PINs"};
    case status_out_of_turn:
    case status_check_error:
      return {Blame::caller_misused, "the card is asked out of turn"};
    case status_no_key:
      return {Blame::caller_misused, "the card has no key for this\nhint: sealmq card init makes one"};
    case status_not_begun:
      return {Blame::caller_misused, "the card's ciphers are not initialised"};
    case status_wrong_ins:
    case status_wrong_class:
    case status_wrong_parameters:
      return {Blame::caller_misused, "the card does not know this command"};
    default:
      return {Blame::environment, "the card answers " + in_hex(status)};
  }
}

Failure nonsense(std::string_view what) {
  return fail(Blame::environment, "the card answers with a malformed " + std::string(what));
}

Result<std::array<std::uint8_t, 33>> decode_point(const Buffer& answer) {
  std::array<std::uint8_t, 33> key{};
  if (answer.size() != key.size() || !crypto::Point::decode(answer)) return nonsense("public key");
  std::copy(answer.begin(), answer.end(), key.begin());
  return key;
}

Buffer with_length(Bytes data) {
  Buffer out;
  Writer(out).lp16(data);
  return out;
}

}  // namespace

Result<Buffer> decode_public_pair(Bytes answer) {
  if (answer.empty()) return Buffer();
  Reader in(answer);
  const auto exponent_size = in.u16();
  const auto modulus_size = in.u16();
  const Bytes exponent = in.bytes(exponent_size);
  const Bytes modulus = in.bytes(modulus_size);
  if (!in.finish(0)) return nonsense("public key");
  if (to_buffer(exponent) != Buffer{1, 0, 1} || !crypto::rsa::PublicKey::from_modulus(modulus))
    return fail(Blame::environment, "the card's RSA key is not one of 2048 to 4096 bits with the exponent 65537");
  return to_buffer(modulus);
}

Buffer encode_public_pair(Bytes modulus) {
  const Buffer exponent{1, 0, 1};
  Buffer out;
  Writer(out).u16(3).u16(static_cast<std::uint16_t>(modulus.size())).bytes(exponent).bytes(modulus);
  return out;
}

// -- the applet ----------------------------------------------------------------------------------------------------------------

Result<Applet> Applet::select(CardChannel& channel) {
  Applet applet(channel);
  const auto answer = TRY(applet.exchange({class_iso, ins_select, 4, 0, Buffer(applet_id.begin(), applet_id.end())}));
  if (!answer.is_good()) return fail(Blame::peer_incompatible, "the card has no SCACAuth applet (" + in_hex(answer.status) + ")");
  return applet;
}

Result<Answer> Applet::exchange(const Command& command) {
  const Buffer answer = TRY(channel_->transmit(encode(command)));
  return decode_answer(answer).map_error([](Error error) { return Error{Blame::environment, std::move(error.what)}; });
}

Result<Buffer> Applet::ask(const Command& command) {
  auto answer = TRY(exchange(command));
  if (!answer.is_good()) return Failure(meaning(answer.status));
  return std::move(answer.data);
}

Result<std::uint16_t> Applet::status(const Command& command) {
  return TRY(exchange(command)).status;
}

Result<std::optional<unsigned>> Applet::tries_left() {
  const auto answer = TRY(status({class_iso, ins_verify, 0, 1}));
  if ((answer & 0xFFF0) == status_tries_left) return std::optional<unsigned>(answer & 0xF);
  if (answer == status_pin_blocked) return std::optional<unsigned>(0);
  return std::nullopt;  // the published applet knows no PIN
}

Result<> Applet::verify(Pins& pins) {
  const auto tries = TRY(tries_left());
  if (!tries) return {};
  const Secret pin = TRY(pins.next(*tries == 0 ? TriesLeft::none : *tries == 1 ? TriesLeft::last : TriesLeft::some));
  if (pin.size() > longest_pin) {
    pins.refused(pin);
    return fail(Blame::caller_misused, "the PIN of the card is at most 16 characters long");
  }
  const auto answer = TRY(status({class_iso, ins_verify, 0, 1, to_buffer(pin.reveal())}));
  if (answer == status_done) {
    pins.accepted(pin);
    return {};
  }
  pins.refused(pin);
  if ((answer & 0xFFF0) == status_tries_left)
    return fail(Blame::caller_misused, "the PIN of the card is wrong; " + std::to_string(answer & 0xF) + " tries are left");
  return Failure(meaning(answer));
}

Result<Buffer> Applet::rsa_modulus() {
  const Buffer answer = TRY(ask({class_applet, ins_public_key, 0, 0, {}, pair_answer}));
  return decode_public_pair(answer);
}

Result<std::optional<std::array<std::uint8_t, 33>>> Applet::ecdsa_key() {
  const auto answer = TRY(exchange({class_applet, ins_ecdsa_public, 0, 0, {}, 33}));
  if (!answer.is_good() || answer.data.empty()) return std::nullopt;
  return std::optional(TRY(decode_point(answer.data)));
}

Result<Buffer> Applet::create_pair() {
  const Buffer answer = TRY(ask({class_applet, ins_create_pair, 0, 0, {}, pair_answer}));
  if (answer.empty()) return nonsense("public key");
  return decode_public_pair(answer);
}

Result<std::optional<std::array<std::uint8_t, 33>>> Applet::create_ecdsa() {
  const auto answer = TRY(exchange({class_applet, ins_create_ecdsa, 0, 0, {}, 33}));
  if (answer.status == status_wrong_ins) return std::nullopt;
  if (!answer.is_good()) return Failure(meaning(answer.status));
  return std::optional(TRY(decode_point(answer.data)));
}

Result<> Applet::put_broker_key(Bytes modulus) {
  TRY(ask({class_applet, ins_put_broker_key, 0, 0, encode_public_pair(modulus)}));
  return {};
}

Result<> Applet::put_uid(std::string_view uid, bool stays) {
  TRY(ask({class_applet, ins_put_uid, static_cast<std::uint8_t>(stays ? 1 : 0), 0, to_buffer(as_bytes(uid))}));
  return {};
}

Result<std::string> Applet::uid() {
  const Buffer answer = TRY(ask({class_applet, ins_get_uid, 0, 0, {}, scac_uid_size}));
  if (!is_scac_uid(as_text(answer)))
    return fail(Blame::caller_misused, "the card has no UID\nhint: sealmq card init gives it one");
  return std::string(as_text(answer));
}

// -- a session -----------------------------------------------------------------------------------------------------------------

ApduCard::ApduCard(OpenChannel open, CardForm form, std::string uid, Pins& pins)
    : open_(std::move(open)), form_(form), uid_(std::move(uid)), pins_(pins) {}

Result<> ApduCard::begin() {
  applet_.reset();
  channel_.reset();
  channel_ = TRY(open_(true));
  applet_ = TRY(Applet::select(*channel_));
  TRY(applet_->verify(pins_));
  if (form_ == CardForm::paper && TRY(applet_->rsa_modulus()).empty())
    return fail(
        Blame::peer_incompatible,
        "the card has no key yet, or only knows the published applet's commands\nhint: sealmq card info; such a card can take "
        "part where card-v2 is allowed at both ends");
  TRY(applet_->ask({class_applet, ins_init_ciphers, 0, 0}));
  if (!uid_.empty()) TRY(applet_->put_uid(uid_, false));
  if (!broker_.empty()) TRY(applet_->put_broker_key(broker_));
  return {};
}

Result<Buffer> ApduCard::ask(std::uint8_t ins, Buffer data, std::size_t expected) {
  if (!applet_) return fail(Blame::caller_misused, "the card is asked out of turn");
  auto answer = applet_->ask({class_applet, ins, p1(), 0, std::move(data), expected});
  if (!answer && answer.error().blame == Blame::environment) {
    applet_.reset();
    channel_.reset();
  }
  return answer;
}

Result<Buffer> ApduCard::ask_for_ciphertext(std::uint8_t ins, Buffer data, std::size_t expected) {
  const Buffer answer = TRY(ask(ins, std::move(data), expected));
  Reader in(answer);
  const Bytes ciphertext = in.lp16();
  if (!in.finish(0)) return nonsense("ciphertext");
  return to_buffer(ciphertext);
}

Result<Buffer> ApduCard::create_pair() {
  TRY(begin());
  return applet_->create_pair();
}

Result<Buffer> ApduCard::public_key() {
  if (!applet_) TRY(begin());
  return applet_->rsa_modulus();
}

Result<> ApduCard::put_broker_key(Bytes modulus) {
  TRY(crypto::rsa::PublicKey::from_modulus(modulus));
  broker_ = to_buffer(modulus);
  return {};
}

Result<> ApduCard::put_uid(std::string_view uid) {
  if (!is_scac_uid(uid)) return fail(Blame::caller_misused, "a UID is 8 of 0-9 A-Z a-z");
  uid_ = uid;
  return {};
}

Result<std::string> ApduCard::uid() {
  if (!uid_.empty()) return uid_;
  if (!applet_) TRY(begin());
  return applet_->uid();
}

Result<Buffer> ApduCard::auth_step_1() {
  TRY(begin());
  return ask(ins_auth_step_1, {}, any_answer);
}

Result<> ApduCard::auth_step_2(Bytes data) {
  if (data.size() > 0xFFFF) return fail(Blame::peer_misbehaved, "Auth Error: too long for a card");
  TRY(ask(ins_auth_step_2, to_buffer(data), 0));
  return {};
}

Result<Buffer> ApduCard::auth_step_3() {
  return ask(ins_auth_step_3, {}, any_answer);
}

Result<Buffer> ApduCard::make_publish(Bytes data) {
  if (data.size() > 0xFF00) return fail(Blame::caller_misused, "too long for a card, which takes 65280 octets at most");
  return ask_for_ciphertext(ins_make_publish, to_buffer(data), any_answer);
}

Result<Buffer> ApduCard::make_pubrel() {
  return ask_for_ciphertext(ins_make_pubrel, {}, any_answer);
}

Result<Buffer> ApduCard::read_payload(Bytes ciphertext) {
  if (ciphertext.size() > 0xFFF0) return fail(Blame::peer_misbehaved, "Crypt Error: too long for a card");
  return ask(ins_read_payload, with_length(ciphertext), any_answer);
}

Result<> ApduCard::check_pubrel(Bytes ciphertext) {
  if (ciphertext.size() > 0xFFF0) return fail(Blame::peer_misbehaved, "Crypt Error: too long for a card");
  TRY(ask(ins_check_pubrel, with_length(ciphertext), 0));
  return {};
}

}  // namespace sealmq::card
