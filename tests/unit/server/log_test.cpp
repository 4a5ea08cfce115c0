#include "server/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

}  // namespace
}  // namespace sealmq::server
