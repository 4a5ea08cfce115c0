#include "authority/audit_log.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/temporary_folder.h"

namespace sealmq::authority {
namespace {

using testing::mode_of;
using testing::read_text;
using testing::TemporaryFolder;
using testing::write_text;

class AuditLogTest : public ::testing::Test {
 protected:
  AuditLog log(std::string by = "uid 7") const { return AuditLog(DataFolder{folder_.path()}, std::move(by)); }
  void fill(int entries) {
    for (int i = 0; i < entries; ++i) ASSERT_TRUE(log().add("allow", "boiler-7", "publish plant/" + std::to_string(i), 1000 + i));
  }
  void expect_broken(std::string_view words) {
    const auto verdict = log().check().value();
    ASSERT_TRUE(verdict.broken);
    EXPECT_NE(verdict.broken->find(words), std::string::npos) << *verdict.broken;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream text(read_text(path_));
    for (std::string line; std::getline(text, line);) all.push_back(line + "\n");
    return all;
  }
  void write_lines(const std::vector<std::string>& lines) {
    std::string all;
    for (const auto& line : lines) all += line;
    write_text(path_, all);
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "audit.log";
  const std::string head_ = folder_ / "audit.log.head";
};

TEST_F(AuditLogTest, HoldsTogetherWhenNobodyTouchesIt) {
  EXPECT_EQ(log().check()->last.number, 0U);
  EXPECT_FALSE(std::filesystem::exists(path_)) << "looking makes nothing";
  fill(3);
  const auto verdict = log().check().value();
  EXPECT_EQ(verdict.broken, std::nullopt);
  EXPECT_EQ(verdict.last.number, 3U);
  EXPECT_EQ(mode_of(path_), 0600U);
  EXPECT_EQ(mode_of(head_), 0600U);
}

TEST_F(AuditLogTest, KeepsWhatItIsTold) {
  ASSERT_TRUE(log("uid 7").add("revoke", "boiler-7", "stolen \"at night\"\n", 1700));
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  const auto entry = parse_audit_line(all[0].substr(0, all[0].size() - 1)).value();
  EXPECT_EQ(entry, (AuditEntry{1, 1700, {}, "revoke", "boiler-7", "uid 7", "stolen \"at night\"\n"}));
}

TEST_F(AuditLogTest, TextOfAnyKindLeavesItWhole) {
  for (const std::string& text : {std::string("\xFF\xE9"), std::string("a\0\xC3\xA9", 4), std::string(100'000, '\x01'),
                                  std::string(100'000, '\xFF'), std::string("\xC3\xA9\x7F\x1B")}) {
    ASSERT_TRUE(log().add("revoke", "x", text, 1));
  }
  EXPECT_EQ(log().check()->broken, std::nullopt);
  EXPECT_EQ(log().check()->last.number, 5U);
}

TEST_F(AuditLogTest, TellsThatAnEntryWasChanged) {
  fill(4);
  auto changed = lines();
  changed[1].replace(changed[1].find("plant/1"), 7, "plant/#");
  write_lines(changed);
  expect_broken("entry 2 was changed after entry 3 was written");
}

TEST_F(AuditLogTest, TellsThatTheLastEntryWasChanged) {
  fill(2);
  auto changed = lines();
  changed[1].replace(changed[1].find("plant/1"), 7, "plant/#");
  write_lines(changed);
  expect_broken("entry 2 was changed after it was written");
}

TEST_F(AuditLogTest, TellsThatEntriesWereRemoved) {
  fill(5);
  auto fewer = lines();
  fewer.erase(fewer.begin() + 1, fewer.begin() + 3);
  write_lines(fewer);
  expect_broken("line 2 holds entry 4: those from 2 on were removed");
}

TEST_F(AuditLogTest, TellsThatTheEndWasCutOff) {
  fill(3);
  auto fewer = lines();
  fewer.pop_back();
  write_lines(fewer);
  expect_broken("the end was cut off: there are 2 entries and there were 3");
  const auto added = log().add("allow", "boiler-7", "", 1);
  ASSERT_FALSE(added) << "nothing covers it up";
  EXPECT_NE(added.error().what.find("the end was cut off"), std::string::npos);
  std::filesystem::remove(path_);
  expect_broken("there are 0 entries and there were 3");
}

TEST_F(AuditLogTest, TellsThatEntriesWerePutIn) {
  fill(2);
  const auto two = lines();
  AuditEntry forged = parse_audit_line(two[1].substr(0, two[1].size() - 1)).value();
  std::string all = two[0] + two[1];
  std::string_view last = two[1];
  std::string line;
  for (int i = 0; i < 2; ++i) {
    ++forged.number;
    forged.before = crypto::sha256(as_bytes(last.substr(0, last.size() - 1)));
    line = to_line(forged) + "\n";
    all += line;
    last = line;
  }
  write_text(path_, all);
  expect_broken("entries from 3 on were not written by this program");
  EXPECT_FALSE(log().add("allow", "boiler-7", "", 1));
  write_lines({two[0], two[0], two[1]});
  expect_broken("line 2 holds entry 1, which does not belong there");
}

TEST_F(AuditLogTest, TellsThatTheHeadIsMissingOrAnother) {
  fill(2);
  const auto head = read_text(head_);
  std::filesystem::remove(head_);
  expect_broken("the head, which tells where the log ends, is missing");
  EXPECT_FALSE(log().add("allow", "boiler-7", "", 1));
  write_text(head_, "hello\n");
  EXPECT_FALSE(log().check());
  EXPECT_FALSE(log().add("allow", "boiler-7", "", 1));
  write_text(head_, head);
  EXPECT_EQ(log().check()->broken, std::nullopt);
}

TEST_F(AuditLogTest, AMarkKeptElsewhereShowsThatAllWasWrittenAnew) {
  fill(2);
  const auto mark = to_mark(log().check()->last);
  fill(1);
  EXPECT_EQ(log().check(mark)->broken, std::nullopt);
  std::filesystem::remove(path_);
  std::filesystem::remove(head_);
  EXPECT_TRUE(log().check(mark)->broken);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(log().add("allow", "boiler-7", "nothing", 1));
  EXPECT_EQ(log().check()->broken, std::nullopt);
  EXPECT_TRUE(log().check(mark)->broken);
}

// -- sudden ends ---------------------------------------------------------------------------------------------------------------

TEST_F(AuditLogTest, MendsAnEntryOfWhichOnlyAPartWasWritten) {
  fill(2);
  const auto whole = read_text(path_);
  for (const std::string part : {"{", "{\"number\":3,\"time\":17"}) {
    const auto before = read_text(path_);
    write_text(path_, before + part);
    const auto seen = log().check().value();
    EXPECT_EQ(seen.broken, std::nullopt);
    EXPECT_EQ(seen.unfinished, part);
    ASSERT_TRUE(log().add("allow", "boiler-7", "next", 5));
    EXPECT_EQ(log().check()->broken, std::nullopt);
    EXPECT_EQ(log().check()->unfinished, "");
    EXPECT_NE(read_text(path_).find("\"what\":\"mended\",\"name\":\"\",\"by\":\"uid 7\",\"text\":\"an entry of which " +
                                    std::to_string(part.size()) + " bytes were written\""),
              std::string::npos);
  }
  EXPECT_TRUE(read_text(path_).starts_with(whole));
}

TEST_F(AuditLogTest, TakesOverAnEntryThatTheHeadDoesNotTellOfYet) {
  for (int entries : {1, 3}) {
    std::filesystem::remove(path_);
    std::filesystem::remove(head_);
    fill(entries - 1);
    const auto head = entries > 1 ? read_text(head_) : "";
    ASSERT_TRUE(log().add("deny", "boiler-7", "", 5));
    if (entries > 1)
      write_text(head_, head);
    else
      std::filesystem::remove(head_);
    if (entries > 1) {
      EXPECT_EQ(log().check()->broken, std::nullopt);
    }
    ASSERT_TRUE(log().add("allow", "boiler-7", "next", 5));
    EXPECT_EQ(log().check()->broken, std::nullopt);
    EXPECT_EQ(log().check()->last.number, static_cast<std::uint64_t>(entries) + 1);
  }
}

TEST_F(AuditLogTest, WritersAtTheSameTimeTakeTurns) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(log("writer " + std::to_string(t)).add("allow", "boiler-7", "", 1));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log().check()->broken, std::nullopt);
  EXPECT_EQ(log().check()->last.number, 40U);
}

// -- text ----------------------------------------------------------------------------------------------------------------------

TEST(AuditLine, RefusesWhatIsNotExactlyALine) {
  const AuditEntry entry{3, 17, {1, 2}, "revoke", "boiler-7", "uid 0", "stolen"};
  const std::string good = to_line(entry);
  EXPECT_EQ(parse_audit_line(good).value(), entry);
  const auto with = [&good](std::string_view what, std::string_view instead) {
    std::string bad = good;
    return bad.replace(bad.find(what), what.size(), instead);
  };
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string("[]"), good + " ", " " + good, with(":3,", ":-3,"), with(":3,", ":3.0,"),
        with(":3,", ":03,"), with(":3,", ":99999999999999999999,"), with("stolen", "stol\\u0065n"), with("0102", "01G2"),
        with("0102", "0"), with("\"time\":17,", ""), with("\"name\":\"boiler-7\"", "\"name\":7"), with("}", ",\"more\":1}"),
        with("\"by\":\"uid 0\",\"text\":\"stolen\"", "\"text\":\"stolen\",\"by\":\"uid 0\""), std::string(70'000, '[')}) {
    EXPECT_FALSE(parse_audit_line(bad)) << bad.substr(0, 200);
  }
}

TEST(AuditHead, RefusesWhatIsNotExactlyAHead) {
  const AuditHead head{3, 777, {9, 8}};
  const std::string good = to_text(head);
  EXPECT_EQ(parse_audit_head(good).value(), head);
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() - 1), good + "\n", good.substr(1), "sealmq-audit-head 3  777" + good.substr(23),
        "sealmq-audit-head 03 777" + good.substr(23), "sealmq-audit-head 3 -777" + good.substr(23)}) {
    EXPECT_FALSE(parse_audit_head(bad)) << bad;
  }
}

}  // namespace
}  // namespace sealmq::authority
