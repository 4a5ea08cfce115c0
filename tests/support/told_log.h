// An authority's log as brokers carry it, for tests of who follows it: entries, and the frames that are retained for them.
#pragma once

#include "crypto/identity_digest.h"
#include "keystore/key_log.h"

namespace sealmq::testing {

struct ToldLog {
  explicit ToldLog(KeyStore& its_key) : key(its_key) {}

  /// Nothing but heads changes between these.
  void order(std::uint64_t serial, bool restores, const KeyStore& whom, std::uint64_t wall) {
    const auto keys = crypto::key_hashes(whom.identity().keys);
    fold.order(serial, restores, keys);
    add({wall, key_log::OrderLeaf{{0x02, static_cast<std::uint8_t>(serial)}}});
  }
  void deal(const KeyStore& administrator, std::string_view filter, std::uint64_t number, std::uint64_t wall) {
    const key_log::DealLeaf leaf{
        crypto::identity_digest(administrator.identity().keys), crypto::sha256(as_bytes(filter)), number, {}};
    fold.deal(leaf, wall);
    add({wall, leaf});
  }
  void add(const key_log::Leaf& leaf) {
    leaves.push_back(encode(leaf));
    tree.add(leaves.back());
  }

  key_log::Head head(std::uint64_t wall) const {
    return {crypto::identity_digest(key.identity().keys),
            tree.size(),
            wall,
            tree.root(),
            crypto::sha256(state()),
            60,
            fold.last_serial()};
  }
  Buffer signed_head(std::uint64_t wall) const { return sign_head(head(wall), key).value(); }
  Buffer state() const { return encode(fold.state(tree.size())); }
  Buffer frontier() const { return key_log::encode(tree); }
  Buffer bundle(std::uint64_t number) const {
    key_log::Entries entries{number * key_log::bundle_size, {}};
    for (std::uint64_t at = entries.first; at < leaves.size() && at < entries.first + key_log::bundle_size; ++at)
      entries.leaves.push_back(leaves[at]);
    return encode(entries);
  }
  /// Topic and payload of each message that an authority leaves at a broker.
  std::vector<std::pair<std::string, Buffer>> retained(std::uint64_t wall) const {
    const std::string& name = key.identity().name;
    std::vector<std::pair<std::string, Buffer>> all{{key_log::head_topic(name), signed_head(wall)},
                                                    {key_log::state_topic(name), state()},
                                                    {key_log::frontier_topic(name), frontier()}};
    for (std::uint64_t i = 0; i * key_log::bundle_size < leaves.size(); ++i)
      all.emplace_back(key_log::entries_topic(name, i), bundle(i));
    return all;
  }

  KeyStore& key;
  std::vector<Buffer> leaves;
  crypto::TreeFrontier tree;
  key_log::StateFold fold;
};

}  // namespace sealmq::testing
