#include "broker/retained.h"

#include "mqtt/topic.h"

namespace sealmq::broker {

bool Retained::store(const std::shared_ptr<const Message>& message, std::uint64_t steady) {
  const auto& view = message->view();
  bool erase = view.payload.empty();
  auto at = entries_.find(view.topic);
  if (at == entries_.end()) {
    if (!erase && present_ >= limit_) return false;
    at = entries_.emplace(std::string(view.topic), Entry{}).first;
  }
  Entry& entry = at->second;
  if (entry.stamp > view.stamp) return true;  // a later one came first
  if (!erase && entry.message == nullptr && present_ >= limit_) return false;
  present_ -= entry.message != nullptr ? 1 : 0;
  present_ += erase ? 0 : 1;
  entry = {view.stamp, erase ? nullptr : message, steady + erasure_remembered};
  return true;
}

void Retained::for_each(std::string_view filter, std::uint64_t steady,
                        const std::function<void(const std::shared_ptr<const Message>&)>& use) const {
  // Only topics that begin like the filter, up to its first wildcard, can match ("sport/#" matches "sport" too).
  std::string_view prefix = filter.substr(0, filter.find_first_of("+#"));
  if (prefix.size() < filter.size() && prefix.ends_with('/')) prefix.remove_suffix(1);
  for (auto at = entries_.lower_bound(prefix); at != entries_.end() && at->first.starts_with(prefix); ++at) {
    const auto& message = at->second.message;
    if (message != nullptr && message->view().expires > steady && mqtt::matches(filter, at->first)) use(message);
  }
}

void Retained::erase_of(std::string_view author, const Use& erased) {
  std::erase_if(entries_, [&](const auto& entry) {
    const auto& message = entry.second.message;
    if (message == nullptr || message->view().author != author) return false;
    erased(*message);
    --present_;
    return true;
  });
}

std::size_t Retained::tick(std::uint64_t steady, const Use& expired) {
  std::size_t bytes = 0;
  std::erase_if(entries_, [&](const auto& entry) {
    const Entry& e = entry.second;
    if (e.message == nullptr) return e.forget <= steady;
    if (e.message->view().expires > steady) {
      bytes += e.message->size();
      return false;
    }
    expired(*e.message);
    --present_;
    return true;
  });
  return bytes;
}

}  // namespace sealmq::broker
