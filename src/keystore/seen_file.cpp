#include "keystore/seen_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error_text.h"
#include "base/try.h"
#include "crypto/replay_window.h"

namespace sealmq {
namespace {

constexpr std::string_view mark = "SEALMQ-SEEN-1\n";
constexpr std::size_t head_size = 64;
constexpr std::size_t name_size = 32;
constexpr std::size_t record_size = 72;
constexpr std::size_t records_added = 1024;
constexpr std::size_t most_records = 1'000'000;

/// Of the parts of a record, after its name.
std::uint64_t* words(std::uint8_t* record) {
  return reinterpret_cast<std::uint64_t*>(record + name_size);
}

bool is_used(const std::uint8_t* record) {
  static constexpr std::array<std::uint8_t, name_size> none{};
  return std::memcmp(record, none.data(), name_size) != 0;
}

}  // namespace

Result<std::unique_ptr<SeenFile>> SeenFile::open(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail(Blame::environment, "cannot open " + path + ": " + error_text(errno));
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0)
    return fail(Blame::environment,
                "another program reads with these topic keys, and what it has seen is not known here\nhint: a folder of its own");
  struct stat found {};
  if (::fstat(file.number(), &found) != 0) return fail(Blame::environment, "cannot read " + path);
  std::unique_ptr<SeenFile> seen(new SeenFile(path, std::move(file)));
  const auto there = static_cast<std::size_t>(found.st_size);
  const std::size_t whole = there < head_size ? 0 : (there - head_size) / record_size;
  TRY(seen->map(head_size + std::max(whole, records_added) * record_size));
  const bool is_new = there == 0;
  if (is_new) std::memcpy(seen->start_, mark.data(), mark.size());
  if (std::memcmp(seen->start_, mark.data(), mark.size()) != 0)
    return fail(Blame::environment, path + " is not what it should be, and whether messages came before cannot be told");
  for (std::size_t i = 0; i < whole && is_used(seen->record(i)); ++i) {
    seen->places_[std::string(reinterpret_cast<const char*>(seen->record(i)), name_size)] = i;
    seen->count_ = i + 1;
  }
  return seen;
}

SeenFile::~SeenFile() {
  if (start_ != nullptr) ::munmap(start_, size_);
}

Result<> SeenFile::map(std::size_t size) {
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

std::uint8_t* SeenFile::record(std::size_t index) const {
  return start_ + head_size + index * record_size;
}

Result<Replay> SeenFile::judge(const std::array<std::uint8_t, 32>& window, std::uint64_t number, bool& is_newest) {
  const auto [place, is_new] = places_.try_emplace(std::string(window.begin(), window.end()), count_);
  if (is_new) {
    auto room = [&]() -> Result<> {
      if (count_ >= most_records) return fail(Blame::environment, path_ + " is full");
      if (head_size + (count_ + 1) * record_size > size_) return map(size_ + records_added * record_size);
      return {};
    }();
    if (!room || start_ == nullptr) {
      places_.erase(place);
      return room ? fail(Blame::environment, path_ + " cannot be written") : Failure(std::move(room).error());
    }
    std::memcpy(record(count_), window.data(), window.size());
    ++count_;
  }
  if (start_ == nullptr) return fail(Blame::environment, path_ + " cannot be written");
  std::uint64_t* const its = words(record(place->second));
  const std::uint64_t current = its[4] & 1;
  crypto::ReplayWindow known(its[2 * current], its[2 * current + 1]);
  const auto replay = known.judge(number);
  is_newest = number == known.highest();
  if (replay == Replay::fresh) {
    // The other copy first, then the word that says which one counts: at no moment is there half of one.
    its[2 * (1 - current)] = known.highest();
    its[2 * (1 - current) + 1] = known.seen();
    std::atomic_ref<std::uint64_t>(its[4]).store(1 - current, std::memory_order_release);
  }
  return replay;
}

}  // namespace sealmq
