// LogGuard: of an authority's key log a broker keeps only what verifies under the authority that its configuration names
// (schemes/malina/revocation.md). Heads are signed; everything else has to be what the last head says.
//
// One for all shards, and so under a lock, which is held for a signature at most. It remembers the last head, and of the entries
// how far they led: the leaves of the last bundle, and a hash of each before it, so that none is replaced later.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "broker/shard.h"
#include "keystore/key_log.h"

namespace sealmq {

class LogGuard final : public broker::TopicGuard {
 public:
  /// `broker`: its own ECDSA key, by which it may submit too.
  LogGuard(PublicIdentity authority, const std::array<std::uint8_t, 33>& broker);

  bool watches(std::string_view topic) const override { return topic.starts_with(prefix_); }
  Result<> judge(std::string_view topic, Bytes payload, bool retain, const Directory& directory) override;

 private:
  Result<> judge_head(Bytes frame);
  Result<> judge_state(Bytes frame) const;
  Result<> judge_frontier(Bytes frame) const;
  Result<> judge_entries(std::string_view bundle, Bytes frame);
  Result<> judge_submitted(Bytes frame, const Directory& directory) const;

  const PublicIdentity authority_;
  const std::array<std::uint8_t, 33> broker_;
  const std::string prefix_;
  std::mutex mutex_;
  std::optional<key_log::Head> head_;
  crypto::TreeFrontier tree_;            // of the bundles that are full
  std::vector<crypto::Digest> bundles_;  // the full ones' frames, hashed
  crypto::TreeFrontier certain_tree_;
  std::uint64_t certain_ = 0;  // so many of these led to a head
};

}  // namespace sealmq
