// Prints every frame of SL2, sealed by ours with new keys, and the secrets that open it, as JSON for sl2_vectors.py.
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/agree.h"
#include "crypto/random.h"
#include "schemes/sl2/delivery.h"
#include "schemes/sl2/escrow.h"
#include "schemes/sl2/paper_messages.h"

namespace {

using namespace sealmq;

constexpr std::uint64_t time_of_all = 1767225600000;

std::string hex_of_time() {
  Buffer bytes(8);
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(time_of_all >> (56 - 8 * i));
  return to_hex(bytes);
}

}  // namespace

int main() {
  crypto::OsRandom random;
  const auto rabin = crypto::rabin::PrivateKey::generate(crypto::rabin::least_bits);
  const auto& broker_rabin = rabin.public_key();
  const auto broker = make_memory_keys("broker-1", Kind::broker, random);
  const auto device = make_memory_keys("boiler-7", Kind::device, random);
  const auto authority = make_memory_keys("authority", Kind::authority, random);
  const auto authority_agreement = crypto::AgreementKey::generate(random);
  const std::string_view broker_id = broker->identity().name;
  const auto id = device->identity().keys.schnorr;
  Buffer sk(16);
  random.fill(sk);

  nlohmann::json out;
  const auto put = [&out](const char* name, Bytes bytes) { out[name] = to_hex(bytes); };
  put("rabin_secret", rabin.export_secret().reveal());
  put("broker_id", as_bytes(broker_id));
  put("broker_ecdsa", broker->identity().keys.ecdsa);
  put("broker_agreement", broker->identity().keys.agreement);
  put("authority_ecdsa", authority->identity().keys.ecdsa);
  put("authority_agreement_secret", authority_agreement.export_secret().reveal());
  put("topic", as_bytes("plant/7/temp"));
  put("message", as_bytes("21.5"));
  put("id", id);
  put("SK", sk);
  out["time"] = hex_of_time();
  out["sequence"] = 41;
  out["not_after"] = time_of_all;

  const sl2::SubscribeRequest request{time_of_all, "plant/#", sk, {}};
  const auto subscribe = sl2::seal(request, broker_rabin, broker_id, random);
  put("SL2_1", subscribe);
  sl2::Message message{"plant/7/temp", id, as_bytes("21.5"), time_of_all, 41, {}};
  message.signature = malina::sign(*device, sl2::statement_of(message, broker_id)).value();
  put("SL2_2", sl2::seal(message, broker_rabin, broker_id, random));

  const auto c = sl2::decode_sealed(subscribe, sl2::type_sl2_1).value().c;
  Buffer confirmation;
  sl2::DeliverySender sender(request, sl2::subscription_id(c), time_of_all, confirmation);
  put("confirmation", confirmation);
  const auto escrow = sl2::EscrowKey::from_sec1(authority_agreement.public_key())
                          .value()
                          .seal(message.topic, message.time, {id, message.sequence, message.signature}, random);
  Buffer delivery;
  sender.seal({message.topic, message.message, message.time, escrow}, delivery);
  put("SL2_3", delivery);

  put("paper_SL2_1", sl2::seal(sl2::PaperSubscribe{"plant/7/temp", sk}, broker_rabin, random).value());
  sl2::PaperMessage paper{"plant/7/temp", id, as_bytes("21.5"), time_of_all, {}};
  paper.signature = malina::sign(*device, sl2::statement_of(paper)).value();
  put("paper_SL2_2", sl2::seal(paper, broker_rabin, random).value());
  crypto::AesGcm subscription(sk);
  Buffer paper_delivery;
  sl2::seal({paper.topic, paper.message, paper.time, paper.signature}, subscription, random, paper_delivery);
  put("paper_SL2_3", paper_delivery);

  BrokerParameters wanted{to_buffer(broker_rabin.modulus()), time_of_all, {}, {}};
  wanted.authority = {authority->identity().keys.ecdsa, authority_agreement.public_key()};
  const auto signed_parameters = sign_parameters(*broker, wanted).value();
  put("parameters", encode(signed_parameters, broker_identity(broker->identity())));
  std::cout << out.dump(2) << '\n';
}
