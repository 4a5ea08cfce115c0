#include "broker/schemes/background_jobs.h"

#include <gtest/gtest.h>

#include "support/broker_parts.h"

namespace sealmq::broker {
namespace {

using namespace sealmq::testing;

class BackgroundJobsTest : public ::testing::Test {
 protected:
  static Settings places(std::size_t all, std::size_t of_address) {
    Settings made;
    made.maximum_preparations = all;
    made.maximum_preparations_of_address = of_address;
    return made;
  }
  void begin(std::uint32_t slot, bool tries = false, std::size_t scheme = 0, const std::string& place = "there") {
    jobs.begin({{slot, 1}, place, place}, scheme, std::make_unique<FakeWork>(runs), tries, to_buffer("packet"), now);
  }
  static Buffer to_buffer(std::string_view text) { return sealmq::to_buffer(as_bytes(text)); }
  /// What a worker does with the first job there is.
  void work() {
    const Job job = std::move(effects.jobs.front());
    effects.jobs.erase(effects.jobs.begin());
    job.work();
    jobs.over(job.name, now);
  }

  Settings settings = places(2, 1);
  FakeGate gate;
  Effects effects;
  BackgroundJobs jobs{settings, 2, &gate, effects};
  int runs = 0;
  const Now now{1000, 2000};
};

TEST_F(BackgroundJobsTest, AMessageComesBackWithWhatWasPrepared) {
  begin(3);
  EXPECT_TRUE(jobs.is_waiting({3, 1}));
  EXPECT_GT(jobs.memory({3, 1}), 0U);
  work();
  EXPECT_EQ(runs, 1);
  const auto finished = jobs.take({3, 1});
  EXPECT_TRUE(finished.done);
  EXPECT_NE(finished.preparation, nullptr);
  EXPECT_EQ(as_text(Bytes(finished.packet)), "packet");
  EXPECT_FALSE(jobs.is_waiting({3, 1}));
  EXPECT_EQ(jobs.memory({3, 1}), 0U);
}

TEST_F(BackgroundJobsTest, AnAddressHasOnePlaceAtATimeAndOthersTheirs) {
  begin(1);
  begin(2);
  begin(3, false, 0, "elsewhere");
  ASSERT_EQ(effects.jobs.size(), 2U);
  EXPECT_EQ(effects.jobs[0].name.connection.slot, 1U);
  EXPECT_EQ(effects.jobs[1].name.connection.slot, 3U);
  work();
  ASSERT_EQ(effects.jobs.size(), 2U);
  EXPECT_EQ(effects.jobs[1].name.connection.slot, 2U);
}

TEST_F(BackgroundJobsTest, DearWorkOfOneSchemeHoldsUpNoOther) {
  begin(1);
  begin(2, false, 1);
  EXPECT_EQ(effects.jobs.size(), 2U);
}

TEST_F(BackgroundJobsTest, WhoHasLeftCostsNoWork) {
  begin(1);
  begin(2);
  jobs.leave({2, 1});
  jobs.leave({1, 1});
  work();
  EXPECT_EQ(runs, 0) << "nothing is left of what it was about";
  EXPECT_TRUE(effects.jobs.empty());
  jobs.leave({7, 1});  // never waited
}

TEST_F(BackgroundJobsTest, ATryIsToldToTheGateWhenItIsMade) {
  begin(1, true);
  EXPECT_EQ(gate.begun, 0);
  work();
  EXPECT_EQ(gate.begun, 1);
  { const auto finished = jobs.take({1, 1}); }
  EXPECT_EQ(gate.outcomes, std::vector<LoginGate::Outcome>{LoginGate::Outcome::failed}) << "unless said otherwise";
  gate.closed = true;
  begin(2, true);
  work();
  EXPECT_EQ(runs, 1) << "nothing is tried";
  EXPECT_FALSE(jobs.take({2, 1}).attempt->is_open());
}

TEST_F(BackgroundJobsTest, WhatNoThreadHadTimeForIsNotDone) {
  begin(1);
  jobs.over(effects.jobs.at(0).name, now);
  EXPECT_FALSE(jobs.take({1, 1}).done);
}

}  // namespace
}  // namespace sealmq::broker
