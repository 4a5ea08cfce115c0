// The claim: under one topic key no name and number comes twice, whatever was copied.
#include "keystore/sender_names.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "crypto/channel.h"
#include "crypto/process_mark.h"
#include "crypto/random.h"
#include "sealmq/keystore.h"
#include "support/in_child.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using testing::in_child;
using Used = std::set<std::pair<SenderName, std::uint64_t>>;
constexpr TopicKeyId key = {1, 2, 3};

std::string name_of(const TopicKeys::Numbered& numbered) {
  return std::string(numbered.sender.begin(), numbered.sender.end());
}

TEST(ProcessMark, IsAnotherOneInAChildAndItsChildren) {
  const auto here = crypto::process_mark();
  EXPECT_EQ(crypto::process_mark(), here);
  const auto marks = in_child([&] {
    const auto child = crypto::process_mark();
    const auto grandchild = in_child([&] { return std::string(crypto::process_mark() != child ? "other" : "same"); });
    return grandchild + (child != here ? " other" : " same");
  });
  EXPECT_EQ(marks, "other other");
}

struct SenderNamesTest : ::testing::Test {
  crypto::OsRandom random;
  std::uint64_t wall = 1'700'000'000'000'000, since_boot = 5'000'000'000;
  std::string boot = "boot-1";
  SenderNames names{random, {[this] { return wall; }, [this] { return boot; }, [this] { return since_boot; }}};

  TopicKeys::Numbered next(std::size_t size = 1) {
    bool is_new = false;
    return names.next(key, size, is_new);
  }
  void pass(std::uint64_t microseconds) {
    wall += microseconds;
    since_boot += microseconds;
  }
};

TEST_F(SenderNamesTest, CountsFromZeroForEachKeyUnderOneName) {
  bool is_new = false;
  const auto first = names.next(key, 1, is_new);
  EXPECT_TRUE(is_new);
  EXPECT_EQ(first.number, 0u);
  EXPECT_EQ(next().number, 1u);
  const auto without_key = names.next(std::nullopt, 1, is_new);
  EXPECT_FALSE(is_new);
  EXPECT_EQ(without_key.number, 0u);
  EXPECT_EQ(without_key.sender, first.sender);
  EXPECT_EQ(next().number, 2u);
}

TEST_F(SenderNamesTest, ASetClockMeansAnotherName) {
  const auto first = next();
  wall += 900'000;
  EXPECT_EQ(next().sender, first.sender);
  wall += 200'000;
  const auto second = next();
  EXPECT_NE(second.sender, first.sender);
  EXPECT_EQ(second.number, 0u);
  wall -= 2'000'000;
  EXPECT_NE(next().sender, second.sender);
}

TEST_F(SenderNamesTest, AFrozenAndResumedProcessTakesAnotherName) {
  const auto first = next();
  wall += 3600'000'000;  // frozen for an hour: the clock of the day is set, the other one goes on
  EXPECT_NE(next().sender, first.sender);
}

TEST_F(SenderNamesTest, AnotherBootMeansAnotherName) {
  const auto first = next();
  pass(1'000'000);
  EXPECT_EQ(next().sender, first.sender);
  boot = "boot-2";
  pass(1'000'000);
  EXPECT_NE(next().sender, first.sender);
}

TEST_F(SenderNamesTest, ANameEndsAfterADayAndAfterSoManyBytes) {
  const auto first = next();
  pass(SenderNames::longest - 1);
  EXPECT_EQ(next().sender, first.sender);
  pass(2);
  const auto second = next();
  EXPECT_NE(second.sender, first.sender);
  EXPECT_EQ(next(SenderNames::most_bytes - 1).sender, second.sender);
  EXPECT_NE(next(1).sender, second.sender);
}

TEST_F(SenderNamesTest, BothSidesOfAForkHaveOtherNames) {
  const auto before = next();
  const std::string in_the_child = in_child([&] { return name_of(next()); });
  const auto after = next();
  EXPECT_EQ(after.sender, before.sender);
  EXPECT_EQ(after.number, before.number + 1);
  EXPECT_EQ(in_the_child.size(), before.sender.size());
  EXPECT_NE(in_the_child, name_of(before));
}

// -- folders

struct TopicKeyFolders : ::testing::Test {
  testing::TemporaryFolder folder;
  crypto::OsRandom random;
  std::string path = folder / "keys";
  Used used;

  TopicKey make(TopicKeys& keys) {
    const auto own = make_memory_keys("boiler-7", Kind::device, random);
    TopicKey made = make_topic_key("a", TopicKey::Kind::symmetric, TopicKey::Form::bare, TopicKey::Cipher::aes128_gcm,
                                   {0, 1'767'225'600'000}, 1000, own->identity(), random);
    EXPECT_TRUE(keys.put(made));
    return made;
  }
  std::shared_ptr<TopicKeys> open(const std::string& where) { return open_topic_keys(where, random).value(); }
  void use(TopicKeys& keys, const TopicKeyId& id) {
    const auto numbered = keys.next(id, 10).value();
    EXPECT_TRUE(used.insert({numbered.sender, numbered.number}).second);
  }
};

TEST_F(TopicKeyFolders, NoNameAndNumberComesTwice) {
  const auto id = make(*open(path)).id;
  for (int run = 0; run < 3; ++run) {
    const auto keys = open(path);
    const auto second = open(path);  // another process at the same time
    for (int i = 0; i < 300; ++i) {
      use(*keys, id);
      use(*second, id);
    }
  }
  const std::string copy = folder / "copy";
  std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
  const auto original = open(path);
  const auto copied = open(copy);
  for (int i = 0; i < 300; ++i) {
    use(*original, id);
    use(*copied, id);
  }
  std::filesystem::remove_all(path);
  std::filesystem::rename(copy, path);  // a backup is put back
  for (int i = 0; i < 300; ++i) use(*open(path), id);
  const auto keys = open(path);
  use(*keys, id);
  const std::string in_the_child = in_child([&] { return name_of(keys->next(id, 10).value()); });
  use(*keys, id);
  for (const auto& [name, number] : used) EXPECT_NE(std::string(name.begin(), name.end()), in_the_child);
}

TEST_F(TopicKeyFolders, SendingWritesNothing) {
  const auto keys = open(path);
  const auto id = make(*keys).id;
  const auto count = [&] { return std::distance(std::filesystem::directory_iterator(path), {}); };
  const auto before = count();
  use(*keys, id);
  EXPECT_EQ(count(), before);
}

TEST_F(TopicKeyFolders, WhoKeepsNamesKnowsItsOwnFromEveryProcessAndNobodyElses) {
  const auto keys = open(path);
  const auto shard = open(path);
  ASSERT_TRUE(keys->keep_names());
  const auto own = keys->next(key, 1).value().sender;
  EXPECT_TRUE(keys->sends_as(own));
  EXPECT_TRUE(shard->sends_as(own));
  EXPECT_TRUE(open(path)->sends_as(own));
  EXPECT_FALSE(shard->sends_as({9}));
  const auto client = shard->next(key, 1).value().sender;  // of somebody who keeps none
  EXPECT_FALSE(keys->sends_as(client));
  // Those that came later are found as well.
  const auto another = open(path);
  ASSERT_TRUE(another->keep_names());
  EXPECT_TRUE(shard->sends_as(another->next(key, 1).value().sender));
}

TEST_F(TopicKeyFolders, NumbersThatWereOnceGoneOnWithAreRemoved) {
  std::filesystem::create_directory(path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  testing::write_text(path + "/0102030405060708.sending.0", "aabbccddeeff 00000000000000512\n");
  testing::write_text(path + "/signed.sequence", "00000452426137600000 boot\n");
  (void)open(path);
  EXPECT_TRUE(std::filesystem::is_empty(path));
}

TEST_F(TopicKeyFolders, DealsOfAFolderThatWasSetBackHaveNewNumbers) {
  const auto first = open(path)->next_deal().value();
  EXPECT_GT(open(path)->next_deal().value(), first);
  std::filesystem::remove_all(path);
  // By the clock: never below what it was a moment ago.
  EXPECT_GE(open(path)->next_deal().value(), first);
}

// -- channels of a connection

TEST(SealingChannel, SealsNothingOnTheOtherSideOfAFork) {
  crypto::SealingChannel channel(Secret(Buffer(28, 7)), {.messages = 100});
  Buffer sealed;
  ASSERT_TRUE(channel.seal({}, as_bytes("one"), sealed));
  EXPECT_EQ(in_child([&] { return std::string(channel.seal({}, as_bytes("two"), sealed) ? "sealed" : "refused"); }), "refused");
  EXPECT_TRUE(channel.seal({}, as_bytes("two"), sealed));
}

}  // namespace
}  // namespace sealmq
