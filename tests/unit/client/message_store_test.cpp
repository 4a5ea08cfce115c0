#include "client/message_store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include <set>

#include "sealmq/keystore.h"
#include "support/fakes.h"
#include "support/in_child.h"
#include "support/temporary_folder.h"

namespace sealmq {
namespace {

using mqtt::QoS;
using testing::CountingRandom;
using testing::TemporaryFolder;

StoredMessage message(std::string topic, std::string_view payload, QoS qos = QoS::at_least_once) {
  StoredMessage message;
  message.topic = std::move(topic);
  message.payload = to_buffer(as_bytes(payload));
  message.options.qos = qos;
  return message;
}

class MessageStoreTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<MessageStore>> try_open(KeyStore* key = nullptr, std::string client = "device",
                                                 std::size_t limit = 1'000'000) {
    return MessageStore::open(path_, std::move(client), key, limit, random_);
  }
  std::unique_ptr<MessageStore> open(KeyStore* key = nullptr) { return try_open(key).value(); }
  std::vector<std::string> kept(KeyStore* key = nullptr) {
    std::vector<std::string> payloads;
    const auto store = open(key);
    for (const auto& [number, message] : store->messages()) payloads.emplace_back(as_text(message.payload));
    return payloads;
  }

  CountingRandom random_;
  TemporaryFolder folder_;
  std::string path_ = folder_ / "messages";
};

using Texts = std::vector<std::string>;

TEST_F(MessageStoreTest, KeepsWhatWasPutThereInOrder) {
  auto store = open();
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(store->put(message("a", text)));
  ASSERT_TRUE(store->sync());
  store.reset();
  EXPECT_EQ(kept(), (Texts{"one", "two", "three"}));
  EXPECT_EQ(kept(), (Texts{"one", "two", "three"}));
}

TEST_F(MessageStoreTest, KeepsAllThatAMessageSaysAndHowFarItHasGot) {
  StoredMessage full = message("plant/7", "4.2", QoS::exactly_once);
  full.options.retain = true;
  full.options.user_properties = {{"unit", "bar"}, {"unit", "psi"}};
  full.options.properties = {
      .is_text = true, .expiry = 60, .content_type = "text", .response_topic = "r", .correlation_data = {1, 2}};
  auto store = open();
  const auto number = store->put(full).value();
  store->started(number, 700);
  store->received(number);
  ASSERT_TRUE(store->sync());
  store.reset();
  store = open();
  ASSERT_EQ(store->messages().size(), 1U);
  full.packet_id = 700;
  full.is_received = true;
  EXPECT_EQ(store->messages().begin()->second, full);
}

TEST_F(MessageStoreTest, ForgetsWhatIsDone) {
  auto store = open();
  const auto first = store->put(message("a", "one")).value();
  ASSERT_TRUE(store->put(message("a", "two")));
  store->done(first);
  ASSERT_TRUE(store->sync());
  store.reset();
  EXPECT_EQ(kept(), Texts{"two"});
}

TEST_F(MessageStoreTest, IsReadableByItsOwnerAlone) {
  auto store = open();
  EXPECT_EQ(testing::mode_of(path_), 0600U);
  store.reset();
  ::chmod(path_.c_str(), 0640);
  EXPECT_EQ(try_open().error().blame, Blame::caller_misused);
}

TEST_F(MessageStoreTest, ASecondClientIsRefused) {
  auto store = open();
  EXPECT_EQ(try_open().error().blame, Blame::environment);
  store.reset();
  EXPECT_TRUE(try_open());
}

TEST_F(MessageStoreTest, BelongsToOneClientAndOneKey) {
  auto key = make_memory_keys("device", Kind::device, random_);
  auto other = make_memory_keys("other", Kind::device, random_);
  {
    auto store = open(key.get());
    ASSERT_TRUE(store->put(message("a", "one")));
    ASSERT_TRUE(store->sync());
  }
  EXPECT_EQ(try_open(key.get(), "another").error().blame, Blame::caller_misused);
  EXPECT_EQ(try_open(other.get()).error().blame, Blame::caller_misused);
  EXPECT_EQ(try_open().error().blame, Blame::caller_misused);
  EXPECT_EQ(kept(key.get()), Texts{"one"});
}

TEST_F(MessageStoreTest, WithAKeyNothingOfAMessageCanBeRead) {
  auto key = make_memory_keys("device", Kind::device, random_);
  auto store = open(key.get());
  ASSERT_TRUE(store->put(message("secret/topic", "secret payload")));
  ASSERT_TRUE(store->sync());
  EXPECT_EQ(testing::read_text(path_).find("secret"), std::string::npos);
  store.reset();
  EXPECT_EQ(kept(key.get()), Texts{"secret payload"});
  EXPECT_EQ(testing::read_text(path_).find("secret"), std::string::npos);
}

TEST_F(MessageStoreTest, EachProcessSealsUnderAKeyOfItsOwn) {
  auto key = make_memory_keys("device", Kind::device, random_);
  {
    auto store = open(key.get());
    ASSERT_TRUE(store->put(message("a", "one")));
    ASSERT_TRUE(store->sync());
  }
  const auto first = testing::read_text(path_);
  open(key.get());
  EXPECT_NE(testing::read_text(path_), first);
  EXPECT_EQ(testing::read_text(path_).size(), first.size());
}

TEST_F(MessageStoreTest, ACopyOrABackupIsGoneOnWithUnderKeysOfItsOwn) {
  auto key = make_memory_keys("device", Kind::device, random_);
  {
    auto store = open(key.get());
    ASSERT_TRUE(store->put(message("a", "one")));
    ASSERT_TRUE(store->sync());
  }
  const auto backup = testing::read_text(path_);
  const auto header_of = [](const std::string& file) { return file.substr(0, 19 + 1 + 2 + 6 + 33); };  // with the fresh key
  std::set<std::string> headers{header_of(backup)};
  for (const char* copy : {"here", "there", "here"}) {
    path_ = folder_ / copy;
    testing::write_text(path_, backup);
    ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
    auto store = open(key.get());
    ASSERT_TRUE(store->put(message("a", copy)));
    ASSERT_TRUE(store->sync());
    EXPECT_TRUE(headers.insert(header_of(testing::read_text(path_))).second) << copy;
  }
}

TEST_F(MessageStoreTest, IsWrittenByItsProcessAlone) {
  auto key = make_memory_keys("device", Kind::device, random_);
  for (KeyStore* its : {static_cast<KeyStore*>(nullptr), key.get()}) {
    path_ = folder_ / (its == nullptr ? "clear" : "sealed");
    auto store = open(its);
    const auto number = store->put(message("a", "one")).value();
    ASSERT_TRUE(store->sync());
    EXPECT_EQ(testing::in_child([&] {
                const bool was_put = store->put(message("a", "two")).has_value();
                store->done(number);
                return std::string(was_put || store->sync() ? "written" : "refused");
              }),
              "refused");
    ASSERT_TRUE(store->put(message("a", "three")));
    ASSERT_TRUE(store->sync());
    store.reset();
    EXPECT_EQ(kept(its), (Texts{"one", "three"}));
  }
}

TEST_F(MessageStoreTest, IsBounded) {
  auto store = try_open(nullptr, "device", 1000).value();
  ASSERT_TRUE(store->put(message("a", std::string(800, 'x'))));
  const auto refused = store->put(message("a", std::string(800, 'x')));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, static_cast<std::uint8_t>(mqtt::Reason::quota_exceeded));
  store->done(1);
  EXPECT_TRUE(store->put(message("a", std::string(800, 'x'))));
}

TEST_F(MessageStoreTest, TheFileDoesNotGrowWithWhatIsDone) {
  auto store = open();
  for (int i = 0; i < 200; ++i) {
    const auto number = store->put(message("a", std::string(50'000, 'x'))).value();
    store->done(number);
    ASSERT_TRUE(store->sync());
  }
  EXPECT_LT(std::filesystem::file_size(path_), 3'000'000U);
}

// A process that is killed leaves a record half written: wherever that ends, all before it counts.
TEST_F(MessageStoreTest, ARecordThatIsHalfThereEndsTheFile) {
  for (const bool sealed : {false, true}) {
    auto key = make_memory_keys("device", Kind::device, random_);
    KeyStore* its = sealed ? key.get() : nullptr;
    std::filesystem::remove(path_);
    {
      auto store = open(its);
      ASSERT_TRUE(store->put(message("a", "one")));
      ASSERT_TRUE(store->sync());
    }
    const auto short_one = testing::read_text(path_).size();
    {
      auto store = open(its);
      ASSERT_TRUE(store->put(message("a", "two")));
      ASSERT_TRUE(store->sync());
    }
    const auto whole = testing::read_text(path_);
    for (auto size = short_one; size < whole.size(); ++size) {
      std::size_t end = 0;
      const auto read = read_stored_messages(as_bytes(whole).first(size), "device", its, end);
      ASSERT_TRUE(read) << size;
      EXPECT_EQ(read->size(), 1U) << size;
      EXPECT_EQ(end, short_one);
    }
  }
}

TEST_F(MessageStoreTest, WhatWasDamagedIsToldAndPutAside) {
  {
    auto store = open();
    ASSERT_TRUE(store->put(message("a", "one")));
    ASSERT_TRUE(store->put(message("a", "two")));
    ASSERT_TRUE(store->sync());
  }
  auto file = testing::read_text(path_);
  file[file.size() - 20] ^= 1;
  testing::write_text(path_, file);
  auto store = open();
  EXPECT_EQ(store->messages().size(), 1U);
  EXPECT_NE(store->damage().find(path_ + ".damaged"), std::string::npos);
  EXPECT_EQ(testing::read_text(path_ + ".damaged"), file);
  EXPECT_EQ(testing::mode_of(path_ + ".damaged"), 0600U);
  store.reset();
  EXPECT_EQ(open()->damage(), "");
}

TEST_F(MessageStoreTest, AChangedOctetIsNeverTakenForAMessage) {
  auto key = make_memory_keys("device", Kind::device, random_);
  {
    auto store = open(key.get());
    ASSERT_TRUE(store->put(message("a", "one")));
    ASSERT_TRUE(store->sync());
  }
  const auto whole = testing::read_text(path_);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto changed = whole;
    changed[at] ^= 4;
    std::size_t end = 0;
    const auto read = read_stored_messages(as_bytes(changed), "device", key.get(), end);
    EXPECT_TRUE(!read || read->empty()) << at;
  }
}

}  // namespace
}  // namespace sealmq
