// Every decoder of SL3's frames, and the sides that open them; what decodes encodes to the same bytes, and nothing that nobody
// sealed is accepted.
#include <algorithm>
#include <cstdlib>

#include "schemes/sl3/group.h"
#include "support/fakes.h"

using namespace sealmq;

namespace {

template <class Frame, class Encode>
void must_mirror(const Result<Frame>& frame, Bytes input, Encode encode) {
  if (!frame) return;
  auto again = encode(*frame);
  if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
}

Buffer with(Buffer begun, Bytes sealed) {
  append(begun, sealed);
  return begun;
}

Buffer revealed(const Secret& secret) {
  return to_buffer(secret.reveal());
}

struct World {
  testing::CountingRandom random;
  Now now{1000, 1767225600000};
  malina::KnownKeys keys;
  std::unique_ptr<KeyStore> broker = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<KeyStore> app = make_memory_keys("control", Kind::service, random);
  sl3::ClientRequest request =
      sl3::ClientRequest::make(sl3::Role::subscriber, "#", *app, broker_identity(broker->identity()), random, now).value();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  Bytes input(data, size);
  for (std::uint8_t type : {sl3::type_subscribe, sl3::type_publish, sl3::type_subscribe_answer, sl3::type_publish_answer})
    must_mirror(sl3::decode_exchange(input, type), input,
                [&](const auto& f) { return with(sl3::begin_exchange(type, f.point), f.sealed); });
  for (std::uint8_t type : {sl3::type_message_in, sl3::type_message_out, sl3::type_group_key})
    must_mirror(sl3::decode_session_frame(input, type), input,
                [&](const auto& f) { return with(sl3::begin_session_frame(type, f.session, f.counter), f.sealed); });
  must_mirror(sl3::decode_group_frame(input), input,
              [](const auto& f) { return with(sl3::begin_group_frame(f.group, f.epoch, f.counter), f.sealed); });
  must_mirror(sl3::decode_request_body(input), input, [](const auto& b) { return sl3::encode(b); });
  must_mirror(sl3::decode_answer_body(input), input, [](const auto& b) { return sl3::encode(b); });
  must_mirror(sl3::decode_signed_message(input), input, [](const auto& m) { return sl3::encode(m); });
  must_mirror(sl3::decode_message_in(input, {}), input, [](const auto& m) { return sl3::encode_message_in(m); });
  must_mirror(sl3::decode_group_key(input), input, [](const auto& b) { return revealed(sl3::encode(b)); });
  must_mirror(sl3::decode_group_body(input), input, [](const auto& b) { return with(to_buffer(b.message), b.broker_signature); });
  (void)sl3::session_of(input);

  namespace paper = sl3::paper;
  must_mirror(paper::decode_subscribe(input), input, [](const auto& f) { return paper::encode(f); });
  must_mirror(paper::decode_subscribe_body(input), input, [](const auto& b) { return paper::encode(b); });
  must_mirror(paper::decode_publish(input), input, [](const auto& f) { return with(paper::begin_publish(f.point), f.sealed); });
  must_mirror(paper::decode_message_in(input), input,
              [](const auto& f) { return with(paper::begin_message_in(f.key), f.sealed); });
  must_mirror(paper::decode_message_out(input), input, [](Bytes sealed) { return with(paper::begin_message_out(), sealed); });
  must_mirror(paper::decode_group_key_frame(input), input,
              [](Bytes sealed) { return with(paper::begin_group_key_frame(), sealed); });
  must_mirror(paper::decode_group_frame(input), input,
              [](const auto& f) { return with(paper::begin_group_frame(f.group, f.epoch), f.sealed); });
  must_mirror(paper::decode_signed_message(input), input, [](const auto& m) { return paper::encode(m); });
  must_mirror(paper::decode_group_key(input), input, [](const auto& b) { return revealed(sl3::encode(b)); });

  // The seeds are honest, but for another broker: nothing opens.
  if (sl3::BrokerSession::read_request(input, *world.broker, world.now)) std::abort();
  if (world.request.take(input, world.now)) std::abort();
  if (paper::BrokerSession::subscribe(input, *world.broker, world.now)) std::abort();
  if (paper::BrokerSession::publish(input, *world.broker, world.now)) std::abort();
  return 0;
}
