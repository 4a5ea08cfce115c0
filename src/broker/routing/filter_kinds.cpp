#include "broker/routing/filter_kinds.h"

#include <algorithm>

namespace sealmq::broker {

/// The beginning of a kind: what its filters have up to some level.
struct FilterKinds::Kind {
  Kind* before = nullptr;
  std::unique_ptr<Kind> name, plus;  // one level more
  std::size_t filters = 0;           // that begin so
  bool is_plus = false;
  bool is_rare = false;
  std::string party;  // of a rare one: who has brought it
};

namespace {

/// Calls `use(is_plus, is_rare)` for each level of the filter but a last '#'.
template <class Use>
void for_each_level(std::string_view filter, Use use) {
  std::size_t levels = 0, wildcards = 0;
  for (bool last = false; !last;) {
    const std::size_t slash = filter.find('/');
    const std::string_view level = filter.substr(0, slash);
    last = slash == std::string_view::npos;
    if (last && level == "#") return;
    const bool is_plus = level == "+";
    ++levels;
    wildcards += is_plus ? 1 : 0;
    use(is_plus, wildcards > FilterKinds::common_wildcards || (wildcards > 0 && levels > FilterKinds::common_levels));
    if (!last) filter.remove_prefix(slash + 1);
  }
}

}  // namespace

FilterKinds::OfSession::Use* FilterKinds::OfSession::find(const Kind* kind, bool all_below) {
  const auto at = std::ranges::find_if(uses, [&](const Use& use) { return use.kind == kind && use.all_below == all_below; });
  return at == uses.end() ? nullptr : &*at;
}

FilterKinds::FilterKinds() : root_(std::make_unique<Kind>()) {}
FilterKinds::~FilterKinds() = default;

const char* FilterKinds::lacks_room_for(std::string_view filter, std::string_view party, OfSession& its) const {
  const Kind* at = root_.get();
  std::size_t fresh = 0;
  for_each_level(filter, [&](bool is_plus, bool is_rare) {
    if (at != nullptr) at = (is_plus ? at->plus : at->name).get();
    fresh += at == nullptr && is_rare ? 1 : 0;
  });
  const bool is_used = at != nullptr && its.find(at, filter.ends_with('#')) != nullptr;
  if (!is_used && its.uses.size() >= most_of_session) return "too many kinds of filters in one session";
  const auto brought = brought_.find(party);
  const bool has_part = (brought == brought_.end() ? 0 : brought->second) + fresh <= most_of_one;
  return fresh == 0 || (has_part && rare_ + fresh <= most_rare) ? nullptr : "too many kinds of filters with wildcards";
}

KindInUse FilterKinds::use(std::string_view filter, std::string_view party, OfSession& its) {
  Kind* at = root_.get();
  for_each_level(filter, [&](bool is_plus, bool is_rare) {
    auto& next = is_plus ? at->plus : at->name;
    if (next == nullptr) {
      next = std::make_unique<Kind>();
      next->before = at;
      next->is_plus = is_plus;
      next->is_rare = is_rare;
      ++size_;
      if (is_rare) {
        next->party = party;
        ++rare_;
        ++brought_[next->party];
      }
    }
    at = next.get();
    ++at->filters;
  });
  return {*this, its, at, filter.ends_with('#')};
}

void FilterKinds::give_back(Kind* kind) {
  while (kind->before != nullptr) {
    Kind* const before = kind->before;
    if (--kind->filters == 0) {
      --size_;
      if (kind->is_rare) {
        --rare_;
        if (const auto its = brought_.find(kind->party); --its->second == 0) brought_.erase(its);
      }
      (kind->is_plus ? before->plus : before->name).reset();
    }
    kind = before;
  }
}

KindInUse::KindInUse(FilterKinds& kinds, FilterKinds::OfSession& its, FilterKinds::Kind* kind, bool all_below)
    : kinds_(&kinds), its_(&its), kind_(kind), all_below_(all_below) {
  if (auto* use = its.find(kind, all_below))
    ++use->filters;
  else
    its.uses.push_back({kind, all_below, 1});
}

KindInUse::~KindInUse() {
  if (kinds_ == nullptr) return;
  auto* use = its_->find(kind_, all_below_);
  if (--use->filters == 0) {
    std::swap(*use, its_->uses.back());
    its_->uses.pop_back();
  }
  kinds_->give_back(kind_);
}

}  // namespace sealmq::broker
