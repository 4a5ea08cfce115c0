// ApduCard: a SCACAuth card as its commands reach it: a real one, or the simulator. The channel is opened for a session, alone,
// and closed when the session ends with an error.
#pragma once

#include <mutex>
#include <optional>

#include "keystore/apdu.h"
#include "keystore/card_channel.h"
#include "keystore/pin.h"
#include "sealmq/smart_card.h"

namespace sealmq::card {

/// Commands to a card whose applet is selected, and what its status words mean.
class Applet {
 public:
  /// Selects the applet. Errors: environment; peer_incompatible if the card has none.
  static Result<Applet> select(CardChannel& channel);

  /// The data of the answer. peer_misbehaved: the card found what it was told wrong; caller_misused: it was asked out of turn, or
  /// lacks a key or the PIN; environment: it is gone, or answers nonsense.
  Result<Buffer> ask(const Command& command);
  /// Only the status of an answer that has nothing else to say.
  Result<std::uint16_t> status(const Command& command);

  /// Empty: there is no PIN. 0: the card has locked itself.
  Result<std::optional<unsigned>> tries_left();
  /// Does nothing if the card has no PIN. The last try is only used up if a person is asked.
  Result<> verify(Pins& pins);

  /// Empty: there is no pair, or the card does not tell (as the published applet).
  Result<Buffer> rsa_modulus();
  Result<std::optional<std::array<std::uint8_t, 33>>> ecdsa_key();
  Result<Buffer> create_pair();
  /// Nothing: the card has no such command.
  Result<std::optional<std::array<std::uint8_t, 33>>> create_ecdsa();
  Result<> put_broker_key(Bytes modulus);
  /// `stays`: also without power, where the card can.
  Result<> put_uid(std::string_view uid, bool stays);
  Result<std::string> uid();

 private:
  explicit Applet(CardChannel& channel) : channel_(&channel) {}
  Result<Answer> exchange(const Command& command);
  CardChannel* channel_;
};

/// What a card says of an RSA key: u16 | u16 | exponent | modulus. Empty: nothing. environment, if it is none we use.
Result<Buffer> decode_public_pair(Bytes answer);
Buffer encode_public_pair(Bytes modulus);

class ApduCard final : public SmartCard {
 public:
  /// `uid`: of the identity; the host tells it to the card, because the published applet forgets it. `pins` outlives the card.
  ApduCard(OpenChannel open, CardForm form, std::string uid, Pins& pins);

  CardForm form() const override { return form_; }
  std::size_t key_size() const override { return 16; }

  Result<Buffer> create_pair() override;
  Result<Buffer> public_key() override;
  Result<> put_broker_key(Bytes modulus) override;
  Result<> put_uid(std::string_view uid) override;
  Result<std::string> uid() override;

  Result<Buffer> auth_step_1() override;
  Result<> auth_step_2(Bytes data) override;
  Result<Buffer> auth_step_3() override;

  Result<Buffer> make_publish(Bytes data) override;
  Result<Buffer> make_pubrel() override;
  Result<Buffer> read_payload(Bytes ciphertext) override;
  Result<> check_pubrel(Bytes ciphertext) override;

 private:
  Result<> begin();
  Result<Buffer> ask(std::uint8_t ins, Buffer data, std::size_t expected);
  Result<Buffer> ask_for_ciphertext(std::uint8_t ins, Buffer data, std::size_t expected);
  std::uint8_t p1() const { return form_ == CardForm::paper ? 1 : 0; }

  OpenChannel open_;
  CardForm form_;
  std::string uid_;
  Buffer broker_;
  Pins& pins_;
  std::unique_ptr<CardChannel> channel_;
  std::optional<Applet> applet_;
};

}  // namespace sealmq::card
