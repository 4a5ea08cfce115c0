#include "server/log_guard.h"

#include "base/try.h"
#include "crypto/thumbprint.h"

namespace sealmq {
namespace {

Failure untrue(const char* what) {
  return fail(Blame::peer_misbehaved, what);
}

}  // namespace

LogGuard::LogGuard(PublicIdentity authority, const std::array<std::uint8_t, 33>& broker)
    : authority_(std::move(authority)),
      broker_(broker),
      prefix_(std::string(key_log::topic_prefix) + "/" + authority_.name + "/") {}

Result<> LogGuard::judge(std::string_view topic, Bytes payload, bool retain, const Directory& directory) {
  const std::lock_guard lock(mutex_);
  if (topic == key_log::submit_topic(authority_.name))
    return retain ? untrue("what is submitted to the log is not retained") : judge_submitted(payload, directory);
  if (!retain) return untrue("the log is retained, so that it finds who comes later");
  if (topic == key_log::head_topic(authority_.name)) return judge_head(payload);
  if (!head_) return untrue("no head of the log has come, under which this could be");
  if (topic == key_log::state_topic(authority_.name)) return judge_state(payload);
  if (topic == key_log::frontier_topic(authority_.name)) return judge_frontier(payload);
  const std::string entries = prefix_ + "entries/";
  if (topic.starts_with(entries)) return judge_entries(topic.substr(entries.size()), payload);
  return untrue("nothing of the log belongs on this topic");
}

Result<> LogGuard::judge_head(Bytes frame) {
  const key_log::Head head = *TRY(key_log::read_head(frame, authority_.keys));
  if (head_ && (head.size < head_->size || head.time < head_->time)) return untrue("a later head of the log is here");
  if (head_ && head.size == head_->size && head.root != head_->root) return untrue("the head of another history");
  head_ = head;
  return {};
}

Result<> LogGuard::judge_state(Bytes frame) const {
  if (crypto::sha256(frame) != head_->state) return untrue("the state of another head");
  return {};
}

Result<> LogGuard::judge_frontier(Bytes frame) const {
  const auto frontier = TRY(key_log::decode_frontier(frame));
  if (frontier.size() != head_->size || frontier.root() != head_->root) return untrue("the frontier of another tree");
  return {};
}

/// In their order: each full bundle but the last can be judged only when the rest has led to the head. Until then it stands on
/// trial, and a connection that brings the right ones replaces it.
Result<> LogGuard::judge_entries(std::string_view bundle, Bytes frame) {
  const auto entries = TRY(key_log::decode_entries(frame));
  const std::uint64_t number = entries.first / key_log::bundle_size;
  if (bundle != std::to_string(number)) return untrue("other entries than the topic says");
  if (number < certain_) {
    if (crypto::sha256(frame) != bundles_[number]) return untrue("other entries than have led to a head");
    return {};
  }
  if (number > bundles_.size()) return untrue("entries that do not follow those that are here");
  if (entries.first + entries.leaves.size() > head_->size) return untrue("more entries than the head says");
  if (number < bundles_.size()) {  // again, from the first that is not certain
    bundles_.resize(certain_);
    tree_ = certain_tree_;
    if (number > certain_) return untrue("entries that do not follow those that are here");
  }
  crypto::TreeFrontier grown = tree_;
  for (const Buffer& leaf : entries.leaves) grown.add(leaf);
  const bool is_full = entries.leaves.size() == key_log::bundle_size;
  const bool is_whole = grown.size() == head_->size;
  if (is_whole ? grown.root() != head_->root : !is_full) return untrue("entries that do not lead to the head");
  if (is_full) {
    bundles_.push_back(crypto::sha256(frame));
    tree_ = grown;
  }
  if (is_whole) {
    certain_ = bundles_.size();
    certain_tree_ = tree_;
  }
  return {};
}

/// Of somebody on the list, or of this broker.
Result<> LogGuard::judge_submitted(Bytes frame, const Directory& directory) const {
  const auto submitted = TRY(key_log::read_submitted(frame));
  if (submitted->submitter == broker_) return {};
  const auto thumbprint = TRY(crypto::thumbprint_p256(submitted->submitter));
  const Identity* by = directory.find_by_stamp(Bytes(thumbprint).first(16));
  if (by == nullptr || by->keys.ecdsa != submitted->submitter || by->status != Status::active)
    return fail(Blame::not_authorised, "submitted to the log by nobody who is on the list");
  return {};
}

}  // namespace sealmq
