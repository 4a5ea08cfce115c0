// An author, a reader, another member and a stranger who know topic keys.
#pragma once

#include "schemes/payload/payload.h"
#include "sealmq/keystore.h"
#include "support/fakes.h"

namespace sealmq::testing {

/// With keys of its own and the client side of the scheme. What it keeps outlives start_again().
struct PayloadParty {
  PayloadParty(std::string name, Random& its_random)
      : random(its_random),
        keys(make_memory_keys(name, Kind::device, its_random)),
        topic_keys(make_memory_topic_keys(its_random)) {
    start_again();
  }
  void start_again() { start_for(peers); }
  void start_for(std::vector<PublicIdentity> its_peers) {
    peers = std::move(its_peers);
    ClientPorts ports{.key = keys.get(), .broker = std::nullopt, .peers = peers, .random = random};
    ports.topic_keys = topic_keys;
    scheme = find_scheme("payload")->client_side(std::move(ports)).value();
  }
  void take(const TopicKey& key) { (void)topic_keys->put(key); }

  Random& random;
  std::unique_ptr<KeyStore> keys;
  std::shared_ptr<TopicKeys> topic_keys;
  std::vector<PublicIdentity> peers;
  std::unique_ptr<ClientScheme> scheme;
};

struct PayloadParties {
  using Opening = Result<ClientScheme::Checked<Received>>;

  /// A new key for author and reader; the author is its administrator.
  void share(std::string_view filter, TopicKey::Kind kind, TopicKey::Form form) {
    constexpr std::uint64_t thirty_days = 30 * 24 * 3600;
    key = make_topic_key(filter, kind, form, TopicKey::Cipher::aes128_gcm, now, thirty_days, author.keys->identity(), random);
    for (PayloadParty* party : {&author, &reader}) {
      std::vector<TopicKeyId> former;
      const auto present = party->topic_keys->all();
      for (const auto& its : *present)
        if (its.filter == filter) former.push_back(its.id);
      for (const auto& id : former) (void)party->topic_keys->erase(id);
      party->take(key.copy());
    }
  }
  Buffer seal(std::string_view topic, std::string_view text) {
    return author.scheme->protect(topic, as_bytes(text), now).value();
  }
  Opening open(std::string_view topic, Bytes sealed) { return reader.scheme->unprotect({topic, sealed}, now); }
  Opening open_retained(std::string_view topic, Bytes sealed) {
    return reader.scheme->unprotect({.topic = topic, .payload = sealed, .retain = true}, now);
  }
  /// Of a refusal, its first word; empty: it was taken.
  static std::string cause(const Opening& opening) {
    return opening ? std::string() : opening.error().what.substr(0, opening.error().what.find(':'));
  }

  CountingRandom random;
  Now now{1'000'000, 1'767'225'600'000};
  PayloadParty author{"boiler-7", random};
  PayloadParty reader{"control-room", random};
  PayloadParty other{"archive", random};
  PayloadParty stranger{"stranger", random};
  TopicKey key;
};

}  // namespace sealmq::testing
