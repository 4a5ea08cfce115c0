// SeenFile: replay windows, in a file that is mapped into memory. What was judged is there whatever signal ends the process; a
// machine that loses its power may lose the last seconds.
//
// They are bounded for each author under each key by itself. The window that has had nothing new for longest goes, and the time
// of its newest message becomes the floor of that author and key: what comes in a window that is not known has to be later. So
// nothing comes back, and who makes up names forgets its own past alone.
//
//   "SEALMQ-SEEN-2\n" and zeros (16) | floor of all (8) | zeros, 64 bytes;  then records of 128 bytes:
//   name (32) | author (16) | key (8) | what it is (8) | highest, seen, time (24) | the same (24) | which of the two counts (8) |
//   0 (8) all in the machine's own order
#pragma once

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/descriptor.h"
#include "sealmq/topic_keys.h"

namespace sealmq {

/// One thread.
class SeenFile {
 public:
  /// Makes the file if it is missing. Errors: environment, also while another process has it.
  static Result<std::unique_ptr<SeenFile>> open(const std::string& path);
  /// Ends with the process.
  static std::unique_ptr<SeenFile> in_memory();
  ~SeenFile();
  SeenFile(const SeenFile&) = delete;
  SeenFile& operator=(const SeenFile&) = delete;

  /// As TopicKeys::judge(). Errors: environment.
  Result<Replay> judge(const TopicKeys::Seen& seen, bool& is_newest);

  struct Bounds {
    std::size_t each = 4096;            ///< windows of an author under a key
    std::size_t unstamped = 65'536;     ///< windows under a key of messages that have no author
    std::size_t everybody = 1'000'000;  ///< windows
  };
  void set_bounds(const Bounds& bounds) { bounds_ = bounds; }
  const Bounds& bounds() const { return bounds_; }

 private:
  enum class What : std::uint64_t { nothing, window, topic, floor };
  struct Values {
    std::uint64_t highest, seen, time;
  };
  /// As it lies in the file.
  struct Record {
    std::array<std::uint8_t, 32> name;
    std::array<std::uint8_t, 16> author;
    std::array<std::uint8_t, 8> key;
    What what;
    std::array<Values, 2> values;
    std::uint64_t current;
    std::uint64_t zeros;
  };
  static_assert(sizeof(Record) == 128);
  using Name = std::array<std::uint8_t, 32>;
  struct NameHash {  // names are hashes
    std::size_t operator()(const Name& name) const {
      std::size_t start = 0;
      std::memcpy(&start, name.data(), sizeof(start));
      return start;
    }
  };
  struct Owner {
    std::array<std::uint8_t, 16> author;
    std::array<std::uint8_t, 8> key;
    What what;
    auto operator<=>(const Owner&) const = default;
  };
  /// The records of an owner, the one with the earliest time in front; times that have grown since are found out when they come
  /// up.
  using Group = std::vector<std::pair<std::uint64_t, std::size_t>>;

  SeenFile(std::string path, Descriptor file);
  Result<> map(std::size_t size);
  Result<> begin_file(std::size_t size);
  void load(std::size_t records);
  Record& record(std::size_t index) const;
  static Values& values_of(Record& record) { return record.values[record.current & 1]; }
  static void set(Record& record, const Values& values);
  Record* find(const Name& name) const;
  Result<Record*> add(const Name& name, const Owner& owner, const Values& values);
  void index(std::size_t place);
  std::uint64_t bring_up_oldest(Group& group);
  void let_go(const Owner& owner);
  Result<> make_room(const Owner& owner);
  Owner fullest() const;
  std::uint64_t floor_of(const Owner& owner) const;
  Result<> raise_floor(const Owner& owner, std::uint64_t time);

  std::string path_;
  Descriptor file_;
  std::uint64_t process_;             // which alone may judge
  std::vector<std::uint8_t> memory_;  // without a file
  std::uint8_t* start_ = nullptr;
  std::size_t size_ = 0;
  std::size_t count_ = 0;  // records, free ones among them
  std::size_t windows_ = 0;
  std::vector<std::size_t> free_;
  std::unordered_map<Name, std::size_t, NameHash> places_;
  std::map<Owner, Group> groups_;
  Bounds bounds_;
};

}  // namespace sealmq
