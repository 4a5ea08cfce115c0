#include "broker/routing/retained.h"

#include <algorithm>

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

bool Retained::has_room(std::string_view topic, std::size_t size, std::string_view party) const {
  const auto at = entries_.find(topic);
  const bool is_there = at != entries_.end() && at->second.message != nullptr;
  if (is_there && at->second.message->size() >= size) return true;
  const std::size_t before = is_there ? bytes_of(*at) : 0, after = bytes_of(topic, size);
  return (is_there || Shares::may_take(1, place_shares_.of(party), present_, limit_)) &&
         Shares::may_take(after - before, byte_shares_.of(party), bytes_, most_bytes_);
}

bool Retained::holds(std::string_view topic) const {
  auto at = entries_.find(topic);
  return at != entries_.end() && at->second.message != nullptr;
}

bool Retained::replaces(std::string_view topic, std::size_t size) const {
  auto at = entries_.find(topic);
  return at != entries_.end() && at->second.message != nullptr && at->second.message->size() >= size;
}

void Retained::store(const std::shared_ptr<const Message>& message, std::uint64_t steady, std::string_view party) {
  const auto& view = message->view();
  bool erase = view.payload.empty();
  auto at = entries_.find(view.topic);
  if (at != entries_.end() && at->second.stamp > view.stamp) return;  // a later one came first
  if (at == entries_.end()) {
    at = entries_.emplace(std::string(view.topic), Entry{}).first;
    topics_ += at->first.size();
  } else {
    give_back(*at);
  }
  at->second = {++latest_, view.stamp, erase ? nullptr : message, steady + erasure_remembered, nullptr, nullptr};
  bytes_with(at->second) += bytes_of(*at);
  present_ += erase ? 0 : 1;
  if (!erase && !party.empty()) {
    at->second.place = place_shares_.take(party, 1);
    at->second.bytes = byte_shares_.take(party, bytes_of(*at));
  }
  if (erase) {
    marks_.emplace_back(at->first, view.stamp);
    marks_size_ += at->first.size() + cost_of_entry;
    make_room_for_marks();
  }
  account();
}

// They are needed for as long as a message takes from one shard to another.
void Retained::make_room_for_marks() {
  while (!marks_.empty()) {
    const bool is_full = marks_.size() > limit_ || std::max(mark_bytes_, marks_size_) > most_bytes_ / 8;
    auto at = entries_.find(marks_.front().first);
    const bool counts = at != entries_.end() && at->second.message == nullptr && at->second.stamp == marks_.front().second;
    if (counts && !is_full) return;
    if (counts) {
      forget(*at);
      entries_.erase(at);
    }
    marks_size_ -= marks_.front().first.size() + cost_of_entry;
    marks_.pop_front();
  }
}

/// It is about to be erased from the table.
void Retained::forget(const Entries::value_type& entry) {
  give_back(entry);
  topics_ -= entry.first.size();
}

void Retained::give_back(const Entries::value_type& entry) {
  const std::size_t bytes = bytes_of(entry);
  bytes_with(entry.second) -= bytes;
  present_ -= entry.second.message != nullptr ? 1 : 0;
  if (entry.second.place == nullptr) return;
  place_shares_.give_back(entry.second.place, 1);
  byte_shares_.give_back(entry.second.bytes, bytes);
}

void Retained::account() {
  charge_.set((topics_ + entries_.size() * cost_of_entry + marks_size_) / Charge::step * Charge::step);
}

namespace {

/// The least text behind `name` that can be, or begin, a name which the filter matches, where `name` itself is none. Nothing:
/// there is none. Behind `a/b/x`, which `a/+/c` does not match, comes `a/b0`: all names that begin with `a/b/` have been passed
/// over.
std::optional<std::string> next_candidate(std::string_view filter, std::string_view name) {
  constexpr char behind_slash = '/' + 1, behind_dollar = '$' + 1;
  if ((filter.front() == '+' || filter.front() == '#') && name.starts_with('$')) return std::string(1, behind_dollar);
  std::optional<std::size_t> taken;  // by the last '+': where its level ends in `name`
  const auto behind_taken = [&]() -> std::optional<std::string> {
    if (!taken) return std::nullopt;
    return std::string(name.substr(0, *taken)) + behind_slash;
  };
  for (std::size_t f = 0, n = 0;;) {
    const std::size_t filter_end = std::min(filter.find('/', f), filter.size()),
                      name_end = std::min(name.find('/', n), name.size());
    const std::string_view wanted = filter.substr(f, filter_end - f);
    const bool is_last = filter_end == filter.size();
    if (wanted == "+") {
      taken = name_end;
    } else if (name.substr(n, name_end - n) != wanted) {
      std::string target = std::string(name.substr(0, n)).append(wanted);
      if (target > name) return target;
      target += '/';
      if (!is_last && target > name) return target;
      return behind_taken();
    }
    if (is_last) return behind_taken();  // it has more levels than the filter
    // It has fewer; and other names that begin like it come before those below it: `a-b` before `a/b`.
    if (name_end == name.size()) return std::string(name) + char{0};
    f = filter_end + 1;
    n = name_end + 1;
  }
}

}  // namespace

bool Retained::walk(std::string_view filter, std::string& from, std::uint64_t steady, std::size_t& steps,
                    const Visit& use) const {
  for (auto at = entries_.lower_bound(from); at != entries_.end();) {
    const auto& [topic, entry] = *at;
    if (steps == 0) {
      from = topic;
      return false;
    }
    --steps;
    if (!mqtt::matches(filter, topic)) {
      const auto next = next_candidate(filter, topic);
      if (!next) return true;
      at = entries_.lower_bound(*next);
      continue;
    }
    const bool goes_on = entry.message == nullptr || entry.message->view().expires <= steady || use(entry.message, entry.order);
    if (!goes_on) {
      from = topic + char{0};  // the next name there can be
      return false;
    }
    ++at;
  }
  return true;
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
  make_room_for_marks();
  account();
  return bytes;
}

}  // namespace sealmq::broker
