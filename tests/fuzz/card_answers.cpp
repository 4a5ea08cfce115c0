// A card that answers anything: the host's side of a login and of messages; and what a token says of its keys.
#include <cstdlib>

#include "base/reader.h"
#include "keystore/apdu_card.h"
#include "keystore/pkcs11_module.h"

namespace {

class Hostile final : public sealmq::card::CardChannel {
 public:
  explicit Hostile(sealmq::Bytes answers) : answers_(answers) {}
  sealmq::Result<sealmq::Buffer> transmit(sealmq::Bytes command) override {
    if (!sealmq::card::decode_command(command)) std::abort();  // what we send is well formed
    if (answers_.remaining() == 0) return sealmq::fail(sealmq::Blame::environment, "gone");
    return sealmq::to_buffer(answers_.lp16());
  }

 private:
  sealmq::Reader answers_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const sealmq::Bytes input(data, size);
  for (const auto form : {sealmq::CardForm::paper, sealmq::CardForm::applet}) {
    sealmq::Pins pins("the card", "", [](const std::string&) -> sealmq::Result<sealmq::Secret> {
      return sealmq::Secret(sealmq::as_bytes("271828"));
    });
    sealmq::card::ApduCard card(
        [&](bool) -> sealmq::Result<std::unique_ptr<sealmq::card::CardChannel>> { return std::make_unique<Hostile>(input); },
        form, "boiler07", pins);
    static_cast<void>(card.public_key());
    if (!card.auth_step_1() || !card.auth_step_2(input)) continue;
    static_cast<void>(card.auth_step_3());
    static_cast<void>(card.make_publish(sealmq::as_bytes("x")));
    static_cast<void>(card.make_pubrel());
    static_cast<void>(card.read_payload(input.first(std::min<std::size_t>(size, 100))));
    static_cast<void>(card.check_pubrel({}));
  }
  static_cast<void>(sealmq::pkcs11::decode_ec_point(input));
  return 0;
}
