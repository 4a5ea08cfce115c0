#include "cli/cost_table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "crypto/random.h"

namespace sealmq::cli {
namespace {

/// Each step once, under a Rabin key that is quick to make.
const std::vector<CostRow>& measured() {
  static const std::vector<CostRow> rows = [] {
    crypto::OsRandom random;
    const auto rabin = crypto::rabin::PrivateKey::generate(2048);
    return measure_costs(rabin, random, {0, 1'767'225'600'000}, 2).value();
  }();
  return rows;
}

/// `scheme profile phase role: counted (Table 2)`
std::string line_of(const CostRow& row) {
  std::ostringstream line;
  line << row.step.scheme << ' ' << row.step.profile << ' ' << name(row.step.phase) << ' ' << name(row.step.role) << ": "
       << to_text(row.counted);
  if (row.step.paper) line << " (" << to_text(*row.step.paper) << ')';
  return line.str();
}

TEST(CostTable, CountsWhatTheSpecificationsSay) {
  std::vector<std::string> lines;
  for (const CostRow& row : measured()) lines.push_back(line_of(row));
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "sl1 paper subscribe subscriber: 0 (0)",
                       "sl1 paper subscribe broker: 0 (0)",
                       "sl1 paper publish publisher: 1SM+1M+1A+1H (1SM+1M+1A+1H)",
                       "sl1 paper publish broker: 2SM+1A+1H (2SM+1A+1H)",
                       "sl1 paper publish subscriber: 2SM+1A+1H (2SM+1A+1H)",
                       "sl1 hardened subscribe subscriber: 1SM+1M+1A+1H (0)",
                       "sl1 hardened subscribe broker: 2SM+1A+1H (0)",
                       "sl1 hardened publish broker: 3SM+2M+2A+2H (2SM+1A+1H)",
                       "sl1 hardened publish subscriber: 4SM+2M+2A+2H (2SM+1A+1H)",
                       "sl1 hardened publish publisher: 1SM+1M+1A+1H (1SM+1M+1A+1H)",
                       "sl1 hardened publish broker: 2SM+1A+1H (2SM+1A+1H)",
                       "sl1 hardened publish subscriber: 2SM+1A+1H (2SM+1A+1H)",
                       "sl2 paper subscribe subscriber: 1M (1M)",
                       "sl2 paper subscribe broker: 1RAD (1RAD)",
                       "sl2 paper publish publisher: 1SM+2M+1A+1H (1SM+2M+1A+1H)",
                       "sl2 paper publish broker: 1RAD+2SM+1A+1H+1AES (1RAD+2SM+1A+1H+1AES)",
                       "sl2 paper publish subscriber: 1AES (1AES)",
                       "sl2 hardened subscribe subscriber: 2M+1AES (1M)",
                       "sl2 hardened subscribe broker: 1RAD+2AES (1RAD)",
                       "sl2 hardened subscribe subscriber: 1AES",
                       "sl2 hardened publish publisher: 1SM+3M+1A+1H+1AES (1SM+2M+1A+1H)",
                       "sl2 hardened publish broker: 1RAD+2SM+1A+1H+2AES (1RAD+2SM+1A+1H+1AES)",
                       "sl2 hardened publish subscriber: 1AES (1AES)",
                       "sl2 hardened publish broker: 1RAD+4SM+1A+1H+3AES (1RAD+2SM+1A+1H+1AES)",
                       "sl2 hardened publish subscriber: 1AES (1AES)",
                       "sl3 paper subscribe subscriber: 3SM+1M+1A+1H+1AES (3SM+1M+1A+1H+1AES)",
                       "sl3 paper subscribe broker: 3SM+1A+1H+1AES (3SM+1A+1H+1AES)",
                       "sl3 paper publish publisher: 3SM+1M+1A+1H+1AES (3SM+1M+1A+1H+1AES)",
                       "sl3 paper publish broker: 3SM+1A+1H+2AES (1SM+2AES)",
                       "sl3 paper publish subscriber: 2SM+1A+1H+1AES (2SM+1A+1H+1AES)",
                       "sl3 paper publish publisher: 1SM+1M+1A+1H+1AES",
                       "sl3 paper publish broker: 2SM+1A+1H+2AES",
                       "sl3 paper publish broker: 1AES",
                       "sl3 paper publish subscriber: 2SM+1A+1H+1AES",
                       "sl3 hardened subscribe subscriber: 3SM+1M+1A+2H+1AES (3SM+1M+1A+1H+1AES)",
                       "sl3 hardened subscribe broker: 5SM+1A+3H+2AES (3SM+1A+1H+1AES)",
                       "sl3 hardened subscribe subscriber: 1SM+1H+1AES",
                       "sl3 hardened publish publisher: 3SM+1M+1A+2H+1AES",
                       "sl3 hardened publish broker: 5SM+1A+3H+2AES",
                       "sl3 hardened publish publisher: 1SM+1H+1AES",
                       "sl3 hardened publish publisher: 1SM+1M+1A+1H+1AES (3SM+1M+1A+1H+1AES)",
                       "sl3 hardened publish broker: 2AES (1SM+2AES)",
                       "sl3 hardened publish subscriber: 2SM+1A+1H+1AES (2SM+1A+1H+1AES)",
                       "sl3 hardened publish broker: 1SM+2M+1A+1H+1AES",
                       "sl3 hardened publish subscriber: 4SM+2M+2A+2H+1AES",
                   }));
}

TEST(CostTable, SaysWhyACountIsNotThePapers) {
  for (const CostRow& row : measured()) {
    const bool same = !row.step.paper || *row.step.paper == row.counted;
    EXPECT_TRUE(same || !row.step.remark.empty()) << line_of(row);
  }
}

// The lengths are those of the READMEs' frames: T has 16 bytes, M 64.
TEST(CostTable, CountsTheBytesOfTheFrames) {
  const auto bytes = [](std::string_view scheme, std::string_view profile, std::string_view what) -> std::size_t {
    for (const CostRow& row : measured())
      if (row.step.scheme == scheme && row.step.profile == profile && row.step.what.ends_with(what)) return row.bytes;
    return 0;
  };
  EXPECT_EQ(bytes("sl1", "paper", "SL1_2"), 5 + 18 + 32 + 68 + 8 + 64U);
  EXPECT_EQ(bytes("sl1", "hardened", "SL1_2"), 121 + 16 + 64U);
  EXPECT_EQ(bytes("sl2", "paper", "SL2_2"), 5 + 2048 / 8U);
  EXPECT_EQ(bytes("sl2", "paper", "SL2_3"), 5 + 12 + 18 + 68 + 8 + 64 + 16U);
  EXPECT_EQ(bytes("sl2", "hardened", "SL2_2"), 3 + 2 + 2048 / 8 + 18 + 32 + 68 + 8 + 8 + 64 + 16U);
  EXPECT_EQ(bytes("sl2", "hardened", "seals: SL2_3"), 19 + 18 + 68 + 8 + 2 + 16U);
  EXPECT_EQ(bytes("sl3", "paper", "SL3_3"), 5 + 8 + 12 + 18 + 32 + 68 + 8 + 64 + 16U);
  EXPECT_EQ(bytes("sl3", "hardened", "SL3_3"), 19 + 18 + 68 + 8 + 8 + 64 + 16U);
}

TEST(CostTable, WritesOperationsAsThePaperDoes) {
  EXPECT_EQ(to_text(crypto::Operations{}), "0");
  EXPECT_EQ(to_text(crypto::Operations{.sm = 2, .a = 1, .h = 1, .aes = 1, .rad = 1}), "1RAD+2SM+1A+1H+1AES");
}

TEST(CostTable, FitsATerminalAndNumbersItsRemarks) {
  std::istringstream table(cost_table(measured()));
  std::string line, last;
  std::size_t lines = 0;
  for (; std::getline(table, line); ++lines, last = line) EXPECT_LE(line.size(), 120U) << line;
  EXPECT_GT(lines, measured().size());
  EXPECT_TRUE(last.starts_with("12  ")) << last;
}

}  // namespace
}  // namespace sealmq::cli
