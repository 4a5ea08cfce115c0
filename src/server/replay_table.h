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

  /// With so many messages remembered, or so many of one author, is_full() says so.
  ReplayTable(std::size_t most_digests, std::size_t most_of_one_author);

  Replay look(const ReplayMark& mark, Now now) const;
  /// For this author.
  bool is_full(std::string_view scheme, const Name& author) const;

  /// The author's window once `mark` is remembered.
  ReplayWindow window_after(const ReplayMark& mark) const;
  /// {0, 0} if there is none.
  ReplayWindow window(std::string_view scheme, const Name& author) const;
  void put_window(std::string_view scheme, const Name& author, ReplayWindow window);
  /// `author`: whose it is; null: nobody knows.
  void put_digest(std::string_view scheme, const Name* author, const Name& digest, std::uint64_t forget_after);

  /// Lets go of up to `at_most` messages whose time is over.
  void drop_expired(Now now, std::size_t at_most);
  std::size_t digests() const { return digest_count_; }

 private:
  /// Keyed by chance: somebody who chooses messages cannot choose where they land in the table.
  struct Hash {
    std::uint64_t key;
    std::size_t operator()(const Name& name) const;
  };
  struct Digest {
    std::uint64_t forget_after;
    std::size_t* of_author;  // how many there are; null: nobody knows whose it is
  };
  struct Scheme {
    explicit Scheme(Hash hash) : windows(16, hash), digests(16, hash), counts(16, hash) {}
    std::unordered_map<Name, ReplayWindow, Hash> windows;
    std::unordered_map<Name, Digest, Hash> digests;
    std::unordered_map<Name, std::size_t, Hash> counts;  // of each author's digests; its nodes stay where they are
  };
  struct Expiring {
    Scheme* scheme;  // nodes of a map stay where they are
    Name digest;
  };

  const Scheme* find(std::string_view scheme) const;
  Scheme& find_or_make(std::string_view scheme);

  std::size_t most_digests_, most_of_one_author_;
  std::size_t digest_count_ = 0;
  Hash hash_;
  std::map<std::string, Scheme, std::less<>> schemes_;
  std::map<std::uint64_t, std::vector<Expiring>> expiring_;  // by the second in which they may be forgotten
};

}  // namespace sealmq
