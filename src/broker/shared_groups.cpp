#include "broker/shared_groups.h"

namespace sealmq::broker {

void GroupMembers::set(const Member& member, bool present) {
  if (const auto at = places_.find(member.session); at != places_.end()) {
    if (at->second.present == present) return;
    remove(member.session);
  }
  auto& members = circle(present).members;
  places_.emplace(member.session, Place{present, members.size()});
  members.push_back(member);
}

void GroupMembers::remove(Number session) {
  const auto at = places_.find(session);
  if (at == places_.end()) return;
  const Place place = at->second;
  places_.erase(at);
  auto& members = circle(place.present).members;
  if (place.index + 1 < members.size()) {  // the last one takes the place
    members[place.index] = members.back();
    places_.find(members[place.index].session)->second.index = place.index;
  }
  members.pop_back();
}

const GroupMembers::Member* GroupMembers::next_of(Circle& circle, Number except) {
  const std::size_t count = circle.members.size();
  for (std::size_t looked = 0; looked < std::min<std::size_t>(count, 2); ++looked) {  // a session is in it once
    ++visited_;
    const Member& member = circle.members[circle.next % count];
    circle.next = (circle.next + 1) % count;
    if (member.session != except) return &member;
  }
  return nullptr;
}

const GroupMembers::Member* GroupMembers::choose(Number except, std::size_t tries) {
  if (tries <= present_.members.size())  // one more than there are: who was asked first may have left since
    if (const Member* member = next_of(present_, except)) return member;
  return next_of(absent_, except);
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
    return group->members.set({event.shard, event.session}, event.what == MemberEvent::What::present);
  }
  if (group == nullptr) return;
  group->members.remove(event.session);
  if (group->members.size() != 0) return;
  tree_.remove(group->subscription);
  groups_.erase(groups_.find(event.group));
}

}  // namespace sealmq::broker
