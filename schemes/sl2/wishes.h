// What a client wants to receive, and when it has to ask: on each connection, again when no answer comes, and for a new key
// before the old one has served its time.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "schemes/sl2/sl2.h"

namespace sealmq::sl2 {

/// `Key`: what opens the frames of one subscription. An old one is kept beside its successor: frames may still be on their way.
template <class Key>
class Wishes {
 public:
  struct Wish {
    enum class State : std::uint8_t { ToAsk, ExpectAnswer, Granted };
    std::string filter;
    State state = State::ToAsk;
    std::uint64_t since = 0;  ///< steady
    bool was_granted = false;
    std::vector<Key> keys{};  ///< the newest last
  };

  /// Keys end with their connection.
  void connected() {
    for (auto& wish : wishes_) {
      wish.keys.clear();
      wish.state = Wish::State::ToAsk;
    }
  }

  void add(std::string_view filter) {
    if (Wish* known = find(filter))
      known->state = Wish::State::ToAsk;
    else
      wishes_.push_back({.filter = std::string(filter)});
  }
  void remove(std::string_view filter) {
    std::erase_if(wishes_, [&](const Wish& wish) { return wish.filter == filter; });
  }

  /// Whose turn it is to be asked for, if any.
  Wish* due(Now now) {
    auto found = std::ranges::find_if(wishes_, [&](const Wish& wish) {
      switch (wish.state) {
        case Wish::State::ToAsk:
          return true;
        case Wish::State::ExpectAnswer:
          return now.steady >= wish.since + answer_within;
        default:
          return now.steady >= wish.since + renewed_after || wish.keys.back().frames() >= key_frames / 2;
      }
    });
    return found == wishes_.end() ? nullptr : &*found;
  }
  void asked(Wish& wish, Key key, Now now) {
    if (wish.keys.size() == keys_kept) wish.keys.erase(wish.keys.begin());
    wish.keys.push_back(std::move(key));
    wish.state = Wish::State::ExpectAnswer;
    wish.since = now.steady;
  }
  void granted(Wish& wish, Now now) {
    wish.state = Wish::State::Granted;
    wish.since = now.steady;
    wish.was_granted = true;
  }
  /// One that was granted once is asked for again when the time for an answer is over.
  void refused(std::string_view filter) {
    if (const Wish* wish = find(filter); wish != nullptr && !wish->was_granted) remove(filter);
  }

  Wish* find(std::string_view filter) {
    auto found = std::ranges::find(wishes_, filter, &Wish::filter);
    return found == wishes_.end() ? nullptr : &*found;
  }
  std::vector<Wish>& all() { return wishes_; }

 private:
  static constexpr std::uint64_t answer_within = 10'000;
  static constexpr std::uint64_t renewed_after = key_life / 6 * 5;
  static constexpr std::size_t keys_kept = 2;

  std::vector<Wish> wishes_;
};

}  // namespace sealmq::sl2
