#include "server/session_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "registry/sqlite.h"
#include "sealmq/scheme.h"
#include "server/message_record.h"
#include "support/fakes.h"
#include "support/memory_store.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

using broker::Batch;
using broker::Number;
using mqtt::QoS;

std::string text(const std::shared_ptr<const broker::Message>& message) {
  if (message == nullptr) return "-";
  const auto& v = message->view();
  std::string all = std::to_string(message->number()) + ":" + std::string(v.topic) + "=" + std::string(as_text(v.payload)) + "/" +
                    std::string(as_text(v.wire)) + "/" + std::string(v.author) + "/" + std::string(v.publisher) + "/" +
                    std::to_string(static_cast<int>(v.qos)) + std::to_string(v.retain) + std::to_string(v.scheme) + "/" +
                    std::to_string(v.expires) + "/" + std::to_string(v.stamp);
  if (v.properties != nullptr)
    for (const auto& user : v.properties->user) all += "," + std::string(user.name) + "=" + std::string(user.value);
  return all;
}
std::string text(const std::shared_ptr<const std::string>& name) {
  return name == nullptr ? "-" : *name;
}

/// One line for each thing, sorted.
std::vector<std::string> lines(const broker::Restored& restored) {
  std::vector<std::string> all;
  for (const auto& s : restored.sessions) {
    const std::string head = std::to_string(s.saved.session) + " ";
    all.push_back(head + s.saved.client_id + " " + s.saved.owner + " " + std::to_string(s.saved.expiry_interval) + " " +
                  std::to_string(s.saved.expires) + " " + text(s.saved.will) + " " + std::to_string(s.saved.will_delay) + " " +
                  (s.saved.speakers.are_several() ? "*" : s.saved.speakers.only()));
    for (const auto& c : s.subscriptions)
      all.push_back(head + "sub " + c.filter + std::to_string(static_cast<int>(c.options.qos)) +
                    std::to_string(c.options.no_local) + std::to_string(c.options.retain_as_published) +
                    std::to_string(static_cast<int>(c.options.retain_handling)) + " " + std::to_string(c.identifier) + " " +
                    std::to_string(c.scheme) + " " + text(c.subscriber));
    for (const auto& d : s.deliveries) {
      std::string line = head + "owed " + std::to_string(d.delivery) + " " + text(d.message) + " " +
                         std::to_string(static_cast<int>(d.qos)) + std::to_string(d.retain) + " " + std::to_string(d.scheme) +
                         " " + std::to_string(d.packet_id) + " " + text(d.subscriber);
      for (auto identifier : d.identifiers) line += " " + std::to_string(identifier);
      all.push_back(line);
    }
    for (auto packet_id : s.incoming) all.push_back(head + "incoming " + std::to_string(packet_id));
  }
  for (const auto& message : restored.retained) all.push_back("retained " + text(message));
  for (const auto& t : restored.in_transit)
    all.push_back("transit " + std::to_string(t.transit) + " " + text(t.message) + " " + std::to_string(t.shard) + "/" +
                  std::to_string(t.shards) + " " + std::to_string(t.session) + " " + t.filter);
  std::ranges::sort(all);
  return all;
}

class SessionStoreTest : public ::testing::Test {
 protected:
  void open() {
    store.reset();
    auto opened = open_session_store(folder.path() + "/sessions.db", *key, random);
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
  void write(std::vector<broker::Change> changes) {
    const Batch batch{++batch_number, std::move(changes)};
    ASSERT_TRUE(store->write({&batch}, now));
  }
  std::uint64_t rows(const std::string& table) {
    auto database = sqlite::Database::open(folder.path() + "/sessions.db", sqlite::Durability::every_commit);
    return database->number("SELECT count(*) FROM " + table).value();
  }

  Now now{5'000, 1'800'000'000'000};
  testing::TemporaryFolder folder;
  testing::CountingRandom random;
  std::unique_ptr<KeyStore> key = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<SessionStore> store;
  std::uint64_t batch_number = 0;
};

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
  EXPECT_EQ(rows("delivery_1"), 0U);
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
  EXPECT_EQ(rows("message_1") + rows("delivery_1") + rows("transit_1"), 0U);
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
  write({broker::SessionSaved{1, "a", "owner", 60, UINT64_MAX, nullptr, 0},
         broker::DeliverySaved{1, 10, message(5, "t", "x"), QoS::at_least_once, false, 0, 0, nullptr, {}}});
  // The second row of the same key cannot be written, so nothing of this group is.
  const Batch bad{
      9,
      {broker::DeliverySaved{1, 12, message(6, "t", "y"), QoS::at_least_once, false, 0, 0, nullptr, {}},
       broker::DeliveryEnded{1, 10},
       broker::DeliverySaved{1, 11, message(7, "t", "z"), QoS::at_least_once, false, 0, 0, nullptr, {}},
       broker::TransitSaved{5, message(5, "t", "x"), 1, 2, 0, {}}, broker::TransitSaved{5, message(5, "t", "x"), 1, 2, 0, {}}}};
  EXPECT_FALSE(store->write({&bad}, now));
  EXPECT_EQ(rows("delivery_1"), 1U);
  EXPECT_EQ(rows("message_1"), 1U);
  write({broker::DeliveryEnded{1, 10}});
  EXPECT_EQ(rows("message_1"), 0U);
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
