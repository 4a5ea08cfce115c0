// The broker's part where payloads are sealed up to the broker: it opens them, and seals for subscribers who ask for that.
#include "base/try.h"
#include "schemes/payload/listed_authors.h"
#include "schemes/payload/payload.h"
#include "schemes/payload/sending.h"

namespace sealmq::payload {
namespace {

class BrokerSide : public BrokerScheme {
 public:
  BrokerSide(std::shared_ptr<TopicKeys> keys, KeyStore& own, Random& random)
      : keys_(std::move(keys)),
        authors_(own.identity().keys.ecdsa),
        receiving_(*keys_, wanted(authors_)),
        sending_(*keys_, &own, {}, random) {
    (void)keys_->keep_names();
  }

  const SchemeInfo& info() const override { return hop_info; }

  bool recognises(const Incoming& message) const override { return is_container(message.payload); }

  Result<Checked<sealmq::Opened>> open(const Incoming& message, const Scene& scene) override {
    authors_.look_into(scene.directory);
    auto from = TRY(receiving_.open({message.topic, message.payload}, scene.now));
    sealmq::Opened opened;
    opened.topic = message.topic;
    opened.plaintext = std::move(from.payload);
    opened.payload = opened.plaintext;
    opened.author = from.listed;
    opened.names_author = from.listed != nullptr;
    opened.mark = mark_of(from);
    opened.carried = message.payload;
    return verified(std::move(opened));
  }

  Result<> seal(const Outgoing& message, const Scene& scene, Buffer& out) override {
    // It came in a container for this topic: its readers shall check what its author has sealed.
    if (message.came_by == hop_info.name || message.came_by == hardened_info.name) {
      append(out, message.wire);
      return {};
    }
    append(out, TRY(sending_.seal(message.topic, message.payload, scene.now)));
    return {};
  }

  std::string_view subscribe_property() const override { return sealed_property.first; }
  std::optional<Result<Checked<Asked>>> read_subscribe(std::string_view value, std::string_view filter, const Scene&) override {
    if (value != sealed_property.second) return std::nullopt;
    Asked asked;
    asked.topic = filter;
    asked.by_connection = true;
    return verified(std::move(asked));
  }

 private:
  static Receiving::Wanted wanted(ListedAuthors& authors) {
    Receiving::Wanted its;
    its.window.heeds_end = false;  // also a Will is opened when it is made; what counts until its end is remembered until then
    its.remembers = false;         // the core does, for all shards and across restarts
    its.listed = &authors;
    its.refuses_own = true;
    return its;
  }

  static ReplayMark mark_of(const Receiving::Opened& opened) {
    const TopicKeys::Seen& seen = opened.seen;
    Buffer name(seen.window.begin(), seen.window.end());
    for (int shift = 56; shift >= 0; shift -= 8) name.push_back(static_cast<std::uint8_t>(seen.number >> shift));
    return {.scheme = hop_info.name, .author = seen.author, .digest = crypto::sha256(name), .forget_after = opened.fresh_until};
  }

  std::shared_ptr<TopicKeys> keys_;
  ListedAuthors authors_;
  Receiving receiving_;
  Sending sending_;
};

}  // namespace

std::unique_ptr<BrokerScheme> hop_broker(const BrokerPorts& ports) {
  auto keys = ports.topic_keys != nullptr ? ports.topic_keys : make_memory_topic_keys(ports.random);
  return std::make_unique<BrokerSide>(std::move(keys), ports.key, ports.random);
}

}  // namespace sealmq::payload
