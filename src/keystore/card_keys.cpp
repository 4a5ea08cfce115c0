#include "keystore/card_keys.h"

#include <algorithm>
#include <mutex>

#include "crypto/rsa.h"
#include "keystore/apdu_card.h"
#include "keystore/card_commands.h"
#include "keystore/pcsc_reader.h"
#include "keystore/software_card.h"

namespace sealmq {
namespace {

using card::Applet;

/// A signed message goes to the card whole.
constexpr std::size_t longest_message = 0xFFFF;

std::string in_words(const CardUri& uri) {
  return uri.reader.empty() ? "the smart card" : "the smart card in " + uri.reader;
}

Failure cannot(std::string what, std::string hint) {
  return fail(Blame::caller_misused, std::move(what) + "\nhint: " + std::move(hint));
}

class CardKeys final : public KeyStore {
 public:
  CardKeys(card::OpenChannel open, std::string what, PinAsker asker)
      : open_(std::move(open)), pins_(std::move(what), "", std::move(asker)) {}

  Result<> begin(const std::optional<PublicIdentity>& expected, const OpenSequence& open_sequence) {
    if (expected) {
      identity_ = *expected;
    } else {
      identity_.kind = Kind::device;
      TRY(with([&](Applet& applet) -> Result<> {
        identity_.name = TRY(applet.uid());
        identity_.keys = TRY(keys_of(applet));
        return {};
      }));
      if (identity_.keys == PublicKeys())
        return cannot("the card tells no public key", "name the key file that sealmq card init has written: --key NAME.key");
    }
    sequence_ = open_sequence(identity_.name);
    return {};
  }

  const PublicIdentity& identity() const override { return identity_; }
  bool may_be_lost() const override { return true; }
  Result<> check() override {
    return with([&](Applet& applet) { return expect_our_card(applet); });
  }

  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes>) override {
    return cannot("a smart card cannot make Schnorr signatures",
                  "scacauth needs none; or keep the keys in a file: sealmq identity new");
  }
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override {
    if (!is_there(identity_.keys.ecdsa))
      return cannot("this card has no ECDSA key", "choose the form of scacauth that signs with RSA-PSS, or its paper profile");
    const Buffer signature = TRY(sign(card::p1_ecdsa, message, 64));
    std::array<std::uint8_t, 64> out{};
    std::copy(signature.begin(), signature.end(), out.begin());
    return out;
  }
  Result<Secret> agree(const std::array<std::uint8_t, 33>&) override {
    return cannot("a smart card only signs; it agrees on no keys", "scacauth needs no more than that");
  }
  Result<Buffer> sign_rsa_pss(Bytes message) override {
    if (identity_.keys.rsa.empty()) return KeyStore::sign_rsa_pss(message);
    return sign(card::p1_rsa_pss, message, identity_.keys.rsa.size());
  }
  Result<Buffer> seal_rsa(Bytes) override { return inside(); }
  Result<Secret> decrypt_rsa(Bytes, std::size_t) override { return inside(); }
  Result<std::unique_ptr<SmartCard>> open_card(CardForm form, std::size_t key_size, Random&) override {
    if (key_size != 16) return cannot("a smart card knows AES-128 alone", "ask for SCACAuth-RSAPKCS1-2048-AES-128");
    return std::make_unique<card::ApduCard>(open_, form, identity_.name, pins_);
  }
  SequenceCounter& sequence() override { return *sequence_; }

 private:
  static Failure inside() { return cannot("a smart card uses its RSA key for its own login alone", "KeyStore::open_card"); }

  static Result<PublicKeys> keys_of(Applet& applet) {
    PublicKeys keys;
    keys.rsa = TRY(applet.rsa_modulus());
    if (const auto ecdsa = TRY(applet.ecdsa_key())) keys.ecdsa = *ecdsa;
    return keys;
  }

  Result<> expect_our_card(Applet& applet) {
    const auto keys = TRY(keys_of(applet));
    if (keys != PublicKeys() && keys != identity_.keys)
      return fail(Blame::environment, "the card in the reader is not that of " + identity_.name);
    return {};
  }

  template <class Work>
  auto with(Work work) -> decltype(work(std::declval<Applet&>())) {
    const std::lock_guard lock(mutex_);
    const auto channel = TRY(open_(false));
    auto applet = TRY(Applet::select(*channel));
    return work(applet);
  }

  Result<Buffer> sign(std::uint8_t kind, Bytes message, std::size_t size) {
    if (message.size() > longest_message) return fail(Blame::caller_misused, "the message is too long for a card");
    return with([&](Applet& applet) -> Result<Buffer> {
      TRY(expect_our_card(applet));
      TRY(applet.verify(pins_));
      auto signature = TRY(applet.ask({card::class_applet, card::ins_sign, kind, 0, to_buffer(message), size}));
      // Whoever uses the card next has to know the PIN: selecting the applet again forgets that it was told.
      TRY(applet.status({card::class_iso, card::ins_select, 4, 0, Buffer(card::applet_id.begin(), card::applet_id.end())}));
      if (signature.size() != size) return fail(Blame::environment, "the card's signature has the wrong length");
      return signature;
    });
  }

  card::OpenChannel open_;
  PublicIdentity identity_;
  Pins pins_;
  std::unique_ptr<SequenceCounter> sequence_;
  std::mutex mutex_;
};

card::OpenChannel opener(const CardUri& uri) {
  return [uri](bool alone) { return card::open_reader(uri.reader, alone); };
}

}  // namespace

Result<std::unique_ptr<KeyStore>> open_card_keys(card::OpenChannel open, std::string what,
                                                 const std::optional<PublicIdentity>& expected, const OpenSequence& open_sequence,
                                                 PinAsker asker) {
  auto keys = std::make_unique<CardKeys>(std::move(open), std::move(what), std::move(asker));
  TRY(keys->begin(expected, open_sequence));
  return keys;
}

Result<std::unique_ptr<KeyStore>> open_card_keys(const CardUri& uri, const std::optional<PublicIdentity>& expected,
                                                 const OpenSequence& open_sequence, Random&, PinAsker asker) {
  return open_card_keys(opener(uri), in_words(uri), expected, open_sequence, std::move(asker));
}

Result<PublicIdentity> create_card_keys(const card::OpenChannel& open, const std::string& what, std::string_view name, Kind kind,
                                        PinAsker asker) {
  if (!is_scac_uid(name))
    return cannot("the name of an identity on a card is its UID: 8 of 0-9 A-Z a-z", "such as " + std::string("boiler07"));
  Pins pins(what, "", std::move(asker));
  const auto channel = TRY(open(true));
  auto applet = TRY(Applet::select(*channel));
  TRY(applet.verify(pins));
  PublicIdentity identity{std::string(name), kind, {}};
  identity.keys.rsa = TRY(applet.create_pair());
  if (const auto ecdsa = TRY(applet.create_ecdsa())) identity.keys.ecdsa = *ecdsa;
  TRY(applet.put_uid(name, true));
  return identity;
}

Result<PublicIdentity> create_card_keys(const CardUri& uri, std::string_view name, Kind kind, Random&, PinAsker asker) {
  return create_card_keys(opener(uri), in_words(uri), name, kind, std::move(asker));
}

}  // namespace sealmq
