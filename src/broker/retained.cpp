#include "broker/retained.h"

#include "mqtt/topic.h"

namespace sealmq::broker {

namespace {
constexpr std::size_t cost_of_entry = 160;  // of the table, in each shard
}

std::size_t Retained::bytes_of(std::string_view topic, std::size_t message) {
  return cost_of_entry + topic.size() + message;
}

std::size_t Retained::bytes_of(const Entries::value_type& entry) {
  const auto& message = entry.second.message;
  return bytes_of(entry.first, message != nullptr ? message->size() : 0);
}

bool Retained::has_room(std::string_view topic, std::size_t size) const {
  auto at = entries_.find(topic);
  const std::size_t marks = entries_.size() - present_;
  if (at == entries_.end()) return present_ < limit_ && marks < limit_ && bytes_ + bytes_of(topic, size) <= most_bytes_;
  if (at->second.message == nullptr && present_ >= limit_) return false;
  return replaces(topic, size) || bytes_ - bytes_of(*at) + bytes_of(topic, size) <= most_bytes_;
}

bool Retained::replaces(std::string_view topic, std::size_t size) const {
  auto at = entries_.find(topic);
  return at != entries_.end() && at->second.message != nullptr && at->second.message->size() >= size;
}

void Retained::store(const std::shared_ptr<const Message>& message, std::uint64_t steady) {
  const auto& view = message->view();
  bool erase = view.payload.empty();
  auto at = entries_.find(view.topic);
  if (at == entries_.end()) {
    at = entries_.emplace(std::string(view.topic), Entry{}).first;
    bytes_ += bytes_of(*at);
    topics_ += at->first.size();
  }
  Entry& entry = at->second;
  if (entry.stamp > view.stamp) return;  // a later one came first
  bytes_ -= bytes_of(*at);
  present_ -= entry.message != nullptr ? 1 : 0;
  present_ += erase ? 0 : 1;
  entry = {view.stamp, erase ? nullptr : message, steady + erasure_remembered};
  bytes_ += bytes_of(*at);
  account();
}

/// It is about to be erased from the table.
void Retained::forget(const Entries::value_type& entry) {
  bytes_ -= bytes_of(entry);
  topics_ -= entry.first.size();
  present_ -= entry.second.message != nullptr ? 1 : 0;
}

void Retained::account() {
  charge_.set((topics_ + entries_.size() * cost_of_entry) / Charge::step * Charge::step);
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
    forget(entry);
    return true;
  });
  account();
}

std::size_t Retained::tick(std::uint64_t steady, const Use& expired) {
  std::size_t bytes = 0;
  std::erase_if(entries_, [&](const auto& entry) {
    const Entry& e = entry.second;
    if (e.message == nullptr ? e.forget > steady : e.message->view().expires > steady) {
      bytes += e.message != nullptr ? e.message->size() : 0;
      return false;
    }
    if (e.message != nullptr) expired(*e.message);
    forget(entry);
    return true;
  });
  account();
  return bytes;
}

}  // namespace sealmq::broker
