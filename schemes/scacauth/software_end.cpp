#include "schemes/scacauth/software_end.h"

#include "base/try.h"
#include "schemes/scacauth/paper_messages.h"

namespace sealmq::scacauth {
namespace {

class SoftwareEnd final : public SmartCard {
 public:
  SoftwareEnd(const Method& method, KeyStore& own, const BrokerIdentity& broker, Random& random)
      : method_(method), own_(own), broker_(keys_of(broker)), random_(random), uid_(own.identity().name) {}

  CardForm form() const override { return CardForm::paper; }
  std::size_t key_size() const override { return method_.key_size(); }

  Result<Buffer> create_pair() override { return no_card(); }
  Result<Buffer> public_key() override { return own_.identity().keys.rsa; }
  Result<> put_broker_key(Bytes) override { return no_card(); }
  Result<> put_uid(std::string_view) override { return no_card(); }
  Result<std::string> uid() override { return uid_; }

  Result<Buffer> auth_step_1() override {
    publisher_ = Secret();
    subscriber_ = Secret();
    rn1_ = new_key();
    const Secret proved = message({&rn1_});
    const Buffer proof = TRY(prove(method_, own_, proved.reveal()));
    return encode(Step1{uid_, proof});
  }

  Result<> auth_step_2(Bytes data) override {
    if (rn1_.empty()) return fail(Blame::caller_misused, "an answer before the login has begun");
    const Step2 step = TRY(decode_step2(data));
    const Secret expected = message({&rn1_});
    const auto proved = recover(method_, broker_, step.proof, expected.size());
    const Secret keys = TRY(unseal(method_, own_, step.keys, uid_size + 2 * key_size(), random_));
    const bool proves = proved && same(*proved, expected.reveal());
    const bool is_for_us = same(keys.reveal().first(uid_size), as_bytes(uid_));
    if (!proves || !is_for_us) return fail(Blame::peer_misbehaved, "the broker's answer does not verify");
    publisher_ = Secret(keys.reveal().subspan(uid_size, key_size()));
    subscriber_ = Secret(keys.reveal().last(key_size()));
    return {};
  }

  Result<Buffer> auth_step_3() override {
    const Secret whole = message({&rn1_, &publisher_, &subscriber_});
    return encode_step3(TRY(seal_for(method_, broker_, whole.reveal(), random_)));
  }

  Result<Buffer> make_publish(Bytes data) override {
    if (data.size() > longest_data) return fail(Blame::caller_misused, "the message is too long for this scheme");
    return encrypt_message(method_, publisher_, uid_, data);
  }
  Result<Buffer> make_pubrel() override {
    Secret next = new_key();
    Buffer sealed = encrypt_next_key(method_, publisher_, uid_, next, Form::paper);
    publisher_ = std::move(next);
    return sealed;
  }
  Result<Buffer> read_payload(Bytes ciphertext) override {
    return decrypt_message(method_, subscriber_, uid_, ciphertext, Form::paper);
  }
  Result<> check_pubrel(Bytes ciphertext) override {
    subscriber_ = TRY(decrypt_next_key(method_, subscriber_, uid_, ciphertext, Form::paper));
    return {};
  }

 private:
  static Failure no_card() { return fail(Blame::caller_misused, "this method has no card"); }

  Secret new_key() const {
    Buffer key(key_size());
    random_.fill(key);
    return Secret(std::move(key));
  }
  Secret message(std::initializer_list<const Secret*> parts) const {
    Buffer all;
    all.reserve(uid_size + parts.size() * key_size());
    append(all, as_bytes(uid_));
    for (const Secret* part : parts) append(all, part->reveal());
    return Secret(std::move(all));
  }

  Method method_;
  KeyStore& own_;
  PublicKeys broker_;
  Random& random_;
  std::string uid_;
  Secret rn1_, publisher_, subscriber_;
};

}  // namespace

std::unique_ptr<SmartCard> make_software_end(const Method& method, KeyStore& own, const BrokerIdentity& broker, Random& random) {
  return std::make_unique<SoftwareEnd>(method, own, broker, random);
}

}  // namespace sealmq::scacauth
