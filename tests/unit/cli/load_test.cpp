// The parts of the load generator whose mistakes would look like results: the histogram and the packet scanner.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/bench_histogram.h"
#include "cli/bench_load.h"
#include "cli/bench_scanner.h"

namespace sealmq::load {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Version;

TEST(Histogram, AnswersZeroWhenNothingWasRecorded) {
  const Histogram empty;
  EXPECT_EQ(empty.quantile(0.5), 0U);
  EXPECT_EQ(empty.largest(), 0U);
}

TEST(Histogram, IsExactForSmallValues) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 50; ++value) histogram.record(value);
  EXPECT_EQ(histogram.quantile(0), 1U);
  EXPECT_EQ(histogram.quantile(0.5), 25U);
  EXPECT_EQ(histogram.quantile(0.9), 45U);
  EXPECT_EQ(histogram.quantile(1), 50U);
}

TEST(Histogram, KeepsTheLargestValueThereIs) {
  Histogram histogram;
  histogram.record(std::numeric_limits<std::uint64_t>::max());
  histogram.record(0);
  EXPECT_EQ(histogram.largest(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  EXPECT_GT(histogram.quantile(1), std::numeric_limits<std::uint64_t>::max() / 100 * 99);
}

TEST(Histogram, NeverReportsAQuantileAboveTheLargestValue) {
  Histogram histogram;
  histogram.record(1'000'000);
  EXPECT_LE(histogram.quantile(0.999), 1'000'000U);
  EXPECT_GT(histogram.quantile(0.999), 990'000U);
}

RC_GTEST_PROP(Histogram, AnyQuantileIsWithinOnePercentOfTheSortedValues,
              (std::vector<std::uint32_t> values, std::uint8_t percent)) {
  RC_PRE(!values.empty() && percent <= 100);
  Histogram histogram;
  for (std::uint32_t value : values) histogram.record(value);
  std::sort(values.begin(), values.end());
  const double position = std::ceil(percent / 100.0 * static_cast<double>(values.size()));
  const double exact = values[static_cast<std::size_t>(std::max(1.0, position)) - 1];
  const double found = static_cast<double>(histogram.quantile(percent / 100.0));
  RC_ASSERT(std::abs(found - exact) <= exact * 0.01);
  RC_ASSERT(histogram.count() == values.size());
}

// PUBLISH QoS 1 "t" id 7 payload "hi", then PUBACK 7, then the first bytes of a PINGRESP.
const Buffer stream = {0x32, 0x07, 0x00, 0x01, 't', 0x00, 0x07, 'h', 'i', 0x40, 0x02, 0x00, 0x07, 0xD0};

TEST(PacketScanner, FindsEachPacketAndKeepsTheIncompleteOne) {
  PacketScanner scanner(stream);
  const auto publish = scanner.next();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->type(), PacketType::publish);
  EXPECT_EQ(publish->qos(), QoS::at_least_once);
  const auto puback = scanner.next();
  ASSERT_TRUE(puback);
  EXPECT_EQ(puback->type(), PacketType::puback);
  EXPECT_EQ(puback->body.size(), 2U);
  EXPECT_FALSE(scanner.next());
  EXPECT_EQ(scanner.consumed(), stream.size() - 1);
  EXPECT_FALSE(scanner.malformed());
}

TEST(PacketScanner, FindsTheSamePacketsWhereverTheBytesAreCut) {
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    std::size_t packets = 0;
    PacketScanner first(Bytes(stream).first(cut));
    while (first.next()) ++packets;
    PacketScanner second(Bytes(stream).subspan(first.consumed()));
    while (second.next()) ++packets;
    EXPECT_EQ(packets, 2U) << "cut at " << cut;
    EXPECT_EQ(first.consumed() + second.consumed(), stream.size() - 1) << "cut at " << cut;
  }
}

TEST(PacketScanner, ReadsARemainingLengthOfSeveralBytes) {
  Buffer input = {0x30, 0x80, 0x01};
  input.resize(3 + 128);
  PacketScanner scanner(input);
  const auto packet = scanner.next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->body.size(), 128U);
  EXPECT_FALSE(scanner.next());
  EXPECT_EQ(scanner.consumed(), input.size());
}

TEST(PacketScanner, RefusesARemainingLengthOfFiveBytes) {  // [MQTT-1.5.5-1]
  const Buffer input = {0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01};
  PacketScanner scanner(input);
  EXPECT_FALSE(scanner.next());
  EXPECT_TRUE(scanner.malformed());
}

TEST(ScanPublish, FindsIdentifierAndPayload) {
  PacketScanner scanner(stream);
  const ScannedPublish publish = scan_publish(*scanner.next(), Version::v3_1_1);
  ASSERT_TRUE(publish.valid);
  EXPECT_EQ(publish.packet_id, 7);
  EXPECT_EQ(as_text(publish.payload), "hi");
}

TEST(ScanPublish, StepsOverTheProperties) {
  const Buffer body = {0x00, 0x01, 't', 0x02, 0x01, 0x01, 'h', 'i'};
  const ScannedPublish publish = scan_publish({0x30, body}, Version::v5);
  ASSERT_TRUE(publish.valid);
  EXPECT_EQ(as_text(publish.payload), "hi");
}

TEST(ScanPublish, RefusesABodyThatEndsTooEarly) {
  const Buffer body = {0x00, 0x01, 't', 0x00, 0x07, 0x03, 0x01};  // QoS 1, version 5, three bytes of properties promised
  for (std::size_t size = 0; size <= body.size(); ++size)
    EXPECT_FALSE(scan_publish({0x32, Bytes(body).first(size)}, Version::v5).valid) << size << " bytes";
}

// What a subscriber has seen of one publisher's numbered messages.
TEST(Arrivals, CountsGapsAsMissingAndRepeatsAsRepeated) {
  Arrivals arrivals;
  EXPECT_EQ(arrivals.saw(0), 1U);
  EXPECT_EQ(arrivals.saw(1), 1U);
  EXPECT_EQ(arrivals.saw(4), 3U) << "2 and 3 did not come: three messages are no longer on their way";
  EXPECT_EQ(arrivals.saw(4), 0U) << "a repeat moves nothing";
  EXPECT_EQ(arrivals.saw(2), 0U) << "too late counts as a repeat, so that it cannot hide a loss";
  EXPECT_EQ(arrivals.distinct, 3U);
  EXPECT_EQ(arrivals.repeated, 2U);
}

}  // namespace
}  // namespace sealmq::load
