#include "broker/routing/shared_groups.h"

#include <algorithm>

namespace sealmq::broker {

GroupMembers::Name GroupMembers::name_of(const Party& party) {
  const bool is_anonymous = party.subscriber == nullptr;
  return {is_anonymous ? std::string() : *party.subscriber, static_cast<std::uint16_t>(party.scheme | (is_anonymous ? 256 : 0))};
}

void GroupMembers::set(const Member& member, const Party& party, bool present) {
  Members& its = parties_.try_emplace(name_of(party), Members{party, {}, {}}).first->second;
  if (const auto at = places_.find(member.session); at != places_.end()) {
    if (at->second.present == present && at->second.members == &its) return;
    auto& into = list(its, present);
    into.push_back(member);  // first, so that the party does not go with its last member
    const Place place{&its, present, into.size() - 1};
    const Place former = at->second;
    at->second = place;
    take_out(former);
    return;
  }
  auto& members = list(its, present);
  places_.emplace(member.session, Place{&its, present, members.size()});
  members.push_back(member);
}

void GroupMembers::remove(Number session) {
  const auto at = places_.find(session);
  if (at == places_.end()) return;
  const Place place = at->second;
  places_.erase(at);
  take_out(place);
}

void GroupMembers::take_out(const Place& place) {
  auto& members = list(*place.members, place.present);
  if (place.index + 1 < members.size()) {  // the last one takes the place
    members[place.index] = members.back();
    places_.find(members[place.index].session)->second.index = place.index;
  }
  members.pop_back();
  if (!place.members->present.empty() || !place.members->absent.empty()) return;
  const auto party = parties_.find(name_of(place.members->party));
  if (first_ == party) ++first_;
  parties_.erase(party);
}

/// They take turns as if they stood in one circle.
const GroupMembers::Member* GroupMembers::next(std::vector<Members*>& entitled, bool present, Number except) {
  std::size_t count = 0;
  for (Members* members : entitled) count += list(*members, present).size();
  for (std::size_t looked = 0; looked < std::min<std::size_t>(count, 2); ++looked) {  // a session is in it once
    std::size_t index = turn_++ % count;
    for (Members* members : entitled) {
      const auto& those = list(*members, present);
      ++visited_;
      if (index >= those.size()) {
        index -= those.size();
        continue;
      }
      if (those[index].session != except) return &those[index];
      break;
    }
  }
  return nullptr;
}

const GroupMembers::Member* GroupMembers::choose(Number except, std::size_t tries, const May& may) {
  std::vector<Members*> entitled;
  std::size_t present = 0;
  const std::size_t asked = std::min(parties_.size(), most_parties);
  const bool is_part = asked < parties_.size();
  auto at = is_part && first_ != parties_.end() ? first_ : parties_.begin();
  for (std::size_t i = 0; i < asked; ++i) {
    ++visited_;
    if (may(at->second.party)) {
      entitled.push_back(&at->second);
      present += at->second.present.size();
    }
    if (++at == parties_.end()) at = parties_.begin();
  }
  if (is_part) first_ = at;
  if (tries <= present)  // one more than there are: who was asked first may have left since
    if (const Member* member = next(entitled, true, except)) return member;
  return next(entitled, false, except);
}

SharedGroup* SharedGroups::find(std::string_view name) {
  auto at = groups_.find(name);
  return at == groups_.end() ? nullptr : at->second.get();
}

void SharedGroups::apply(const MemberEvent& event) {
  SharedGroup* group = find(event.group);
  if (event.what != MemberEvent::What::left) {
    if (group == nullptr) {
      auto made = std::make_unique<SharedGroup>();
      group = made.get();
      group->name = event.group;
      group->subscription.group = group;
      group->subscription.filter = SharedFilter::parse(event.group)->filter;  // the member's shard has looked
      tree_.add(group->subscription);
      groups_.emplace(group->name, std::move(made));
    }
    return group->members.set({event.shard, event.session}, {event.subscriber, event.scheme},
                              event.what == MemberEvent::What::present);
  }
  if (group == nullptr) return;
  group->members.remove(event.session);
  if (group->members.size() != 0) return;
  tree_.remove(group->subscription);
  groups_.erase(groups_.find(event.group));
}

}  // namespace sealmq::broker
