#include "server/session_store.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>

#include "registry/sqlite.h"
#include "sealmq/scheme.h"
#include "server/message_record.h"
#include "support/fakes.h"
#include "support/restored_lines.h"
#include "support/temporary_folder.h"

/// In the place of the C library's: what has been written reaches the disk by this call.
static int syncs = 0;
extern "C" __attribute__((visibility("default"))) int fdatasync(int file) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

namespace sealmq::server {
namespace {

using broker::Batch;
using broker::Number;
using mqtt::QoS;
using testing::lines;
using testing::text;

class SessionStoreTest : public ::testing::Test {
 protected:
  void open(std::uint64_t messages_per_key = MessageKeys::messages_per_key) {
    store.reset();
    auto opened = open_session_store(folder.path() + "/sessions.db", *key, random, messages_per_key);
    ASSERT_TRUE(opened) << opened.error().what;
    store = *std::move(opened);
  }
  std::shared_ptr<const broker::Message> message(Number number, std::string_view topic, std::string_view payload,
                                                 std::uint64_t stamp = 0) {
    broker::MessageView view;
    view.topic = topic;
    view.payload = view.wire = as_bytes(payload);
    view.stamp = stamp;
    view.retain = stamp != 0;
    view.qos = QoS::at_least_once;
    view.scheme = static_cast<std::uint8_t>(all_schemes().size() - 1);
    return std::make_shared<const broker::Message>(view, number);
  }
  void write(std::vector<broker::Change> changes) { EXPECT_TRUE(refused_of(std::move(changes)).empty()); }
  std::vector<SessionStore::Refused> refused_of(std::vector<broker::Change> changes) {
    const Batch batch{++batch_number, std::move(changes)};
    auto written = store->write({&batch}, now);
    EXPECT_TRUE(written) << written.error().what;
    return written.value_or(std::vector<SessionStore::Refused>());
  }
  broker::SessionSaved session(Number number, std::shared_ptr<const broker::Message> will = nullptr) {
    return {number, "client-" + std::to_string(number), "owner", 60, UINT64_MAX, std::move(will), 0};
  }
  broker::DeliverySaved delivery(Number session, Number number, std::shared_ptr<const broker::Message> message) {
    return {session, number, std::move(message), QoS::at_least_once, false, 0, 0, nullptr, {}};
  }
  std::uint64_t rows(const std::string& table) { return by_hand().number("SELECT count(*) FROM " + table).value(); }
  sqlite::Database by_hand() { return sqlite::Database::open(folder.path() + "/sessions.db").value(); }

  Now now{5'000, 1'800'000'000'000};
  testing::TemporaryFolder folder;
  testing::CountingRandom random;
  std::unique_ptr<KeyStore> key = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<SessionStore> store;
  std::uint64_t batch_number = 0;
};

TEST_F(SessionStoreTest, KeepsTheKeyByWhichShardsWereNamed) {
  open();
  const HashKey first = store->load(now)->restored.shard_key;
  EXPECT_NE(first, HashKey{});
  open();
  EXPECT_EQ(store->load(now)->restored.shard_key, first);
}

TEST_F(SessionStoreTest, WhatWasOnItsWayBeforeThereWasAKeyGoesToEverybody) {
  open();
  const auto whole = message(5, "t", "x");
  write({broker::TransitSaved{5, whole, 1, 3, 0, {}}, broker::TransitSaved{5, whole, 2, 3, 0, {}},
         broker::TransitSaved{6, message(6, "t", "y"), 2, 3, 9, "$share/g/t"}});
  ASSERT_TRUE(by_hand().execute("DELETE FROM shard_key_1"));
  open();
  const auto restored = store->load(now)->restored;
  ASSERT_EQ(restored.in_transit.size(), 2U);
  EXPECT_EQ(restored.in_transit[0].shards, 1U) << "all sessions belong to its only shard";
  EXPECT_EQ(restored.in_transit[0].shard, 0U);
  EXPECT_EQ(restored.in_transit[1].session, 9U) << "this one names its session";
  EXPECT_EQ(restored.in_transit[1].shards, 3U);
}

TEST_F(SessionStoreTest, KnowsWhoIsStillOwedRetainedMessages) {
  open();
  write({session(1), broker::SubscriptionSaved{1, "a", {}, 0, 0, nullptr, true},
         broker::SubscriptionSaved{1, "b", {}, 0, 0, nullptr}});
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.sessions.size(), 1U);
  for (const auto& saved : loaded.restored.sessions[0].subscriptions) EXPECT_EQ(saved.owes_retained, saved.filter == "a");
}

TEST_F(SessionStoreTest, KeepsAMessageWhole) {
  open();
  broker::MessageView view;
  mqtt::Properties properties;
  properties.user = {{"name", "value"}, {"name", "other"}};
  properties.content_type = "text/plain";
  properties.response_topic = "answer/here";
  properties.correlation_data = as_bytes("correlated");
  view.topic = "plant/7";
  view.payload = as_bytes("payload");
  view.wire = as_bytes("wrapped payload");
  view.author = "boiler-7";
  view.publisher = "client";
  view.qos = QoS::exactly_once;
  view.retain = true;
  view.stamp = 77;
  view.properties = &properties;
  view.expires = now.steady + 60'000;
  const auto made = std::make_shared<const broker::Message>(view, 9);
  write({broker::RetainedSaved{made}});
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.retained.size(), 1U);
  EXPECT_EQ(text(loaded.restored.retained[0]), text(made));
  EXPECT_TRUE(*loaded.restored.retained[0]->view().properties == properties);
  EXPECT_EQ(loaded.restored.last_number, 9U);
}

TEST_F(SessionStoreTest, HoldsNoPayloadInClearAndNothingForAnotherKey) {
  open();
  write({broker::RetainedSaved{message(9, "plant/7", "a very secret reading", 1)}});
  store.reset();
  std::string file;
  for (const char* name : {"/sessions.db", "/sessions.db-wal"}) file += testing::read_text(folder.path() + name);
  EXPECT_EQ(file.find("secret reading"), std::string::npos);
  key = make_memory_keys("broker-2", Kind::broker, random);
  open();
  const auto loaded = store->load(now).value();
  EXPECT_TRUE(loaded.restored.retained.empty());
  EXPECT_EQ(loaded.unreadable, 1U);
}

TEST_F(SessionStoreTest, AKeyThatHasSealedSoManyIsReplaced) {
  open(3);
  for (Number number = 1; number <= 10; ++number)
    write({broker::RetainedSaved{message(number, "t/" + std::to_string(number), "kept", number)}});
  EXPECT_EQ(by_hand().number("SELECT count(DISTINCT epoch) FROM message_1").value(), 4U) << "three each";
  open();
  const auto loaded = store->load(now).value();
  EXPECT_EQ(loaded.restored.retained.size(), 10U);
  EXPECT_EQ(loaded.unreadable, 0U);
}

TEST_F(SessionStoreTest, StoresASharedMessageOnceAndLetsItGoWithTheLast) {
  open();
  const auto shared = message(5, "t", "x");
  write({broker::SessionSaved{1, "a", "owner", 60, UINT64_MAX, nullptr, 0},
         broker::SessionSaved{2, "b", "owner", 60, UINT64_MAX, nullptr, 0},
         broker::DeliverySaved{1, 10, shared, QoS::at_least_once, false, 0, 0, nullptr, {}},
         broker::DeliverySaved{2, 11, shared, QoS::at_least_once, false, 0, 0, nullptr, {}}});
  EXPECT_EQ(rows("message_1"), 1U);
  write({broker::DeliveryEnded{1, 10}});
  EXPECT_EQ(rows("message_1"), 1U);
  write({broker::SessionEnded{2}});
  EXPECT_EQ(rows("message_1"), 0U);
  EXPECT_EQ(rows("delivery_2"), 0U);
}

TEST_F(SessionStoreTest, WhatBeginsAndEndsWithinAGroupLeavesNoTrace) {
  open();
  write({broker::SessionSaved{1, "a", "owner", 60, UINT64_MAX, nullptr, 0}});
  const Batch one{2,
                  {broker::DeliverySaved{1, 10, message(5, "t", "x"), QoS::at_least_once, false, 0, 0, nullptr, {}},
                   broker::TransitSaved{5, message(5, "t", "x"), 1, 2, 0, {}}, broker::IncomingSaved{1, 3}}};
  const Batch two{1,
                  {broker::DeliveryStarted{1, 10, 4}, broker::TransitEnded{5, 1}, broker::DeliveryEnded{1, 10},
                   broker::IncomingEnded{1, 3}, broker::IncomingSaved{1, 3}}};
  ASSERT_TRUE(store->write({&one, &two}, now));
  EXPECT_EQ(rows("message_1") + rows("delivery_2") + rows("transit_1"), 0U);
  EXPECT_EQ(rows("incoming_1"), 1U);
}

TEST_F(SessionStoreTest, TheLaterStampWinsAlsoAgainstAnErasure) {
  open();
  write({broker::RetainedSaved{message(5, "t", "new", 20)}, broker::RetainedSaved{message(6, "t", "old", 10)}});
  write({broker::RetainedSaved{message(7, "gone", "", 20)}});
  write({broker::RetainedSaved{message(8, "gone", "old", 10)}});
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.retained.size(), 1U);
  EXPECT_EQ(as_text(loaded.restored.retained[0]->view().payload), "new");
}

TEST_F(SessionStoreTest, AFailedWriteLeavesEverythingAsItWas) {
  open();
  write({session(1), delivery(1, 10, message(5, "t", "x"))});
  ASSERT_TRUE(by_hand().execute("ALTER TABLE transit_1 RENAME TO away"));
  const Batch group{9,
                    {delivery(1, 12, message(6, "t", "y")), broker::DeliveryEnded{1, 10}, delivery(1, 11, message(7, "t", "z")),
                     broker::TransitSaved{8, message(8, "t", "x"), 1, 2, 0, {}}}};
  EXPECT_FALSE(store->write({&group}, now));
  EXPECT_EQ(rows("delivery_2"), 1U);
  EXPECT_EQ(rows("message_1"), 1U);
  ASSERT_TRUE(by_hand().execute("ALTER TABLE away RENAME TO transit_1"));
  ASSERT_TRUE(store->write({&group}, now)) << "the same may be tried again";
  EXPECT_EQ(rows("delivery_2"), 2U);
  write({broker::DeliveryEnded{1, 11}, broker::DeliveryEnded{1, 12}, broker::TransitEnded{8, 1}});
  EXPECT_EQ(rows("message_1"), 0U);
}

// -- what the database can never take

TEST_F(SessionStoreTest, AChangeThatCanNeverBeWrittenGoesWithItsSessionAlone) {
  open();
  write({session(1), session(2), delivery(1, 10, message(5, "t", "x"))});
  const auto refused = refused_of({delivery(2, 20, message(6, "t", "y")), delivery(1, 10, message(7, "t", "twice the same")),
                                   broker::IncomingSaved{1, 3}, delivery(2, 21, message(8, "t", "z"))});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].session, 1U);
  EXPECT_NE(refused[0].cause.find("UNIQUE"), std::string::npos) << refused[0].cause;
  // Its shard may not have heard of it yet.
  write({broker::IncomingSaved{1, 4}, delivery(1, 11, message(9, "t", "late"))});
  write({broker::SessionEnded{1}});
  EXPECT_EQ(rows("incoming_1"), 0U);
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.sessions.size(), 1U);
  EXPECT_EQ(loaded.restored.sessions[0].saved.session, 2U);
  EXPECT_EQ(loaded.restored.sessions[0].deliveries.size(), 2U);
  EXPECT_EQ(rows("message_1"), 2U);
}

TEST_F(SessionStoreTest, WhatCanNeverBeWrittenAndIsNoSessionsGoesAlone) {
  open();
  write({broker::RetainedSaved{message(5, "kept", "x", 1)}, broker::RetainedSaved{message(6, "old", "x", 1)}});
  // The number of a message that is there.
  const auto refused =
      refused_of({broker::RetainedSaved{message(7, "new", "x", 1)}, broker::TransitSaved{8, message(5, "t", "x"), 1, 2, 0, {}},
                  broker::TransitSaved{8, message(5, "t", "x"), 1, 2, 0, {}}});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].session, 0U);
  EXPECT_EQ(store->load(now)->restored.retained.size(), 3U);
  EXPECT_EQ(store->load(now)->restored.in_transit.size(), 1U);
}

TEST_F(SessionStoreTest, ARetainedMessageThatCannotBeWrittenLeavesNoOlderOneBehind) {
  open();
  write({session(1), broker::RetainedSaved{message(6, "state", "old", 1)}});
  ASSERT_TRUE(by_hand().execute("INSERT INTO message_1 VALUES (7, 1, 1, x'00')"));  // a number that is taken
  EXPECT_EQ(refused_of({broker::RetainedSaved{message(7, "state", "new", 2)}}).size(), 1U);
  EXPECT_TRUE(store->load(now)->restored.retained.empty());
}

// -- Wills

TEST_F(SessionStoreTest, KeepsTheWillOfEachSession) {
  open();
  write({session(1, message(5, "last/1", "one")), session(2, message(6, "last/2", "two"))});
  write({session(1, message(7, "last/1", "one again"))});
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.sessions.size(), 2U);
  EXPECT_EQ(as_text(loaded.restored.sessions[0].saved.will->view().payload), "one again");
  EXPECT_EQ(as_text(loaded.restored.sessions[1].saved.will->view().payload), "two");
  write({session(1), session(2)});
  EXPECT_EQ(rows("message_1"), 0U);
}

// Programs before kept every Will in row 0, and wrote 0 into the session, which means that it has none.
TEST_F(SessionStoreTest, AStoreOfAnEarlierProgramHasNoWillsAndGoesOn) {
  open();
  write({session(1, message(5, "last/1", "one")), session(2), broker::RetainedSaved{message(6, "kept", "x", 1)}});
  ASSERT_TRUE(by_hand().execute("UPDATE message_1 SET number = 0 WHERE number = 5; UPDATE session_1 SET will = 0"));
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.sessions.size(), 2U);
  for (const auto& restored : loaded.restored.sessions) EXPECT_EQ(restored.saved.will, nullptr);
  EXPECT_EQ(loaded.restored.retained.size(), 1U);
  EXPECT_EQ(loaded.unreadable, 0U);
  EXPECT_EQ(rows("message_1 WHERE number = 0"), 0U);
  write({session(1, message(7, "last/1", "one")), session(2, message(8, "last/2", "two"))});
  EXPECT_EQ(rows("message_1"), 3U);
}

TEST_F(SessionStoreTest, AStoreOfAnEarlierProgramKeepsWhatSessionsAreOwed) {
  open();
  auto started = delivery(1, 10, message(5, "t", "x"));
  started.packet_id = 3;
  write({session(1), started, delivery(1, 11, message(6, "t", "y"))});
  ASSERT_TRUE(
      by_hand().execute("INSERT INTO delivery_1 SELECT session, number, message, qos, retain, scheme, packet_id, "
                        "subscriber, identifiers FROM delivery_2; DELETE FROM delivery_2"));
  open();
  const auto loaded = store->load(now).value();
  ASSERT_EQ(loaded.restored.sessions.size(), 1U);
  const auto& owed = loaded.restored.sessions[0].deliveries;
  ASSERT_EQ(owed.size(), 2U);
  EXPECT_EQ(owed[0].packet_id, 3);
  EXPECT_EQ(as_text(owed[1].message->view().payload), "y");
  write({broker::DeliveryEnded{1, 10}, broker::DeliveryEnded{1, 11}});
  EXPECT_EQ(rows("message_1"), 0U);
}

TEST_F(SessionStoreTest, KeepsByWhichShareAMessageCame) {
  open();
  auto owed = delivery(1, 10, message(5, "t", "x"));
  owed.share = std::make_shared<const std::string>("$share/group/t");
  write({session(1), owed, delivery(1, 11, message(6, "t", "y"))});
  open();
  const auto loaded = store->load(now).value();
  EXPECT_EQ(text(loaded.restored.sessions.at(0).deliveries.at(0).share), "$share/group/t");
  EXPECT_EQ(loaded.restored.sessions.at(0).deliveries.at(1).share, nullptr);
}

TEST_F(SessionStoreTest, IsOnTheDiskWhenItAnswers) {
  open();
  for (Number number : {1, 2, 3}) {
    const int before = syncs;
    write({session(number)});
    EXPECT_GT(syncs, before);
  }
}

TEST_F(SessionStoreTest, ADamagedFileIsAnErrorAndNotACrash) {
  testing::write_text(folder.path() + "/sessions.db", std::string(8192, 'x'));
  EXPECT_FALSE(open_session_store(folder.path() + "/sessions.db", *key, random));
}

// Whatever happens in whatever groups, it comes to hold what plain maps would.
TEST_F(SessionStoreTest, HoldsWhatPlainMapsWouldHold) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 chance(seed);
    const auto below = [&](std::uint64_t bound) { return chance() % bound; };
    testing::MemoryStore model;
    Number last = 0;
    std::map<Number, std::vector<std::pair<Number, int>>> sessions;  // deliveries, with their stage
    std::vector<std::pair<Number, std::uint32_t>> transits;
    std::vector<std::shared_ptr<const broker::Message>> messages;
    const auto new_message = [&](std::string_view payload) {
      const Number stamp = ++last, number = ++last;
      return message(number, "t/" + std::to_string(below(5)), payload, stamp);
    };
    const auto any_message = [&] {
      if (messages.empty() || below(3) == 0) messages.push_back(new_message("p"));
      return messages[messages.size() - 1 - below(std::min<std::size_t>(messages.size(), 4))];
    };
    const auto any_speakers = [&] {
      broker::Speakers speakers;
      for (auto count = below(3); count > 0; --count) speakers.add("speaker-" + std::to_string(count));
      return speakers;
    };
    for (const char* suffix : {"", "-wal", "-shm"}) std::remove((folder.path() + "/sessions.db" + suffix).c_str());
    open();
    for (int round = 0; round < 60; ++round) {
      std::vector<Batch> batches(1 + below(3));
      for (Batch& batch : batches)
        for (std::uint64_t n = below(8); n-- > 0;) {
          const auto what = below(12);
          auto& to = batch.changes;
          if (sessions.empty() || what == 0) {
            sessions[++last];
            to.push_back(broker::SessionSaved{last, "client-" + std::to_string(last), "owner", 60, UINT64_MAX, nullptr, 0});
            continue;
          }
          auto& [session, deliveries] = *std::next(sessions.begin(), static_cast<std::ptrdiff_t>(below(sessions.size())));
          if (what == 1) {
            to.push_back(broker::SessionSaved{session, "client-" + std::to_string(session), "owner", 70, now.steady + 1000,
                                              below(2) == 0 ? any_message() : nullptr, 5, any_speakers()});
          } else if (what == 2 && below(4) == 0) {
            to.push_back(broker::SessionEnded{session});
            sessions.erase(session);
          } else if (what == 3) {
            to.push_back(broker::SubscriptionSaved{
                session, "f/" + std::to_string(below(3)), {}, 7, 0, std::make_shared<const std::string>("reader")});
          } else if (what == 4) {
            to.push_back(broker::SubscriptionEnded{session, "f/" + std::to_string(below(3))});
          } else if (what <= 6) {
            deliveries.emplace_back(++last, 0);
            to.push_back(broker::DeliverySaved{session, last, any_message(), QoS::exactly_once, false, 0, 0, nullptr, {1, 2}});
          } else if (what <= 8 && !deliveries.empty()) {
            const auto at = below(deliveries.size());
            auto& [delivery, stage] = deliveries[at];
            if (stage == 0)
              to.push_back(broker::DeliveryStarted{session, delivery, static_cast<std::uint16_t>(1 + below(9))});
            else if (stage == 1)
              to.push_back(broker::DeliveryReceived{session, delivery});
            else
              to.push_back(broker::DeliveryEnded{session, delivery});
            if (++stage == 3) deliveries.erase(deliveries.begin() + static_cast<std::ptrdiff_t>(at));
          } else if (what == 9) {
            const auto packet_id = static_cast<std::uint16_t>(1 + below(3));
            if (below(2) == 0)
              to.push_back(broker::IncomingSaved{session, packet_id});
            else
              to.push_back(broker::IncomingEnded{session, packet_id});
          } else if (what == 10) {
            to.push_back(broker::RetainedSaved{below(3) == 0 ? new_message("") : any_message()});
          } else {
            if (!transits.empty() && below(2) == 0) {
              to.push_back(broker::TransitEnded{transits.back().first, transits.back().second});
              transits.pop_back();
            } else {
              transits.emplace_back(++last, 1);
              to.push_back(broker::TransitSaved{last, any_message(), 1, 2, session, "f"});
            }
          }
        }
      std::vector<const Batch*> group;
      for (const Batch& batch : batches) {
        model.apply(batch);
        group.push_back(&batch);
      }
      ASSERT_TRUE(store->write(group, now));
    }
    if (seed % 2 == 0) open();
    ASSERT_EQ(lines(store->load(now).value().restored), lines(model.restored())) << "seed " << seed;
  }
}

TEST(MessageRecord, ConvertsBetweenTheClocks) {
  const Now now{5'000, 1'800'000'000'000};
  EXPECT_EQ(wall_of(UINT64_MAX, now), 0U);
  EXPECT_EQ(steady_of(0, now), UINT64_MAX);
  EXPECT_EQ(steady_of(wall_of(9'000, now), {100, 1'800'000'001'000}), 3'100U);
  EXPECT_EQ(steady_of(wall_of(4'000, now), now), now.steady);
}

TEST(MessageRecord, KeepsByWhatItsAuthorHadLoggedInAndReadsThoseOfBefore) {
  const Now now{1, 1};
  for (const std::size_t login : {broker::login_by_password, broker::login_by_transport, std::size_t{0}, std::size_t{5}}) {
    broker::MessageView view;
    view.topic = "t";
    view.payload = view.wire = as_bytes("x");
    view.author = "boiler-7";
    view.login = broker::LoginMark(login);
    const Buffer record = encode_record(broker::Message(view, 1), now);
    EXPECT_EQ(decode_record(record, 1, now).value()->view().login.login(), login);
  }
  broker::MessageView view;
  view.topic = "t";
  view.payload = view.wire = as_bytes("x");
  Buffer record = encode_record(broker::Message(view, 1), now);
  EXPECT_TRUE(decode_record(record, 1, now).value()->view().login.is_none());
  record[0] = 1;  // as programs of before wrote it: without a login behind the scheme
  record.erase(record.begin() + 2 + record[1]);
  EXPECT_TRUE(decode_record(record, 1, now).value()->view().login.is_none());
}

TEST(MessageRecord, RefusesWhatIsCutOrChanged) {
  broker::MessageView view;
  view.topic = "t";
  view.payload = view.wire = as_bytes("x");
  const Now now{1, 1};
  const Buffer record = encode_record(broker::Message(view, 1), now);
  EXPECT_TRUE(decode_record(record, 1, now));
  for (std::size_t size = 0; size < record.size(); ++size) EXPECT_FALSE(decode_record(Bytes(record).first(size), 1, now));
  Buffer longer = record;
  longer.push_back(0);
  EXPECT_FALSE(decode_record(longer, 1, now));
}

}  // namespace
}  // namespace sealmq::server
