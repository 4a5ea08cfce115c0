#include "server/log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

nlohmann::json parsed(std::span<const LogField> fields, std::string_view line) {
  return nlohmann::json::parse("{" + json_members("refused", fields, line) + "}");
}

TEST(Log, AnEventInJsonHoldsItsFactsAsTheyAre) {
  const LogField fields[] = {{"client", "boiler-7"}, {"cause", "a \"copy\""}};
  const auto json = parsed(fields, "replay");
  EXPECT_EQ(json["event"], "refused");
  EXPECT_EQ(json["client"], "boiler-7");
  EXPECT_EQ(json["cause"], "a \"copy\"");
  EXPECT_EQ(json["text"], "replay");
}

TEST(Log, HostileTextStaysInsideItsString) {
  const LogField fields[] = {{"client", "x\",\"severity\":\"info\n\x1b[2J\\"}, {"cause", "\xff\xfe not utf-8"}};
  const std::string line = json_members("refused", fields, "");
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  const auto json = parsed(fields, "");
  EXPECT_EQ(json.size(), 4U);
  EXPECT_EQ(json["client"], fields[0].value);
  EXPECT_EQ(json["cause"], "\u00ff\u00fe not utf-8");
}

TEST(Log, AFileIsAppendedToAndOpenedAnewWhereItStood) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder / "broker.log", "before\n");
  auto log = open_log({.file = folder / "broker.log"}).value();
  log->info("one");
  log->debug("not told");
  std::filesystem::rename(folder / "broker.log", folder / "broker.log.1");
  log->warning("two");
  ASSERT_TRUE(log->reopen());
  log->error("three");
  const std::string former = testing::read_text(folder / "broker.log.1"), present = testing::read_text(folder / "broker.log");
  EXPECT_TRUE(former.starts_with("before\n"));
  EXPECT_NE(former.find(" info one\n"), std::string::npos) << former;
  EXPECT_NE(former.find(" warning two\n"), std::string::npos) << former;
  EXPECT_EQ(former.find("not told"), std::string::npos);
  EXPECT_NE(present.find(" error three\n"), std::string::npos) << present;
  std::filesystem::remove(folder / "broker.log");
  std::filesystem::create_directory(folder / "broker.log");
  EXPECT_FALSE(log->reopen());
  EXPECT_EQ(open_log({.file = folder / "none/broker.log"}).error().blame, Blame::environment);
}

TEST(Log, AFileHasJsonToo) {
  const testing::TemporaryFolder folder;
  const LogField fields[] = {{"url", "mqtt://127.0.0.1:1883"}};
  open_log({.format = LogFormat::json, .file = folder / "broker.log"})
      .value()
      ->event(Severity::info, "ready", fields, "it is ready");
  const auto json = nlohmann::json::parse(testing::read_text(folder / "broker.log"));
  EXPECT_EQ(json["event"], "ready");
  EXPECT_EQ(json["severity"], "info");
}

}  // namespace
}  // namespace sealmq::server
