// Containers and dealt keys, at a reader who knows keys of every form: nothing that nobody sealed is anybody's message.
#include <cstdlib>

#include "crypto/random.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/demands.h"
#include "schemes/payload/paper_frames.h"
#include "schemes/payload/payload.h"
#include "schemes/payload/sending.h"

using namespace sealmq;
using namespace sealmq::payload;

namespace {

struct World {
  World() {
    using Kind = TopicKey::Kind;
    using Form = TopicKey::Form;
    const std::pair<Kind, Form> all[] = {{Kind::symmetric, Form::inside}, {Kind::symmetric, Form::outside},
                                         {Kind::symmetric, Form::bare},   {Kind::symmetric, Form::mac},
                                         {Kind::symmetric, Form::stamp},  {Kind::pair, Form::inside},
                                         {Kind::pair, Form::outside}};
    for (const auto& [kind, form] : all) {
      auto key = make_topic_key(std::to_string(topics.size()), kind, form, TopicKey::Cipher::aes128_gcm, now, 1000,
                                own->identity(), random);
      // As in the seeds, so that they get as far as they can.
      key.id = {1, 2, 3, 4, 5, 6, 7, static_cast<std::uint8_t>(topics.size())};
      (void)keys->put(key);
      topics.push_back(key.filter);
    }
    topics.emplace_back("no key");
    BrokerPorts ports{*own, random};
    ports.topic_keys = keys;
    broker = hop_broker(ports);
  }
  crypto::OsRandom random;
  Now now{0, 1'767'225'600'000};
  std::unique_ptr<KeyStore> own = make_memory_keys("boiler-7", Kind::device, random);
  std::shared_ptr<TopicKeys> keys = make_memory_topic_keys(random);
  std::vector<std::string> topics;
  std::unique_ptr<BrokerScheme> broker;
  Directory directory{{{own->identity()}}};  // the author of the seeds is on the list
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  const Bytes input(data, size);
  Receiving::Wanted wanted;
  wanted.readers.push_back(
      {reader_id(world.own->identity().keys.agreement), [](const auto& peer) { return world.own->agree(peer); }});
  Receiving receiving(*world.keys, std::move(wanted));
  for (const auto& topic : world.topics)
    if (receiving.open({topic, input, true, false}, world.now)) std::abort();
  for (const auto& topic : world.topics)
    if (world.broker->open({topic, input}, {world.now, world.directory})) std::abort();

  if (const auto message = decode_message(input)) {
    (void)shown_by(*message);
    for (const auto& recipient : message->recipients)
      (void)unwrap(recipient, {{}, [](const auto& peer) { return world.own->agree(peer); }});
  }
  if (const auto header = decode_header(input); header && header->algorithm != 0) {
    const auto again = decode_header(encode_header(*header));
    if (!again || again->number != header->number || again->issued != header->issued) std::abort();
  }
  if (open_dealt(input, "sealmq-keys/a/b/readers", world.own->identity(), *world.own)) std::abort();
  if (auto dealt = decode_dealt(input); dealt && dealt->keys.empty()) std::abort();
  if (open_delegation(input, "sealmq-keys/a/b/c/delegate", world.own->identity())) std::abort();
  if (auto delegation = decode_delegation(input); delegation && delegation->filter.empty()) std::abort();
  if (const auto frame = paper::split(input)) {
    if (paper::join(frame->stamp, frame->body) != to_buffer(input)) std::abort();
    (void)paper::decrypt(Secret(Buffer(16, 1)), frame->body);
  }
  (void)Demands::parse({{"payload.min-enc", std::string(as_text(input))}, {"payload.min-stamp", std::string(as_text(input))}});
  return 0;
}
