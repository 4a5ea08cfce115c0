#include "client/log_follower.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>

#include "base/text.h"
#include "base/try.h"
#include "crypto/identity_digest.h"
#include "keystore/file_access.h"
#include "registry/data_folder.h"

namespace sealmq {
namespace {

constexpr WantedFile wants_log{"what a log had come to is wanted", {}};
constexpr std::string_view file_mark = "sealmq-log 1";
constexpr std::size_t longest_file = 256 * 1024 * 1024;
constexpr std::size_t most_bundles = 1024;  // whose leaves are kept until a head has come to them
constexpr std::size_t most_seen = 4096;

std::string in_words(std::uint64_t wall) {
  const auto seconds = static_cast<std::time_t>(wall / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

Failure untrue(const char* what) {
  return fail(Blame::peer_misbehaved, what);
}

}  // namespace

Result<std::shared_ptr<LogFollower>> LogFollower::open(PublicIdentity authority, std::string folder, std::uint64_t max_age) {
  std::shared_ptr<LogFollower> made(new LogFollower(std::move(authority), std::move(folder), max_age));
  TRY(made->load());
  return made;
}

// -- over restarts

std::string LogFollower::file() const {
  const auto digest = crypto::identity_digest(authority_.keys);
  return folder_ + "/" + authority_.name + "-" + to_hex(Bytes(digest).first(8)) + ".log";
}

Result<> LogFollower::load() {
  if (folder_.empty()) return {};
  TRY(open_data_folder(folder_));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
    if (entry.path().filename().string().starts_with("fork-" + authority_.name + "-")) is_forked_ = true;
  if (error) return fail(Blame::environment, folder_ + ": " + error.message());
  known_ = TRY(read_file());
  if (known_) seen_[known_->head.size] = known_->frame;
  return {};
}

/// Three lines in hexadecimal digits: head, state, frontier. Nothing: there is no file yet.
Result<std::optional<LogFollower::Known>> LogFollower::read_file() const {
  if (!exists(file())) return std::optional<Known>();
  const Secret read = TRY(read_private_file(file(), wants_log, longest_file));
  const auto damaged = [&](std::string_view why) {
    return fail(Blame::caller_misused, file() + " is damaged: " + std::string(why) +
                                           "\nhint: remove it only if you know who damaged it: an older log is believed then");
  };
  std::string_view rest = as_text(read.reveal());
  const auto line = [&] {
    const auto its = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), its.size() + 1));
    return its;
  };
  if (line() != file_mark) return damaged("not of this kind");
  std::array<Buffer, 3> parts;
  for (Buffer& part : parts) {
    auto bytes = from_hex(line());
    if (!bytes) return damaged("not hexadecimal digits");
    part = *std::move(bytes);
  }
  const auto head = key_log::read_head(parts[0], authority_.keys);
  if (!head) return damaged(head.error().what);
  auto tree = key_log::decode_frontier(parts[2]);
  if (!tree || tree->size() != (*head)->size || tree->root() != (*head)->root) return damaged("another tree");
  auto known = know({**head, parts[0]}, parts[1], *std::move(tree));
  if (!known) return damaged(known.error().what);
  return std::optional(*std::move(known));
}

/// Another process may have come further meanwhile; what it wrote stays.
Result<> LogFollower::save(const Known& known) const {
  if (folder_.empty()) return {};
  const auto present = read_file();
  if (present && *present && (*present)->head.time > known.head.time) return {};
  std::string text(file_mark);
  for (const Buffer& part : {known.frame, known.state_frame, key_log::encode(known.tree)}) text += "\n" + to_hex(part);
  return replace_file(file(), text + "\n", Audience::owner);
}

// -- what comes

std::vector<std::string> LogFollower::filters() const {
  const std::string& name = authority_.name;
  return {key_log::head_topic(name), key_log::state_topic(name), key_log::frontier_topic(name), key_log::entries_filter(name)};
}

Result<std::string> LogFollower::take(std::string_view topic, Bytes payload, Now now) {
  if (topic == key_log::head_topic(authority_.name)) return take_head(payload, now);
  if (topic == key_log::state_topic(authority_.name))
    state_frame_ = to_buffer(payload);
  else if (topic == key_log::frontier_topic(authority_.name))
    frontier_ = TRY(key_log::decode_frontier(payload));
  else if (topic.starts_with(key_log::entries_topic(authority_.name, 0).substr(0, topic.rfind('/') + 1)))
    TRY(take_entries(payload));
  return go_on();
}

void LogFollower::take(const RevocationByAuthority& order) {
  for (const KeyHash& key : order.keys)
    if (LastOrder& last = orders_[key]; order.serial > last.serial) last = {order.serial, order.restores};
  ++version_;
}

/// Kept by their hashes, until a head has come to them.
Result<> LogFollower::take_entries(Bytes frame) {
  const auto entries = TRY(key_log::decode_entries(frame));
  const std::uint64_t known = known_ ? known_->head.size : 0;
  if (entries.first + entries.leaves.size() <= known) return {};
  const std::uint64_t bundle = entries.first / key_log::bundle_size;
  if (!leaves_.contains(bundle) && leaves_.size() >= most_bundles) return untrue("more entries than are taken at once");
  std::vector<Digest>& hashes = leaves_[bundle];
  hashes.clear();
  for (const Buffer& leaf : entries.leaves) hashes.push_back(crypto::leaf_hash(leaf));
  return {};
}

Result<std::string> LogFollower::take_head(Bytes frame, Now now) {
  const key_log::Head head = *TRY(key_log::read_head(frame, authority_.keys));
  if (head.time > now.wall + accepted_ahead) return untrue("the head of the log is of the future");
  TRY(look_for_fork(head, frame, now));
  if (known_ && (head.size < known_->head.size || head.time < known_->head.time || head.last_serial < known_->head.last_serial))
    return untrue("an older head of the log than is known here");
  if (head.time + max_age_ < now.wall) return untrue("the head of the log is too old");
  if (!next_ || head.time >= next_->head.time) next_ = {head, to_buffer(frame)};
  return go_on();
}

// -- two histories

/// A tree that only grows has one root and one state for each size, and is no smaller later.
Result<> LogFollower::look_for_fork(const key_log::Head& head, Bytes frame, Now now) {
  if (const auto same = seen_.find(head.size); same != seen_.end()) {
    const auto before = key_log::read_head(same->second, authority_.keys);
    if (before && ((*before)->root != head.root || (*before)->state != head.state)) return forked(same->second, frame, now);
  }
  if (known_ && head.time > known_->head.time && (head.size < known_->head.size || head.last_serial < known_->head.last_serial))
    return forked(known_->frame, frame, now);
  if (seen_.size() >= most_seen) seen_.erase(seen_.begin());
  seen_[head.size] = to_buffer(frame);
  return {};
}

/// Both are kept as a proof. Until a person has removed the file nothing is believed any more.
Failure LogFollower::forked(Bytes one, Bytes other, Now now) {
  is_forked_ = true;
  ++version_;
  std::string what = "policy: the log of " + authority_.name + " shows two histories";
  if (!folder_.empty()) {
    const std::string proof = folder_ + "/fork-" + authority_.name + "-" + std::to_string(now.wall);
    const auto written = write_new_file(proof, to_hex(one) + "\n" + to_hex(other) + "\n", Audience::owner);
    what += written ? "\nhint: " + proof + " has both; remove it when you know which one is right" : "; " + written.error().what;
  }
  return fail(Blame::peer_misbehaved, what);
}

// -- how far it has come

/// Nothing: entries are missing, or are not those of this head.
std::optional<crypto::TreeFrontier> LogFollower::grown_to(const key_log::Head& head) const {
  if (!known_) {  // where it begins, the authority's word is all there is
    const bool leads_there = frontier_ && frontier_->size() == head.size && frontier_->root() == head.root;
    return leads_there ? frontier_ : std::nullopt;
  }
  crypto::TreeFrontier tree = known_->tree;
  while (tree.size() < head.size) {
    const auto bundle = leaves_.find(tree.size() / key_log::bundle_size);
    const std::uint64_t at = tree.size() % key_log::bundle_size;
    if (bundle == leaves_.end() || bundle->second.size() <= at) return std::nullopt;
    tree.add_hash(bundle->second[at]);
  }
  return tree.root() == head.root ? std::optional(std::move(tree)) : std::nullopt;
}

Result<LogFollower::Known> LogFollower::know(const Candidate& candidate, Buffer state_frame, crypto::TreeFrontier tree) const {
  if (crypto::sha256(state_frame) != candidate.head.state) return untrue("the state of another head");
  Known known{candidate.head, candidate.frame, std::move(state_frame), {}, std::move(tree), {}, {}};
  known.state = TRY(key_log::decode_state(known.state_frame));
  if (known.state.size != candidate.head.size) return untrue("the state of another size");
  for (const auto& its : known.state.revoked)
    for (const KeyHash& key : its.keys) known.revoked[key] = its.serial;
  for (const auto& its : known.state.deals) known.deals[{its.last.administrator, its.last.filter}] = {its.last.number, its.time};
  return known;
}

Result<std::string> LogFollower::go_on() {
  if (!next_) return std::string();
  auto tree = grown_to(next_->head);
  const bool is_same_state = known_ && next_->head.state == known_->head.state;
  const Buffer& state = is_same_state ? known_->state_frame : state_frame_;
  if (!tree || crypto::sha256(state) != next_->head.state) return std::string();  // what lacks is on its way
  auto known = know(*next_, state, *std::move(tree));
  next_.reset();
  if (!known) return Failure(std::move(known).error());
  TRY(save(*known));
  known_ = *std::move(known);
  ++version_;
  std::erase_if(leaves_, [&](const auto& its) { return (its.first + 1) * key_log::bundle_size <= known_->head.size; });
  return std::string();
}

Result<> LogFollower::need_fresh(Now now) const {
  const auto refused = [](std::string what) { return fail(Blame::peer_misbehaved, std::move(what)); };
  if (is_forked_) return refused("policy: the log of " + authority_.name + " shows two histories");
  if (!known_) return refused("stale: revocations not known, the log of " + authority_.name + " has not come");
  if (known_->head.time + max_age_ < now.wall)
    return refused("stale: revocations not known since " + in_words(known_->head.time));
  return {};
}

std::optional<std::uint64_t> LogFollower::revoked(const KeyHash& key) const {
  if (const auto order = orders_.find(key); order != orders_.end())
    if (!known_ || order->second.serial > known_->head.last_serial)
      return order->second.restores ? std::nullopt : std::optional(order->second.serial);
  if (!known_) return std::nullopt;
  const auto its = known_->revoked.find(key);
  return its == known_->revoked.end() ? std::nullopt : std::optional(its->second);
}

std::optional<AuthorityView::Deal> LogFollower::last_deal(const Digest& administrator, const Digest& filter) const {
  if (!known_) return std::nullopt;
  const auto its = known_->deals.find({administrator, filter});
  return its == known_->deals.end() ? std::nullopt : std::optional(its->second);
}

}  // namespace sealmq
