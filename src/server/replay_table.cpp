#include "server/replay_table.h"

#include <cstring>
#include <random>

#include "base/shares.h"

namespace sealmq {
namespace {

constexpr std::uint64_t window_size = 64;
constexpr std::uint64_t milliseconds_per_slot = 1000;

std::uint64_t random_key() {
  std::random_device chance;
  return (std::uint64_t{chance()} << 32 | chance()) | 1;
}

}  // namespace

bool ReplayWindow::accepts(std::uint64_t sequence) const {
  if (sequence > highest) return true;
  const auto behind = highest - sequence;
  return behind < window_size && (used >> behind & 1) == 0;
}

void ReplayWindow::use(std::uint64_t sequence) {
  if (sequence > highest) {
    const auto ahead = sequence - highest;
    used = ahead < window_size ? used << ahead : 0;
    highest = sequence;
  }
  used |= std::uint64_t{1} << (highest - sequence);
}

std::size_t ReplayTable::Hash::operator()(const Name& name) const {
  std::uint64_t hash = key;
  for (std::size_t at = 0; at < name.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, name.data() + at, sizeof word);
    const auto product = static_cast<unsigned __int128>(word ^ hash) * (key | 1);
    hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  return hash;
}

ReplayTable::ReplayTable(std::size_t most_digests) : most_digests_(most_digests), hash_{random_key()}, shares_(16, hash_) {}

bool ReplayTable::has_room_for(const Name& author) const {
  const auto at = shares_.find(author);
  return Shares::may_take(1, at == shares_.end() ? 0 : at->second, digest_count_, most_digests_);
}

Replay ReplayTable::look(const ReplayMark& mark, Now now) const {
  const Scheme* scheme = find(mark.scheme);
  if (scheme != nullptr) {
    const auto digest = scheme->digests.find(mark.digest);
    if (digest != scheme->digests.end() && now.wall <= digest->second.forget_after) return Replay::repeat;
  }
  // Without a number only the digest could tell a repetition, and it would be forgotten at once.
  if (!mark.ordered) return now.wall <= mark.forget_after ? Replay::fresh : Replay::stale;
  if (scheme == nullptr) return Replay::fresh;
  const auto window = scheme->windows.find(mark.author);
  return window == scheme->windows.end() || window->second.accepts(mark.sequence) ? Replay::fresh : Replay::stale;
}

ReplayWindow ReplayTable::window_after(const ReplayMark& mark) const {
  if (const Scheme* scheme = find(mark.scheme)) {
    if (const auto found = scheme->windows.find(mark.author); found != scheme->windows.end()) {
      auto window = found->second;
      window.use(mark.sequence);
      return window;
    }
  }
  return ReplayWindow::starting_with(mark.sequence);
}

ReplayWindow ReplayTable::window(std::string_view scheme, const Name& author) const {
  const Scheme* its = find(scheme);
  if (its == nullptr) return {};
  const auto found = its->windows.find(author);
  return found == its->windows.end() ? ReplayWindow{} : found->second;
}

void ReplayTable::put_window(std::string_view scheme, const Name& author, ReplayWindow window) {
  const bool is_new = find_or_make(scheme).windows.insert_or_assign(author, window).second;
  window_count_ += is_new ? 1 : 0;
}

void ReplayTable::put_digest(std::string_view scheme, const Name& digest, std::uint64_t forget_after, const Name* author) {
  auto& in = find_or_make(scheme);
  const auto [at, is_new] = in.digests.try_emplace(digest, Digest{forget_after, nullptr});
  if (is_new) {
    ++digest_count_;
    if (author != nullptr) {
      at->second.share = &*shares_.try_emplace(*author, 0).first;
      ++at->second.share->second;
    }
  } else if (forget_after > at->second.forget_after) {
    at->second.forget_after = forget_after;
  } else {
    return;  // its slot is there already
  }
  expiring_[forget_after / milliseconds_per_slot].push_back({&in, digest});
}

void ReplayTable::drop_expired(std::uint64_t wall, std::size_t at_most) {
  while (at_most > 0 && !expiring_.empty()) {
    const auto slot = expiring_.begin();
    if (slot->first >= wall / milliseconds_per_slot) return;  // something in it may still be needed
    auto& names = slot->second;
    for (; at_most > 0 && !names.empty(); --at_most) {
      const auto [scheme, digest] = names.back();
      names.pop_back();
      const auto found = scheme->digests.find(digest);
      // Not there: dropped through another slot. A later time: its own slot is still to come.
      if (found == scheme->digests.end() || found->second.forget_after >= wall) continue;
      if (auto* share = found->second.share; share != nullptr && --share->second == 0) shares_.erase(Name(share->first));
      scheme->digests.erase(found);
      --digest_count_;
    }
    if (names.empty()) expiring_.erase(slot);
  }
}

const ReplayTable::Scheme* ReplayTable::find(std::string_view scheme) const {
  const auto found = schemes_.find(scheme);
  return found == schemes_.end() ? nullptr : &found->second;
}

ReplayTable::Scheme& ReplayTable::find_or_make(std::string_view scheme) {
  const auto found = schemes_.find(scheme);
  return found != schemes_.end() ? found->second : schemes_.emplace(std::string(scheme), hash_).first->second;
}

}  // namespace sealmq
