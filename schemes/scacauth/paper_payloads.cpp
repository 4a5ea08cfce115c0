#include "schemes/scacauth/paper_payloads.h"

#include "base/text.h"
#include "base/try.h"

namespace sealmq::scacauth {
namespace {

constexpr std::string_view crypt_error = "Crypt Error";

/// What only a Maximum Packet Size that there is not would let pass.
constexpr std::size_t does_not_fit = std::size_t{1} << 40;

/// What was said last about one message of one chain.
struct Said {
  std::uint16_t packet_id = 0;  // 0: nothing yet
  Buffer bytes;
};

class BrokerEnd final : public PayloadGuard, public KeyRelay {
 public:
  BrokerEnd(const Method& method, Form form, std::string_view uid, PaperKeys keys, Random& random)
      : method_(method),
        form_(form),
        uid_(uid),
        receiving_(std::move(keys.publisher)),
        sending_(std::move(keys.subscriber)),
        random_(random) {}

  KeyRelay* relay() override { return this; }
  std::string_view farewell() const override { return crypt_error; }

  std::size_t sealed_size(std::size_t plaintext) const override {
    if (plaintext > longest_data) return does_not_fit;
    const std::size_t block = block_size(method_);
    return (uid_size + 2 + plaintext + block - 1) / block * block;
  }

  Result<> seal(std::string_view, Bytes plaintext, Now, Buffer& out) override {
    if (plaintext.size() > longest_data) return fail(Blame::caller_misused, "the message is too long for this scheme");
    append(out, encrypt_message(method_, sending_, uid_, plaintext));
    return {};
  }

  Result<Opened> open(std::string_view, Bytes payload) override {
    return Opened{TRY(decrypt_message(method_, receiving_, uid_, payload, form_)), false};
  }

  // -- what the client has published

  Result<std::optional<Property>> receipt(std::uint16_t packet_id) override {
    if (form_ == Form::paper) return std::optional<Property>();
    if (receipt_.packet_id != packet_id) {
      next_receiving_ = new_key();
      receipt_ = {packet_id, encrypt_next_key(method_, receiving_, uid_, next_receiving_, form_)};
    }
    return property(Chain::publisher, receipt_.bytes);
  }

  Result<bool> released(std::uint16_t packet_id, Properties properties, bool awaited) override {
    if (form_ == Form::card_v2) {
      if (awaited && receipt_.packet_id == packet_id) {
        receiving_ = std::move(next_receiving_);
        last_release_.packet_id = packet_id;
        receipt_ = {};
      }
      return last_release_.packet_id == packet_id;
    }
    const auto value = TRY(find_property(properties, property_name(Chain::publisher)));
    if (!awaited) {
      if (!value) return false;
      if (last_release_.packet_id == packet_id && same(last_release_.bytes, *value)) return true;
      return fail(Blame::peer_misbehaved, "another next key for a message that is done with");
    }
    if (!value) return fail(Blame::peer_misbehaved, "PUBREL without the next key");
    receiving_ = TRY(decrypt_next_key(method_, receiving_, uid_, *value, form_));
    last_release_ = {packet_id, *value};
    return true;
  }

  // -- what goes to the client

  Result<> receipted(std::uint16_t, Properties properties) override {
    if (form_ == Form::paper) return {};
    const auto value = TRY(find_property(properties, property_name(Chain::subscriber)));
    if (!value) return fail(Blame::peer_misbehaved, "PUBREC without the next key");
    sending_ = TRY(decrypt_next_key(method_, sending_, uid_, *value, form_));
    return {};
  }

  Result<std::optional<Property>> release(std::uint16_t packet_id) override {
    if (form_ == Form::card_v2) return std::optional<Property>();
    if (release_.packet_id != packet_id) {
      next_sending_ = new_key();
      release_ = {packet_id, encrypt_next_key(method_, sending_, uid_, next_sending_, form_)};
    }
    return property(Chain::subscriber, release_.bytes);
  }

  void completed(std::uint16_t packet_id) override {
    if (release_.packet_id != packet_id || form_ == Form::card_v2) return;
    sending_ = std::move(next_sending_);
    release_ = {};
  }

 private:
  Secret new_key() const {
    Buffer key(method_.key_size());
    random_.fill(key);
    return Secret(std::move(key));
  }
  static std::optional<Property> property(Chain chain, Bytes value) {
    return Property{std::string(property_name(chain)), to_hex(value)};
  }

  Method method_;
  Form form_;
  std::string uid_;
  Secret receiving_, next_receiving_;
  Secret sending_, next_sending_;
  Said receipt_, release_;  // sent, and to be sent again as it was
  Said last_release_;       // accepted
  Random& random_;
};

class ClientEnd final : public PayloadGuard, public KeyRelay {
 public:
  explicit ClientEnd(SmartCard& card) : card_(card), is_applet_(card.form() == CardForm::applet) {}

  KeyRelay* relay() override { return this; }
  std::string_view farewell() const override { return crypt_error; }

  std::size_t sealed_size(std::size_t plaintext) const override {
    constexpr std::size_t largest_block = 16;
    const std::size_t repeated_key = is_applet_ ? card_.key_size() : 0;
    if (plaintext > longest_data) return does_not_fit;
    return (uid_size + 2 + plaintext + repeated_key + largest_block - 1) / largest_block * largest_block;
  }

  Result<> seal(std::string_view, Bytes plaintext, Now, Buffer& out) override {
    append(out, TRY(card_.make_publish(plaintext)));
    return {};
  }

  Result<Opened> open(std::string_view, Bytes payload) override { return Opened{TRY(card_.read_payload(payload)), false}; }

  Result<std::optional<Property>> receipt(std::uint16_t packet_id) override {
    if (!is_applet_) return std::optional<Property>();
    return next_key(Chain::subscriber, packet_id, receipt_);
  }

  Result<bool> released(std::uint16_t packet_id, Properties properties, bool awaited) override {
    if (is_applet_) {
      if (awaited) last_release_.packet_id = packet_id;
      receipt_ = {};
      return last_release_.packet_id == packet_id;
    }
    const auto value = TRY(find_property(properties, property_name(Chain::subscriber)));
    if (!awaited) {
      if (!value) return false;
      if (last_release_.packet_id == packet_id && same(last_release_.bytes, *value)) return true;
      return fail(Blame::peer_misbehaved, "another next key for a message that is done with");
    }
    if (!value) return fail(Blame::peer_misbehaved, "PUBREL without the next key");
    TRY(card_.check_pubrel(*value));
    last_release_ = {packet_id, *value};
    return true;
  }

  Result<> receipted(std::uint16_t, Properties properties) override {
    if (!is_applet_) return {};
    const auto value = TRY(find_property(properties, property_name(Chain::publisher)));
    if (!value) return fail(Blame::peer_misbehaved, "PUBREC without the next key");
    return card_.check_pubrel(*value);
  }

  Result<std::optional<Property>> release(std::uint16_t packet_id) override {
    if (is_applet_) return std::optional<Property>();
    return next_key(Chain::publisher, packet_id, release_);
  }

  // The card has gone on when it made the next key; nothing is sent under that before PUBCOMP, because one message is in flight.
  void completed(std::uint16_t packet_id) override {
    if (release_.packet_id == packet_id) release_ = {};
  }

 private:
  Result<std::optional<Property>> next_key(Chain chain, std::uint16_t packet_id, Said& said) {
    if (said.packet_id != packet_id) {
      Buffer made = TRY(card_.make_pubrel());
      said = {packet_id, std::move(made)};
    }
    return Property{std::string(property_name(chain)), to_hex(said.bytes)};
  }

  SmartCard& card_;
  bool is_applet_;
  Said receipt_, release_, last_release_;
};

}  // namespace

std::unique_ptr<PayloadGuard> guard_at_broker(const Method& method, Form form, std::string_view uid, PaperKeys keys,
                                              Random& random) {
  return std::make_unique<BrokerEnd>(method, form, uid, std::move(keys), random);
}

std::unique_ptr<PayloadGuard> guard_at_client(SmartCard& card) {
  return std::make_unique<ClientEnd>(card);
}

}  // namespace sealmq::scacauth
