#include "keystore/seen_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "crypto/process_mark.h"
#include "crypto/replay_window.h"

namespace sealmq {
namespace {

constexpr std::string_view mark = "SEALMQ-SEEN-2\n";
constexpr std::string_view former_mark = "SEALMQ-SEEN-1\n";
constexpr std::size_t head_size = 64;
constexpr std::size_t floor_at = 16;
constexpr std::size_t records_added = 1024;
constexpr std::uint64_t most_ahead = 5;  // seconds that a message's time may be ahead of the clock

/// What was seen is not known any more: everything until this moment may have been.
std::uint64_t floor_after(const struct stat& former) {
  return static_cast<std::uint64_t>(former.st_mtim.tv_sec) + most_ahead;
}

}  // namespace

Result<std::unique_ptr<SeenFile>> SeenFile::open(const std::string& path) {
  Descriptor file = open_or_make_file(path, O_RDWR);
  if (!file.is_open()) return fail(Blame::environment, "cannot open " + path + ": " + error_text(errno));
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0)
    return fail(Blame::environment,
                "another program reads with these topic keys, and what it has seen is not known here\nhint: a folder of its own");
  struct stat found {};
  if (::fstat(file.number(), &found) != 0) return fail(Blame::environment, "cannot read " + path);
  std::array<char, mark.size()> start{};
  const bool has_mark = ::pread(file.number(), start.data(), start.size(), 0) == static_cast<ssize_t>(start.size());
  const std::string_view its_mark(start.data(), has_mark ? start.size() : 0);
  const bool is_former = its_mark == former_mark;
  if (found.st_size != 0 && its_mark != mark && !is_former)
    return fail(Blame::environment, path + " is not what it should be, and whether messages came before cannot be told");
  if (is_former && ::ftruncate(file.number(), 0) != 0) return fail(Blame::environment, "cannot write " + path);
  std::unique_ptr<SeenFile> seen(new SeenFile(path, std::move(file)));
  const auto there = is_former ? 0 : static_cast<std::size_t>(found.st_size);
  const std::size_t whole = there < head_size ? 0 : (there - head_size) / sizeof(Record);
  TRY(seen->map(head_size + std::max(whole, records_added) * sizeof(Record)));
  if (is_former) {
    const auto floor = floor_after(found);
    std::memcpy(seen->start_ + floor_at, &floor, sizeof(floor));
  }
  std::memcpy(seen->start_, mark.data(), mark.size());
  seen->load(whole);
  return seen;
}

SeenFile::SeenFile(std::string path, Descriptor file)
    : path_(std::move(path)), file_(std::move(file)), process_(crypto::process_mark()) {}

std::unique_ptr<SeenFile> SeenFile::in_memory() {
  return std::unique_ptr<SeenFile>(new SeenFile({}, Descriptor()));
}

SeenFile::~SeenFile() {
  if (file_.is_open() && start_ != nullptr) ::munmap(start_, size_);
}

Result<> SeenFile::map(std::size_t size) {
  if (!file_.is_open()) {
    memory_.resize(size);
    start_ = memory_.data();
    size_ = size;
    return {};
  }
  if (start_ != nullptr) ::munmap(start_, size_);
  start_ = nullptr;
  // Blocks are there before they are written to, or a full disk would end the process.
  if (const int error = ::posix_fallocate(file_.number(), 0, static_cast<off_t>(size)); error != 0)
    return fail(Blame::environment, "cannot write " + path_ + ": " + error_text(error));
  void* const start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.number(), 0);
  if (start == MAP_FAILED) return fail(Blame::environment, "cannot map " + path_ + ": " + error_text(errno));
  start_ = static_cast<std::uint8_t*>(start);
  size_ = size;
  return {};
}

void SeenFile::load(std::size_t records) {
  count_ = records;
  for (std::size_t i = records; i > 0; --i) {
    if (record(i - 1).what == What::nothing)
      free_.push_back(i - 1);
    else
      index(i - 1);
  }
}

SeenFile::Record& SeenFile::record(std::size_t index) const {
  return *reinterpret_cast<Record*>(start_ + head_size + index * sizeof(Record));
}

/// The other copy first, then the word that says which one counts: at no moment is there half of one.
void SeenFile::set(Record& record, const Values& values) {
  const std::uint64_t next = 1 - (record.current & 1);
  record.values[next] = values;
  std::atomic_ref<std::uint64_t>(record.current).store(next, std::memory_order_release);
}

SeenFile::Record* SeenFile::find(const Name& name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : &record(place->second);
}

void SeenFile::index(std::size_t place) {
  Record& its = record(place);
  places_[its.name] = place;
  if (its.what == What::floor) return;
  if (its.what == What::window) ++windows_;
  Group& group = groups_[{its.author, its.key, its.what}];
  group.emplace_back(values_of(its).time, place);
  std::ranges::push_heap(group, std::greater());
}

Result<SeenFile::Record*> SeenFile::add(const Name& name, const Owner& owner, const Values& values) {
  if (free_.empty()) {
    if (head_size + (count_ + 1) * sizeof(Record) > size_) TRY(map(std::max(size_, head_size) + records_added * sizeof(Record)));
    free_.push_back(count_++);
  }
  const std::size_t place = free_.back();
  free_.pop_back();
  Record& its = record(place);
  its.name = name;
  its.author = owner.author;
  its.key = owner.key;
  its.values[0] = values;
  its.current = 0;
  its.zeros = 0;
  static_assert(sizeof(its.what) == 8);
  std::atomic_ref<What>(its.what).store(owner.what, std::memory_order_release);  // until then there is nothing here
  index(place);
  return &its;
}

// -- bounds

/// Answers the time of the window that is now in front.
std::uint64_t SeenFile::bring_up_oldest(Group& group) {
  for (;;) {
    const auto [time, place] = group.front();
    const std::uint64_t present = values_of(record(place)).time;
    if (present == time) return time;
    std::ranges::pop_heap(group, std::greater());
    group.back().first = present;
    std::ranges::push_heap(group, std::greater());
  }
}

void SeenFile::let_go(const Owner& owner) {
  Group& group = groups_[owner];
  bring_up_oldest(group);
  std::ranges::pop_heap(group, std::greater());
  const std::size_t place = group.back().second;
  group.pop_back();
  if (group.empty()) groups_.erase(owner);
  Record& its = record(place);
  std::atomic_ref<What>(its.what).store(What::nothing, std::memory_order_release);
  places_.erase(its.name);
  if (owner.what == What::window) --windows_;
  free_.push_back(place);
}

namespace {

/// Under which the floor of an owner is kept: no window's name, since those are hashes of something else.
std::array<std::uint8_t, 32> floor_name(Bytes author, Bytes key) {
  Buffer named = to_buffer(as_bytes("floor"));
  append(named, author);
  append(named, key);
  return crypto::sha256(named);
}

}  // namespace

std::uint64_t SeenFile::floor_of(const Owner& owner) const {
  std::uint64_t of_all = 0;
  if (start_ != nullptr) std::memcpy(&of_all, start_ + floor_at, sizeof(of_all));
  Record* const its = find(floor_name(owner.author, owner.key));
  return its == nullptr ? of_all : std::max(of_all, values_of(*its).time);
}

Result<> SeenFile::raise_floor(const Owner& owner, std::uint64_t time) {
  if (time <= floor_of(owner)) return {};
  const Name name = floor_name(owner.author, owner.key);
  if (Record* its = find(name)) {
    set(*its, {0, 0, time});
    return {};
  }
  TRY(add(name, {owner.author, owner.key, What::floor}, {0, 0, time}));
  return {};
}

/// Of all who have windows, the author with most of them; of those the one whose oldest is oldest.
SeenFile::Owner SeenFile::fullest() const {
  std::map<std::array<std::uint8_t, 16>, std::size_t> sizes;
  for (const auto& [owner, group] : groups_)
    if (owner.what == What::window) sizes[owner.author] += group.size();
  const auto most = std::ranges::max_element(sizes, {}, [](const auto& its) { return its.second; });
  const auto* oldest = &*groups_.begin();
  std::uint64_t its_time = UINT64_MAX;
  for (const auto& entry : groups_) {
    if (entry.first.what != What::window || entry.first.author != most->first) continue;
    std::uint64_t time = UINT64_MAX;
    for (const auto& [pushed, place] : entry.second) time = std::min(time, values_of(record(place)).time);
    if (time <= its_time) {
      its_time = time;
      oldest = &entry;
    }
  }
  return oldest->first;
}

Result<> SeenFile::make_room(const Owner& owner) {
  const bool is_window = owner.what == What::window;
  const std::size_t most = owner.author == decltype(owner.author){} ? bounds_.unstamped : bounds_.each;
  const auto give_up = [&](const Owner& whose) -> Result<> {
    if (whose.what == What::window) TRY(raise_floor(whose, bring_up_oldest(groups_[whose])));
    let_go(whose);
    return {};
  };
  if (const auto group = groups_.find(owner); group != groups_.end() && group->second.size() >= most) TRY(give_up(owner));
  if (is_window && windows_ >= bounds_.everybody) TRY(give_up(fullest()));
  return {};
}

// -- judging

Result<Replay> SeenFile::judge(const TopicKeys::Seen& seen, bool& is_newest) {
  is_newest = false;
  if (file_.is_open() && start_ == nullptr) return fail(Blame::environment, path_ + " cannot be written");
  if (crypto::process_mark() != process_) return fail(Blame::environment, "what was seen belongs to the process that forked");
  Owner owner{{}, seen.key, What::window};
  std::copy_n(seen.author.begin(), owner.author.size(), owner.author.begin());
  Record* its = find(seen.window);
  if (its == nullptr) {
    if (seen.time <= floor_of(owner)) return Replay::stale;
    TRY(make_room(owner));
    // Where something was let go, this may be a window that was: what stood below this number is not known any more.
    const bool may_be_known = floor_of(owner) > 0 && seen.number > 0;
    auto window = may_be_known ? crypto::ReplayWindow::above(seen.number - 1) : crypto::ReplayWindow();
    (void)window.judge(seen.number);
    TRY(add(seen.window, owner, {window.highest(), window.seen(), seen.time}));
  } else {
    const Values values = values_of(*its);
    crypto::ReplayWindow known(values.highest, values.seen);
    const auto replay = known.judge(seen.number);
    const Record* const topic = find(seen.topic);
    is_newest = seen.number == known.highest() && topic != nullptr && seen.time >= topic->values[topic->current & 1].time;
    if (replay != Replay::fresh) return replay;
    set(*its, {known.highest(), known.seen(), std::max(values.time, seen.time)});
  }
  its = find(seen.window);
  is_newest = values_of(*its).highest == seen.number;
  if (Record* topic = find(seen.topic)) {
    is_newest = is_newest && seen.time >= values_of(*topic).time;
    if (seen.time > values_of(*topic).time) set(*topic, {0, 0, seen.time});
  } else {
    owner.what = What::topic;
    TRY(make_room(owner));
    TRY(add(seen.topic, owner, {0, 0, seen.time}));
  }
  return Replay::fresh;
}

}  // namespace sealmq
