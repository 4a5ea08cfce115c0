#include "sealmq/secret.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <concepts>
#include <cstdio>
#include <fstream>
#include <thread>

#include "base/secret_memory.h"

using namespace sealmq;

static_assert(!std::copyable<Secret>);
static_assert(!std::equality_comparable<Secret>);
static_assert(std::movable<Secret>);

TEST(Secret, HoldsACopyOfWhatItWasGiven) {
  Buffer bytes = {1, 2, 3};
  Secret secret{Bytes(bytes)};
  bytes[0] = 9;
  EXPECT_EQ(to_buffer(secret.reveal()), (Buffer{1, 2, 3}));
  EXPECT_EQ(secret.size(), 3U);
}

TEST(Secret, LeavesNoCopyInABufferThatIsHandedOver) {
  Buffer small = {1, 2, 3};
  const auto* where = small.data();
  const Secret secret(std::move(small));
  EXPECT_EQ(to_buffer(secret.reveal()), (Buffer{1, 2, 3}));
  EXPECT_EQ(to_buffer({where, 3}), (Buffer{0, 0, 0}));  // the buffer still has its memory
  Buffer large(largest_in_secret_memory + 1, 7);
  where = large.data();
  const Secret message(std::move(large));
  EXPECT_EQ(message.reveal().data(), where);
}

/// What the system says of the pages at an address: "rd wr mr mw me lo dd …".
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long first = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &first, &end) == 2)
      is_it = first <= reinterpret_cast<unsigned long>(address) && reinterpret_cast<unsigned long>(address) < end;
    else if (is_it && line.starts_with("VmFlags:"))
      return line + " ";
  }
  return "no such pages";
}

TEST(Secret, LiesInPagesThatAreNeitherDumpedNorSwapped) {
  std::vector<Secret> kept;
  for (std::size_t size : {1, 16, 17, 32, 33, 64, 500, 1024}) kept.emplace_back(Bytes(Buffer(size, 5)));
  for (const Secret& secret : kept) EXPECT_NE(flags_of(secret.reveal().data()).find(" dd "), std::string::npos) << secret.size();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which make nothing of mlock()
  rlimit most{};
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &most), 0);
  if (most.rlim_cur < 1024 * 1024) return;  // the system lets nobody keep as much
  EXPECT_NE(flags_of(kept.front().reveal().data()).find(" lo "), std::string::npos);
#endif
}

TEST(Secret, SharesItsPagesWithoutMixingThingsUp) {
  std::vector<Secret> kept;
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 3000; ++i) kept.emplace_back(Bytes(Buffer(1 + i % 200, static_cast<std::uint8_t>(i))));
    for (std::size_t i = 0; i < kept.size(); ++i)
      for (std::uint8_t byte : kept[i].reveal()) ASSERT_EQ(byte, static_cast<std::uint8_t>(i % 3000)) << i;
    kept.erase(kept.begin(), kept.begin() + 3000);
  }
}

TEST(Secret, IsAtHandInAChildProcessWhateverOtherThreadsDo) {
  std::atomic<bool> over = false;
  std::jthread other([&] {
    while (!over) Secret{Buffer{1, 2, 3}};
  });
  for (int i = 0; i < 50; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);
      const Secret own{Buffer{1, 2, 3}};
      ::_exit(own.size() == 3 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  over = true;
}

TEST(ProtectProcess, LeavesNoCoreAndLetsNobodyLookIn) {
  const pid_t child = ::fork();
  if (child == 0) {
    protect_process();
    rlimit core{1, 1};
    const bool has_none = ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0;
#ifdef __SANITIZE_ADDRESS__
    ::_exit(has_none ? 0 : 1);
#else
    ::_exit(has_none && ::prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1);
#endif
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Secret, IsEmptyAfterAMove) {
  Secret first(Buffer{1, 2, 3});
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT: the state after a move is what is tested
  Secret third;
  third = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT
  EXPECT_EQ(to_buffer(third.reveal()), (Buffer{1, 2, 3}));
}

TEST(Secret, SurvivesAMoveToItself) {
  Secret secret(Buffer{1, 2, 3});
  Secret& alias = secret;
  secret = std::move(alias);
  EXPECT_EQ(secret.size(), 3U);
}

TEST(Wipe, OverwritesEveryByteAndNothingElse) {
  Buffer bytes = {1, 2, 3, 4};
  wipe(bytes.data() + 1, 2);
  EXPECT_EQ(bytes, (Buffer{1, 0, 0, 4}));
  wipe(nullptr, 0);
}

TEST(Same, ComparesLengthAndEveryBit) {
  const Buffer reference = {0x00, 0x55, 0xFF};
  EXPECT_TRUE(same(reference, Buffer{0x00, 0x55, 0xFF}));
  EXPECT_TRUE(same({}, {}));
  EXPECT_FALSE(same(reference, Buffer{0x00, 0x55}));
  EXPECT_FALSE(same(reference, Buffer{0x00, 0x55, 0xFF, 0x00}));
  for (std::size_t bit = 0; bit < 24; ++bit) {
    Buffer other = reference;
    other[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(same(reference, other)) << "bit " << bit;
  }
}
