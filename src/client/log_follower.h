// LogFollower: a client that follows a revocation authority's log (schemes/malina/revocation.md) through any broker.
//
// A head counts when the authority has signed it, it is no older than what was taken before, its state has come, and the entries
// lead from the tree that was known to the one under the head. Whoever carries these messages can keep them back, and then the
// newest head grows too old; nothing else. How far the log had come lies in a file, so that no older one is believed after a
// restart.
//
// One thread; several processes may share the folder.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "keystore/key_log.h"
#include "sealmq/scheme.h"

namespace sealmq {

class LogFollower final : public AuthorityView {
 public:
  using Digest = crypto::Digest;
  static constexpr std::uint64_t accepted_ahead = 30'000;  ///< milliseconds

  /// `folder`: made if it is missing; empty: nothing is kept. `max_age` in milliseconds. Errors: environment; caller_misused: a
  /// file there is damaged.
  static Result<std::shared_ptr<LogFollower>> open(PublicIdentity authority, std::string folder, std::uint64_t max_age);

  /// The topics on which it is told.
  std::vector<std::string> filters() const;
  bool is_told_on(std::string_view topic) const { return topic.starts_with(prefix_); }
  /// What has come there. Answers a line for the user; mostly empty. Errors: not the authority's, or older than what is known.
  Result<std::string> take(std::string_view topic, Bytes payload, Now now);
  /// An order that came by another way, and may be later than the head.
  void take(const RevocationByAuthority& order);

  /// What is known is young enough. Errors: peer_misbehaved, "stale: …" or "policy: …".
  Result<> need_fresh(Now now) const;
  /// Waiting may make it so.
  bool may_become_fresh() const { return !is_forked_; }

  std::optional<std::uint64_t> revoked(const KeyHash& key) const override;
  std::optional<Deal> last_deal(const Digest& administrator, const Digest& filter) const override;
  std::uint64_t version() const override { return version_; }
  /// The digest of the message that is its last deal; for who waits for it.
  const key_log::State& state() const { return known_->state; }
  bool knows() const { return known_.has_value(); }

 private:
  struct Known {
    key_log::Head head;
    Buffer frame;  ///< the head's
    Buffer state_frame;
    key_log::State state;
    crypto::TreeFrontier tree;
    std::map<KeyHash, std::uint64_t> revoked;
    std::map<std::pair<Digest, Digest>, Deal> deals;
  };
  struct Candidate {
    key_log::Head head;
    Buffer frame;
  };
  struct LastOrder {
    std::uint64_t serial = 0;
    bool restores = false;
  };

  LogFollower(PublicIdentity authority, std::string folder, std::uint64_t max_age)
      : authority_(std::move(authority)),
        prefix_(std::string(key_log::topic_prefix) + "/" + authority_.name + "/"),
        folder_(std::move(folder)),
        max_age_(max_age) {}

  Result<> load();
  Result<std::optional<Known>> read_file() const;
  Result<> save(const Known& known) const;
  std::string file() const;
  Result<std::string> take_head(Bytes frame, Now now);
  Result<> take_entries(Bytes frame);
  Result<> look_for_fork(const key_log::Head& head, Bytes frame, Now now);
  Failure forked(Bytes one, Bytes other, Now now);
  Result<std::string> go_on();
  std::optional<crypto::TreeFrontier> grown_to(const key_log::Head& head) const;
  Result<Known> know(const Candidate& candidate, Buffer state_frame, crypto::TreeFrontier tree) const;

  const PublicIdentity authority_;
  const std::string prefix_;  // of its topics
  const std::string folder_;
  const std::uint64_t max_age_;
  std::optional<Known> known_;
  std::optional<Candidate> next_;  // a later head, whose state or entries may be on their way
  Buffer state_frame_;             // the last that came
  std::optional<crypto::TreeFrontier> frontier_;
  std::map<std::uint64_t, std::vector<Digest>> leaves_;  // hashes, by the number of their bundle; of what is not known yet
  std::map<std::uint64_t, Buffer> seen_;                 // heads that were signed, by size
  std::map<KeyHash, LastOrder> orders_;
  std::uint64_t version_ = 0;
  bool is_forked_ = false;
};

}  // namespace sealmq
