#include "broker/shared_groups.h"

#include <algorithm>

namespace sealmq::broker {

const SharedGroup::Member* SharedGroup::choose(Number except) {
  const Member* somebody = nullptr;
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::size_t at = (next + i) % members.size();
    if (members[at].session == except) continue;
    if (members[at].present) {
      next = (at + 1) % members.size();
      return &members[at];
    }
    if (somebody == nullptr) somebody = &members[at];
  }
  if (somebody != nullptr) next = (static_cast<std::size_t>(somebody - members.data()) + 1) % members.size();
  return somebody;
}

SharedGroup* SharedGroups::find(std::string_view name) {
  auto at = groups_.find(name);
  return at == groups_.end() ? nullptr : at->second.get();
}

void SharedGroups::apply(const MemberEvent& event) {
  SharedGroup* group = find(event.group);
  if (group == nullptr) {
    if (event.what == MemberEvent::What::left) return;
    auto made = std::make_unique<SharedGroup>();
    group = made.get();
    group->name = event.group;
    group->subscription.group = group;
    group->subscription.filter = SharedFilter::parse(event.group)->filter;  // the member's shard has looked
    tree_.add(group->subscription);
    groups_.emplace(group->name, std::move(made));
  }
  auto at = std::ranges::find(group->members, event.session, &SharedGroup::Member::session);
  if (event.what != MemberEvent::What::left) {
    bool present = event.what == MemberEvent::What::present;
    if (at == group->members.end())
      group->members.push_back({event.shard, event.session, present});
    else
      at->present = present;
    return;
  }
  if (at != group->members.end()) group->members.erase(at);
  if (!group->members.empty()) return;
  tree_.remove(group->subscription);
  groups_.erase(groups_.find(event.group));
}

}  // namespace sealmq::broker
