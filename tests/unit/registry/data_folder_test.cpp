#include "registry/data_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::mode_of;
using testing::TemporaryFolder;

TEST(DataFolder, IsMadeForTheOwnerOnly) {
  const TemporaryFolder parent;
  const auto folder = open_data_folder(parent / "data");
  ASSERT_TRUE(folder) << folder.error().what;
  EXPECT_EQ(mode_of(parent / "data"), 0700U);
  EXPECT_EQ(folder->registry(), parent / "data/registry.db");
  EXPECT_TRUE(open_data_folder(parent / "data"));
}

TEST(DataFolder, IsNotMadeByCommandsThatNeedOne) {
  const TemporaryFolder parent;
  const auto folder = find_data_folder(parent / "data");
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().blame, Blame::environment);
  EXPECT_FALSE(std::filesystem::exists(parent / "data"));
}

TEST(DataFolder, IsNotAFile) {
  const TemporaryFolder parent;
  testing::write_text(parent / "data", "");
  EXPECT_FALSE(open_data_folder(parent / "data"));
}

TEST(DataFolderLock, ShowsThatABrokerRuns) {
  const TemporaryFolder parent;
  const DataFolder folder{parent.path()};
  EXPECT_FALSE(broker_runs(folder));
  {
    const auto lock = lock_data_folder(folder);
    ASSERT_TRUE(lock) << lock.error().what;
    EXPECT_TRUE(broker_runs(folder));
    EXPECT_TRUE(broker_runs(folder)) << "looking must not take the lock";
    EXPECT_FALSE(lock_data_folder(folder));
  }
  EXPECT_FALSE(broker_runs(folder));
  EXPECT_TRUE(lock_data_folder(folder));
}

TEST(DataFolderLock, IsSeenByOtherProcessesAndEndsWithItsOwn) {
  const TemporaryFolder parent;
  const DataFolder folder{parent.path()};
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const auto child = ::fork();
  if (child == 0) {
    const auto lock = lock_data_folder(folder);
    const char answer = lock ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) == 1) ::pause();
    ::_exit(1);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_TRUE(broker_runs(folder));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(broker_runs(folder));
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace sealmq
