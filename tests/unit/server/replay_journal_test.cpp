// The journal of replays on a disk that takes half a record and does not let it be taken back.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "server/replay_memory.h"
#include "support/temporary_folder.h"

/// In the place of the C library's.
static bool refuses_to_cut = false;
extern "C" __attribute__((visibility("default"))) int ftruncate(int file, off_t size) noexcept {
  if (refuses_to_cut) return errno = EIO, -1;
  return static_cast<int>(::syscall(SYS_ftruncate, file, size));
}

namespace sealmq {
namespace {

constexpr Now noon{1'000'000, 1'800'000'000'000};

ReplayMark mark(std::uint8_t number) {
  ReplayMark made;
  made.scheme = "one";
  made.author.fill(7);
  made.digest.fill(number);
  made.forget_after = noon.wall + 60'000;
  return made;
}

/// Files may not become larger than that.
class Full {
 public:
  explicit Full(std::uintmax_t size) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit less{size, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &less);
  }
  ~Full() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(ReplayJournal, WhatStandsBehindATornRecordIsReadBack) {
  testing::TemporaryFolder folder;
  const std::string path = folder / "sessions.db", journal = path + ".replays-0";
  {
    const auto memory = open_replay_memory(path).value();
    ASSERT_EQ(memory->judge(mark(1), noon).value(), Replay::fresh);
    const auto size = std::filesystem::file_size(journal);
    refuses_to_cut = true;
    {
      const Full full(size + 10);
      EXPECT_FALSE(memory->judge(mark(2), noon)) << "half of it was written";
    }
    ASSERT_GT(std::filesystem::file_size(journal), size) << "and is still there";
    EXPECT_FALSE(memory->judge(mark(2), noon)) << "nothing is accepted that would not be read back";
    refuses_to_cut = false;
    EXPECT_EQ(memory->judge(mark(2), noon).value(), Replay::fresh);
    EXPECT_EQ(memory->judge(mark(3), noon).value(), Replay::fresh);
  }
  const auto memory = open_replay_memory(path).value();
  for (std::uint8_t number = 1; number <= 3; ++number)
    EXPECT_EQ(memory->judge(mark(number), noon).value(), Replay::repeat) << int{number};
}

}  // namespace
}  // namespace sealmq
