// AuthorMemory: what a subscriber remembers of each author's topics, to tell what it has seen from what is new. Bounded for each
// author by itself: whoever publishes to more topics than that forgets its own past alone. One thread.
//
// What was let go cannot come back: its highest number becomes the author's floor, and a topic that is not known (any more)
// begins above it. The numbers of an author rise over all its topics.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crypto/hash.h"
#include "schemes/malina/signature.h"

namespace sealmq::malina {

/// `Window` begins as Window(), or as Window::above() of what was let go; it tells its highest() number.
template <class Window>
class AuthorMemory {
 public:
  struct Bounds {
    std::size_t each = 65'536;          ///< topics of one author
    std::size_t everybody = 1'000'000;  ///< ... of all
  };
  AuthorMemory() : AuthorMemory(Bounds{}) {}
  explicit AuthorMemory(const Bounds& bounds) : bounds_(bounds) {}

  /// Where `number`, which `author` has signed, is to be judged; valid until the next call. Null: it is older than what was let
  /// go, in a topic that is not known. To be asked only about what has been verified.
  Window* find(const Id& author, std::string_view topic, std::uint64_t number) {
    Author& its = authors_[author];
    const Name name = name_of(topic);
    if (const auto known = its.windows.find(name); known != its.windows.end()) return &known->second;
    if (its.has_floor && number <= its.floor) return nullptr;
    if (its.windows.size() >= bounds_.each) let_go(its);
    if (count_ >= bounds_.everybody) let_go(fullest());
    ++count_;
    return &its.windows.try_emplace(name, its.has_floor ? Window::above(its.floor) : Window()).first->second;
  }
  std::size_t size() const { return count_; }

 private:
  using Name = std::array<std::uint8_t, 16>;
  struct NameHash {
    std::size_t operator()(const Name& name) const {  // a hash already
      std::size_t start = 0;
      std::memcpy(&start, name.data(), sizeof(start));
      return start;
    }
  };
  struct Author {
    std::unordered_map<Name, Window, NameHash> windows;
    bool has_floor = false;
    std::uint64_t floor = 0;
  };

  static Name name_of(std::string_view topic) {
    const auto digest = crypto::sha256(as_bytes(topic));
    Name name;
    std::copy_n(digest.begin(), name.size(), name.begin());
    return name;
  }

  Author& fullest() {
    const auto size = [](const auto& entry) { return entry.second.windows.size(); };
    return std::ranges::max_element(authors_, {}, size)->second;
  }

  /// The oldest eighth, so that room is not made for each message.
  void let_go(Author& its) {
    std::vector<std::uint64_t> numbers;
    numbers.reserve(its.windows.size());
    for (const auto& [name, window] : its.windows) numbers.push_back(window.highest());
    const auto last = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 8);
    std::ranges::nth_element(numbers, last);
    its.floor = its.has_floor ? std::max(its.floor, *last) : *last;
    its.has_floor = true;
    count_ -= std::erase_if(its.windows, [&](const auto& entry) { return entry.second.highest() <= its.floor; });
  }

  Bounds bounds_;
  std::map<Id, Author> authors_;
  std::size_t count_ = 0;
};

}  // namespace sealmq::malina
