// A reader in this process with a simulated card in it, and the broker's side of what a card says.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/aes_cbc.h"
#include "crypto/rsa.h"
#include "keystore/card_applet.h"
#include "keystore/card_channel.h"
#include "sealmq/keystore.h"

namespace sealmq::testing {

/// Any thread; channels that are not alone wait for each other, as at a real reader.
class Reader : public std::enable_shared_from_this<Reader> {
 public:
  Reader(std::string folder, Random& random) : folder_(std::move(folder)), random_(random) { insert(); }

  void insert() { card_.emplace(card::CardApplet::open(folder_, random_).value()); }
  /// Channels that are open find out when they speak.
  void pull_out() {
    const std::lock_guard lock(mutex_);
    card_.reset();
    ++pulled_;
  }

  Result<std::unique_ptr<card::CardChannel>> open(bool alone) {
    std::unique_lock turn(turns_, std::defer_lock);
    if (!turn.try_lock()) {
      if (alone) return fail(Blame::environment, "another program uses the card");
      turn.lock();
    }
    const std::lock_guard lock(mutex_);
    if (!card_) return fail(Blame::environment, "there is no card in the reader");
    return std::make_unique<Channel>(shared_from_this(), std::move(turn), alone, pulled_);
  }

  /// What came over all channels.
  std::size_t commands() const { return commands_; }

 private:
  class Channel final : public card::CardChannel {
   public:
    Channel(std::shared_ptr<Reader> reader, std::unique_lock<std::recursive_mutex> turn, bool alone, int pulled)
        : reader_(std::move(reader)), turn_(std::move(turn)), alone_(alone), pulled_(pulled) {}
    ~Channel() override {
      const std::lock_guard lock(reader_->mutex_);
      if (alone_ && reader_->card_ && pulled_ == reader_->pulled_) reader_->card_->power_off();
    }
    Result<Buffer> transmit(Bytes command) override {
      const std::lock_guard lock(reader_->mutex_);
      if (!reader_->card_ || pulled_ != reader_->pulled_) return fail(Blame::environment, "there is no card in the reader");
      ++reader_->commands_;
      return reader_->card_->process(command);
    }

   private:
    std::shared_ptr<Reader> reader_;
    std::unique_lock<std::recursive_mutex> turn_;
    bool alone_;
    int pulled_;
  };

  std::string folder_;
  Random& random_;
  std::recursive_mutex turns_;
  std::mutex mutex_;
  std::optional<card::CardApplet> card_;
  int pulled_ = 0;
  std::size_t commands_ = 0;
};

/// The broker in the publication's login, straight from its formulas.
class CardBroker {
 public:
  CardBroker(KeyStore& keys, Bytes client, std::string uid, Random& random)
      : keys_(keys), client_(crypto::rsa::PublicKey::from_modulus(client).value()), uid_(std::move(uid)), random_(random) {}

  Buffer answer(Bytes step1) {
    const auto opened = crypto::rsa::open_with_public(client_, step1.subspan(10), 24).value();
    rn1_ = Buffer(opened.begin() + 8, opened.end());
    rnp_ = chance();
    rns_ = chance();
    Buffer out;
    Writer(out).lp16(keys_.seal_rsa(joined({rn1_})).value()).lp16(crypto::rsa::encrypt(client_, joined({rnp_, rns_})).value());
    return out;
  }
  bool accepts(Bytes step3) const {
    const auto told = keys_.decrypt_rsa(step3.subspan(2), 56);
    return told && same(told->reveal(), joined({rn1_, rnp_, rns_}));
  }
  std::string read(Bytes payload) const {
    const Secret plain = crypto::decrypt_blocks(Secret(Bytes(rnp_)), payload);
    sealmq::Reader in(plain.reveal().subspan(8));
    return std::string(as_text(in.lp16()));
  }
  void take_next_key(Bytes sealed) {
    const Secret plain = crypto::decrypt_blocks(Secret(Bytes(rnp_)), sealed);
    rnp_ = to_buffer(plain.reveal().subspan(8, 16));
  }
  Buffer publish(std::string_view text) const {
    Buffer length;
    Writer(length).lp16(text);
    return seal(rns_, joined({length}));
  }
  Buffer next_key() {
    const Buffer next = chance();
    Buffer sealed = seal(rns_, joined({next}));
    rns_ = next;
    return sealed;
  }

 private:
  Buffer chance() const {
    Buffer out(16);
    random_.fill(out);
    return out;
  }
  Buffer joined(std::initializer_list<Bytes> parts) const {
    Buffer all = to_buffer(as_bytes(uid_));
    for (const Bytes part : parts) append(all, part);
    return all;
  }
  static Buffer seal(Bytes key, Buffer plain) {
    plain.resize((plain.size() + 15) / 16 * 16);
    return crypto::encrypt_blocks(Secret(key), plain);
  }

  KeyStore& keys_;
  crypto::rsa::PublicKey client_;
  std::string uid_;
  Random& random_;
  Buffer rn1_, rnp_, rns_;
};

}  // namespace sealmq::testing
