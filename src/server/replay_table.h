// ReplayTable: the rules of ReplayMemory, in memory. One thread at a time.
#pragma once

#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "sealmq/ports.h"

namespace sealmq {

/// The last 64 numbers of one author, so that messages may overtake each other a little on their way.
struct ReplayWindow {
  std::uint64_t highest = 0;
  std::uint64_t used = 0;  ///< bit i stands for the number highest - i

  /// What the first message of an author makes of it; any number will do.
  static ReplayWindow starting_with(std::uint64_t sequence) { return {sequence, 1}; }
  bool accepts(std::uint64_t sequence) const;
  /// `sequence` has been accepted.
  void use(std::uint64_t sequence);
  bool operator==(const ReplayWindow&) const = default;
};

class ReplayTable {
 public:
  using Name = std::array<std::uint8_t, 32>;  ///< of an author or of a message

  /// At most so many messages, of which authors have Shares.
  explicit ReplayTable(std::size_t most_digests);
  void set_most(std::size_t most_digests) { most_digests_ = most_digests; }

  Replay look(const ReplayMark& mark, Now now) const;
  bool has_room_for(const Name& author) const;

  /// The author's window once `mark` is remembered.
  ReplayWindow window_after(const ReplayMark& mark) const;
  /// {0, 0} if there is none.
  ReplayWindow window(std::string_view scheme, const Name& author) const;
  void put_window(std::string_view scheme, const Name& author, ReplayWindow window);
  /// Without an author it counts for nobody.
  void put_digest(std::string_view scheme, const Name& digest, std::uint64_t forget_after, const Name* author = nullptr);

  /// Lets go of up to `at_most` messages whose time was over at this wall time.
  void drop_expired(std::uint64_t wall, std::size_t at_most);
  std::size_t digests() const { return digest_count_; }
  /// An estimate.
  std::size_t bytes() const { return digest_count_ * cost_of_digest + window_count_ * cost_of_window; }

  static constexpr std::size_t cost_of_digest = 160, cost_of_window = 120;

 private:
  /// Keyed by chance: somebody who chooses messages cannot choose where they land in the table.
  struct Hash {
    std::uint64_t key;
    std::size_t operator()(const Name& name) const;
  };
  using ByAuthor = std::unordered_map<Name, std::size_t, Hash>;
  struct Digest {
    std::uint64_t forget_after;
    ByAuthor::value_type* share;  // of its author; null: of nobody
  };
  struct Scheme {
    explicit Scheme(Hash hash) : windows(16, hash), digests(16, hash) {}
    std::unordered_map<Name, ReplayWindow, Hash> windows;
    std::unordered_map<Name, Digest, Hash> digests;
  };
  struct Expiring {
    Scheme* scheme;  // nodes of a map stay where they are
    Name digest;
  };

  const Scheme* find(std::string_view scheme) const;
  Scheme& find_or_make(std::string_view scheme);

  std::size_t most_digests_;
  std::size_t digest_count_ = 0;
  std::size_t window_count_ = 0;
  Hash hash_;
  ByAuthor shares_;  // messages of each author
  std::map<std::string, Scheme, std::less<>> schemes_;
  std::map<std::uint64_t, std::vector<Expiring>> expiring_;  // by the second in which they may be forgotten
};

}  // namespace sealmq
