// Retained messages: the last one of each topic (MQTT 5 section 3.3.1.3).
//
// Every shard holds them all (the messages themselves are shared). Which of two is later is decided by their stamps, not by the
// order in which they reach a shard, so that all shards come to hold the same; an erasure stays behind as a mark for a while.
// Marks are many at most, and the oldest make room. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "base/shares.h"
#include "broker/message.h"

namespace sealmq::broker {

class Retained {
 public:
  /// At most so many, in so many bytes, and as many marks in an eighth of them. `budget`: counts the tables; the messages count
  /// themselves.
  explicit Retained(std::size_t limit, std::size_t most_bytes = SIZE_MAX, Budget* budget = nullptr)
      : limit_(limit), most_bytes_(most_bytes), charge_(budget) {}

  /// Whether a message of this Message::size() may be stored. To be asked where a message comes in, so that all shards
  /// store the same.
  /// `party`: who takes the place.
  bool has_room(std::string_view topic, std::size_t size, std::string_view party) const;
  bool holds(std::string_view topic) const;
  /// It would take the place of one that is no smaller.
  bool replaces(std::string_view topic, std::size_t size) const;
  /// An empty payload erases. `party`: whose share it takes; empty: nobody's, it came in elsewhere.
  void store(const std::shared_ptr<const Message>& message, std::uint64_t steady, std::string_view party = {});

  /// Says how late something was stored here; rises with each.
  using Order = std::uint64_t;
  Order latest() const { return latest_; }

  /// Walks through those that the filter matches and that have not expired, in the order of their topics, until `use` answers
  /// false or so many entries have been looked at: `steps` are counted down. True: there are no more. False: `from`, which is
  /// empty at first, tells where to go on; what has been stored or erased by then makes no difference to the rest.
  using Visit = std::function<bool(const std::shared_ptr<const Message>& message, Order order)>;
  bool walk(std::string_view filter, std::string& from, std::uint64_t steady, std::size_t& steps, const Visit& use) const;

  using Use = std::function<void(const Message&)>;
  /// Erases those of an author, and calls `erased` for each.
  void erase_of(std::string_view author, const Use& erased);
  /// Forgets what expired, and old marks of erasures; answers the bytes of those that stay.
  std::size_t tick(std::uint64_t steady, const Use& expired);

  std::size_t size() const { return present_; }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::uint64_t erasure_remembered = 10'000;  // ms; messages between shards take microseconds

  struct Entry {
    Order order = 0;
    std::uint64_t stamp = 0;
    std::shared_ptr<const Message> message;  // null: erased
    std::uint64_t forget = 0;                // steady; of an erasure
    Shares::Entry* place = nullptr;          // of whose share it is one; null: nobody's
    Shares::Entry* bytes = nullptr;          // likewise, bytes_of() the entry
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  static std::size_t bytes_of(std::string_view topic, std::size_t message);
  static std::size_t bytes_of(const Entries::value_type& entry);
  void forget(const Entries::value_type& entry);
  /// Its message is about to go.
  void give_back(const Entries::value_type& entry);
  /// To `bytes_` or `mark_bytes_`, whichever it is.
  std::size_t& bytes_with(const Entry& entry) { return entry.message != nullptr ? bytes_ : mark_bytes_; }
  void make_room_for_marks();
  void account();

  Entries entries_;
  const std::size_t limit_;
  const std::size_t most_bytes_;
  Order latest_ = 0;
  std::size_t present_ = 0;
  std::size_t bytes_ = 0;                                    // of those that are present,
  std::size_t mark_bytes_ = 0;                               // and of marks
  std::deque<std::pair<std::string, std::uint64_t>> marks_;  // with their stamps, the oldest first; some have gone meanwhile
  std::size_t marks_size_ = 0;                               // of these, in bytes
  std::size_t topics_ = 0;                                   // bytes of their names
  Shares place_shares_, byte_shares_;
  Charge charge_;
};

}  // namespace sealmq::broker
