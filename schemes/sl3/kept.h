// What a broker keeps of SL3 beside the sessions themselves: those of a connection's publishers, and a group for each filter. One
// thread.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "schemes/malina/signature.h"
#include "sealmq/scheme.h"

namespace sealmq::sl3 {

/// Publishers' sessions of one connection. Being kept gives no right: that is asked for each message.
template <class Session>
class Publishers : public ConnectionState {
 public:
  static constexpr std::size_t most = 8;

  /// `state` belongs to one scheme, which keeps nothing else in it.
  static Publishers& of(std::unique_ptr<ConnectionState>& state) {
    if (state == nullptr) state = std::make_unique<Publishers>();
    return static_cast<Publishers&>(*state);
  }

  /// Where there is no room, the oldest of the same author makes some. Error: there is none.
  Result<> add(const std::string& author, Session session, Now now) {
    if (find(session.id(), now) != nullptr) return {};
    if (kept_.size() >= most) {
      auto oldest = std::ranges::find(kept_, author, &Kept::author);
      if (oldest == kept_.end()) return fail(Blame::not_authorised, "too many publishers on one connection");
      kept_.erase(oldest);
    }
    kept_.push_back({author, std::move(session)});
    return {};
  }

  template <class Name>
  Session* find(const Name& name, Now now) {
    std::erase_if(kept_, [&](const Kept& kept) { return kept.session.is_over(now); });
    for (Kept& kept : kept_)
      if (kept.session.id() == name) return &kept.session;
    return nullptr;
  }

  std::size_t memory() const override {
    constexpr std::size_t cipher = 1024;  // what the crypto library holds for one
    return sizeof(*this) + kept_.size() * (sizeof(Kept) + cipher);
  }
  void forget(std::string_view identity) override {
    std::erase_if(kept_, [&](const Kept& kept) { return kept.author == identity; });
  }

 private:
  struct Kept {
    std::string author;
    Session session;
  };
  std::vector<Kept> kept_;  // the oldest first
};

/// The groups of one shard. One lasts as long as any subscription that has been in it: whoever comes back to it in the same
/// session finds the same group in another epoch, because a client takes no second group's key from one session.
template <class Group>
class Groups {
 public:
  explicit Groups(Random& random) : random_(random) {}

  /// A name that no other member has or had.
  std::string next_member() { return std::to_string(++members_); }

  Group& hold(const std::string& filter) {
    auto& place = groups_.try_emplace(filter, random_).first->second;
    ++place.holders;
    return place.group;
  }
  void let_go(const std::string& filter) {
    auto at = groups_.find(filter);
    if (--at->second.holders == 0) groups_.erase(at);
  }

 private:
  struct Place {
    explicit Place(Random& random) : group(random) {}
    Group group;
    std::size_t holders = 0;
  };
  Random& random_;
  std::uint64_t members_ = 0;
  std::map<std::string, Place> groups_;
};

/// One subscriber's place in a group, while it has one.
template <class Group>
class Membership {
 public:
  Membership(std::shared_ptr<Groups<Group>> groups, std::string filter)
      : groups_(std::move(groups)), filter_(std::move(filter)), member_(groups_->next_member()) {}
  ~Membership() {
    set(false);
    if (group_ != nullptr) groups_->let_go(filter_);
  }
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  void set(bool is_member) {
    if (is_member == is_member_) return;
    is_member_ = is_member;
    if (group_ == nullptr) group_ = &groups_->hold(filter_);
    if (is_member)
      group_->join(member_);
    else
      group_->leave(member_);
  }
  Group* group() const { return is_member_ ? group_ : nullptr; }
  const std::string& member() const { return member_; }
  bool lacks_key(Now now) const { return is_member_ && group_->lacks_key(member_, now); }

 private:
  std::shared_ptr<Groups<Group>> groups_;
  std::string filter_;
  std::string member_;
  Group* group_ = nullptr;  // once it has been in it
  bool is_member_ = false;
};

}  // namespace sealmq::sl3
