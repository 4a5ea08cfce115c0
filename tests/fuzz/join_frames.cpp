// The frames of the join phase, as a broker and as a joiner reads them. The seeds are honest, but for another broker.
#include <cstdlib>

#include "schemes/malina/join.h"
#include "support/fakes.h"

using namespace sealmq;

namespace {

struct World {
  testing::CountingRandom random;
  Now now{1000, 1767225600000};
  std::unique_ptr<KeyStore> broker = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<KeyStore> device = make_memory_keys("boiler-7", Kind::device, random);
  malina::JoinRequest request = malina::join_request({}, {.publish = {"#"}, .subscribe = {"a/+"}}, *device,
                                                     broker_identity(broker->identity()), random, now)
                                    .value();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  Bytes input(data, size);
  if (malina::read_join(input, *world.broker, world.now)) std::abort();
  if (malina::read_paper_join(input, *world.broker, world.now)) std::abort();
  const auto& id = world.device->identity().keys.schnorr;
  if (malina::read_join_answer(input, world.request.answer_key, id)) std::abort();
  if (malina::read_paper_join_answer(input, world.request.answer_key, id)) std::abort();

  // What stands inside is behind an AEAD, so the input also goes in there.
  auto sealed = [&](std::string_view start_of_frame) {
    const bool hardened = start_of_frame != "JOIN_";
    auto ephemeral = crypto::AgreementKey::generate(world.random);
    Buffer frame = to_buffer(as_bytes(start_of_frame));
    std::size_t start = frame.size();
    append(frame, ephemeral.public_key());
    auto broker = broker_identity(world.broker->identity());
    if (hardened) {
      auto to = malina::encapsulate(Bytes(frame).first(start), {broker.id, broker.agreement}, ephemeral).value();
      malina::seal_once(to, "MALINA-2 join", input, frame);
    } else {
      auto shared = crypto::agree(ephemeral, broker.agreement).value();
      crypto::AesGcm key(malina::paper_key(shared));
      malina::paper_seal(key, input, world.random, frame);
    }
    return frame;
  };
  (void)malina::read_join(sealed({"\x02\x41\x01", 3}), *world.broker, world.now);
  (void)malina::read_join(sealed({"\x02\x41\x03", 3}), *world.broker, world.now);
  (void)malina::read_paper_join(sealed("JOIN_"), *world.broker, world.now);
  return 0;
}
