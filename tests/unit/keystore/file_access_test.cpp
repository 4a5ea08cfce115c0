#include "keystore/file_access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/temporary_folder.h"

namespace sealmq {
namespace {

TEST(PrivateFile, IsOursOrRootsOrOfWhoOwnsItsFolder) {
  constexpr unsigned root = 0, we = 1000, service = 990, stranger = 1001;
  EXPECT_TRUE(may_own_private_file(we, we, we));
  EXPECT_TRUE(may_own_private_file(root, we, we));
  EXPECT_TRUE(may_own_private_file(service, service, root));  // root works in the folder of a service
  EXPECT_FALSE(may_own_private_file(stranger, root, root));   // somebody's file in /tmp
  EXPECT_FALSE(may_own_private_file(stranger, we, we));
}

TEST(PrivateFile, OfSomebodyElseIsRefused) {
  testing::TemporaryFolder folder;
  const std::string path = folder / "secret";
  testing::write_text(path, "word\n");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(read_private_file(path, wants_password));
  constexpr uid_t stranger = 12345;
  if (::chown(path.c_str(), stranger, static_cast<gid_t>(-1)) != 0) {
    ASSERT_NE(::geteuid(), 0U);  // only root can give a file away, and others cannot read such a one at all
    return;
  }
  const auto read = read_private_file(path, wants_password);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().blame, Blame::caller_misused);
  EXPECT_NE(read.error().what.find("belongs to another user"), std::string::npos);
  ASSERT_EQ(::chown(folder.path().c_str(), stranger, static_cast<gid_t>(-1)), 0);
  EXPECT_TRUE(read_private_file(path, wants_password));

  // A folder that a group shares is of whoever made the broker's key; where everybody may write, that says nothing.
  ASSERT_EQ(::chown(folder.path().c_str(), 0, static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0770), 0);
  EXPECT_FALSE(read_private_file(path, wants_password));
  testing::write_text(folder / "broker.key", "");
  ASSERT_EQ(::chown((folder / "broker.key").c_str(), stranger, static_cast<gid_t>(-1)), 0);
  EXPECT_TRUE(read_private_file(path, wants_password));
  ASSERT_EQ(::chmod(folder.path().c_str(), 01777), 0);
  EXPECT_FALSE(read_private_file(path, wants_password));
}

}  // namespace
}  // namespace sealmq
