// What only keys in files can do wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "crypto/random.h"
#include "sealmq/keystore.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::mode_of;
using testing::read_text;
using testing::write_text;

class FileKeys : public ::testing::Test {
 protected:
  Result<PublicIdentity> create() { return create_key_files("boiler-7", Kind::device, key_, pub_, random_); }
  PublicIdentity created() { return create().value(); }

  testing::TemporaryFolder folder_;
  crypto::OsRandom random_;
  const std::string key_ = folder_ / "boiler-7.key";
  const std::string pub_ = folder_ / "boiler-7.pub";
};

void expect_misuse(const auto& result, std::string_view because) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().blame, Blame::caller_misused);
  EXPECT_NE(result.error().what.find(because), std::string::npos) << result.error().what;
}

TEST_F(FileKeys, AreForTheOwnerOnlyWhateverTheUmask) {
  const auto before = ::umask(0);
  created();
  ASSERT_TRUE(open_key_file(key_, random_).value()->sequence().next());
  ::umask(before);
  EXPECT_EQ(mode_of(key_), 0600U);
  EXPECT_EQ(mode_of(key_ + ".sequence"), 0600U);
}

TEST_F(FileKeys, HoldTheIdentityThatWasPublished) {
  const auto identity = created();
  EXPECT_EQ(read_public_identity(pub_).value(), identity);
  EXPECT_EQ(open_key_file(key_, random_).value()->identity(), identity);
  EXPECT_NE(read_text(key_).find(fingerprint(identity.keys)), std::string::npos);
}

TEST_F(FileKeys, AreNeverOverwritten) {
  created();
  const auto before = read_text(key_);
  expect_misuse(create(), "is there already");
  std::filesystem::remove(pub_);
  expect_misuse(create(), "boiler-7.key is there already");
  EXPECT_EQ(read_text(key_), before);
  EXPECT_FALSE(std::filesystem::exists(pub_));
}

TEST_F(FileKeys, NeverOverwriteAPublicFileEither) {
  write_text(pub_, "somebody else's");
  expect_misuse(create(), "boiler-7.pub is there already");
  EXPECT_EQ(read_text(pub_), "somebody else's");
  EXPECT_FALSE(std::filesystem::exists(key_));
}

TEST_F(FileKeys, AreNotWrittenThroughALink) {
  std::filesystem::create_symlink(folder_ / "elsewhere", key_);
  expect_misuse(create(), "is there already");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "elsewhere"));
}

TEST_F(FileKeys, LeaveNoPrivateKeyWhenThePublicOneCannotBeWritten) {
  const auto result = create_key_files("boiler-7", Kind::device, key_, folder_ / "missing/boiler-7.pub", random_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().blame, Blame::environment);
  EXPECT_FALSE(std::filesystem::exists(key_));
}

TEST_F(FileKeys, AreRefusedWhenOthersCanGetAtThem) {
  created();
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0777U}) {
    ::chmod(key_.c_str(), mode);
    expect_misuse(open_key_file(key_, random_), "chmod 600 " + key_);
  }
  ::chmod(key_.c_str(), 0400);
  EXPECT_TRUE(open_key_file(key_, random_));
}

TEST_F(FileKeys, RefuseANameWithAWildcard) {
  expect_misuse(create_key_files("plant/#", Kind::device, key_, pub_, random_), "a name is");
  EXPECT_FALSE(std::filesystem::exists(key_));
}

TEST_F(FileKeys, TellAMissingFileFromABadOne) {
  EXPECT_EQ(open_key_file(key_, random_).error().blame, Blame::environment);
  EXPECT_EQ(read_public_identity(pub_).error().blame, Blame::environment);
  created();
  write_text(key_, "nonsense");
  expect_misuse(open_key_file(key_, random_), key_ + ": not a sealmq key file");
  write_text(pub_, "nonsense");
  expect_misuse(read_public_identity(pub_), pub_ + ": not a public identity");
}

TEST_F(FileKeys, RefuseFoldersPipesAndHugeFiles) {
  ::mkdir(key_.c_str(), 0700);
  expect_misuse(open_key_file(key_, random_), "is not a file");
  const auto pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_misuse(open_key_file(pipe, random_), "is not a file");
  const auto huge = folder_ / "huge";
  write_text(huge, std::string(1 << 20, '#'));
  ::chmod(huge.c_str(), 0600);
  expect_misuse(open_key_file(huge, random_), "too long");
}

TEST_F(FileKeys, ContinueTheirSequenceWhenOpenedAgain) {
  created();
  const auto last = open_key_file(key_, random_).value()->sequence().next().value();
  EXPECT_EQ(open_key_file(key_, random_).value()->sequence().next().value(), last + 1);
}

}  // namespace
}  // namespace sealmq
