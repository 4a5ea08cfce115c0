// Smart cards: their APDUs, a simulated one, and what becomes of who uses it when it is pulled out.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/try.h"
#include "crypto/ecdsa.h"
#include "crypto/random.h"
#include "keystore/apdu_card.h"
#include "keystore/card_commands.h"
#include "keystore/card_keys.h"
#include "keystore/sequence_file.h"
#include "keystore/software_card.h"
#include "support/simulated_card.h"
#include "support/temporary_folder.h"

namespace sealmq::card {
namespace {

using testing::Reader;
using testing::TemporaryFolder;

constexpr const char* who = "boiler07";

// -- APDUs

Command decoded(Buffer bytes) {
  const auto command = decode_command(bytes);
  EXPECT_TRUE(command) << command.error().what;
  return command.value_or(Command());
}

TEST(Apdu, ComesBackShortAndExtended) {
  for (const std::size_t size : {0, 1, 255, 256, 300, 65535}) {
    for (const std::size_t expected : {0, 1, 256, 257, 65536}) {
      const Command command{0x80, 0x28, 1, 2, Buffer(size, 7), expected};
      const Command again = decoded(encode(command));
      EXPECT_EQ(again.data, command.data);
      EXPECT_EQ(again.expected, expected) << size;
      EXPECT_EQ(again.ins, 0x28);
    }
  }
}

TEST(Apdu, RefusesWhatIsCutShortOrTooLong) {
  EXPECT_FALSE(decode_command({}));
  EXPECT_FALSE(decode_command(Buffer{0x80, 0x20, 0}));
  EXPECT_FALSE(decode_command(Buffer{0x80, 0x20, 0, 0, 5, 1, 2}));
  EXPECT_FALSE(decode_command(Buffer{0x80, 0x20, 0, 0, 2, 1, 2, 3, 4}));
  EXPECT_FALSE(decode_command(Buffer{0x80, 0x20, 0, 0, 0, 0, 9, 1}));
  EXPECT_FALSE(decode_command(Buffer{0x80, 0x20, 0, 0, 0, 0, 0, 1, 2}));
  EXPECT_FALSE(decode_command(Buffer{0x80, 0x20, 0, 0, 0, 0, 1, 5, 1, 2, 3}));
  EXPECT_FALSE(decode_answer({}));
  EXPECT_FALSE(decode_answer(Buffer{0x90}));
  EXPECT_EQ(decode_answer(Buffer{1, 0x90, 0})->data, Buffer{1});
}

// -- the simulated card

class CardTest : public ::testing::Test {
 protected:
  CardTest() : reader_(std::make_shared<Reader>(folder_ / "card", random_)) {}

  std::uint16_t say(const Command& command) { return ask(command).status; }
  Answer ask(const Command& command) {
    if (!channel_) channel_ = reader_->open(true).value();
    return decode_answer(channel_->transmit(encode(command)).value()).value();
  }
  std::uint16_t select() { return say({class_iso, ins_select, 4, 0, Buffer(applet_id.begin(), applet_id.end())}); }
  std::uint16_t applet(std::uint8_t ins, Buffer data = {}, std::uint8_t p1 = 0) {
    return say({class_applet, ins, p1, 0, std::move(data), 65536});
  }
  std::uint16_t verify(std::string_view pin) { return say({class_iso, ins_verify, 0, 1, to_buffer(as_bytes(pin))}); }
  OpenChannel opener() {
    return [reader = reader_](bool alone) { return reader->open(alone); };
  }

  TemporaryFolder folder_;
  crypto::OsRandom random_;
  std::shared_ptr<Reader> reader_;
  std::unique_ptr<CardChannel> channel_;
};

TEST_F(CardTest, AnswersAsThePublishedAppletDoes) {
  EXPECT_EQ(applet(ins_get_uid), status_out_of_turn) << "not selected";
  EXPECT_EQ(select(), status_done);
  EXPECT_EQ(say({0x90, ins_get_uid}), status_wrong_class);
  EXPECT_EQ(applet(0x77), status_wrong_ins);
  EXPECT_EQ(applet(ins_put_uid, Buffer(7, 'a')), status_wrong_length);
  EXPECT_EQ(applet(ins_put_uid, Buffer(8, '#')), status_check_error);
  EXPECT_EQ(applet(ins_put_uid, to_buffer(as_bytes(who))), status_done);
  EXPECT_EQ(as_text(ask({class_applet, ins_get_uid, 0, 0, {}, 8}).data), who);
  EXPECT_EQ(select(), status_done);
  EXPECT_EQ(ask({class_applet, ins_get_uid, 0, 0, {}, 8}).data, Buffer(8)) << "its UID is gone with the selection";
  EXPECT_EQ(applet(ins_auth_step_1), status_no_key);
  EXPECT_EQ(ask({class_applet, ins_create_pair, 0, 0, {}, 600}).data.size(), 4U + 3U + 256U);
  EXPECT_EQ(applet(ins_auth_step_1), status_not_begun);
  EXPECT_EQ(applet(ins_init_ciphers), status_done);
  EXPECT_EQ(applet(ins_auth_step_1), status_check_error) << "no UID";
  EXPECT_EQ(applet(ins_read_rn1), status_check_error);
  EXPECT_EQ(applet(ins_put_uid, to_buffer(as_bytes(who)), 1), status_done);
  EXPECT_EQ(ask({class_applet, ins_auth_step_1, 0, 0, {}, 65536}).data.size(), 266U);
  EXPECT_EQ(ask({class_applet, ins_read_rn1, 0, 0, {}, 16}).data.size(), 16U);
  EXPECT_EQ(applet(ins_auth_step_2, Buffer(516)), status_check_error) << "no key of the broker";
  EXPECT_EQ(applet(ins_make_publish, Buffer(10)), status_check_error) << "not logged in";
  EXPECT_EQ(applet(ins_put_broker_key, Buffer(259)), status_wrong_length);
  EXPECT_EQ(applet(ins_memory), status_done);
}

TEST_F(CardTest, KeepsKeysAndUidWithoutPower) {
  select();
  const Buffer pair = ask({class_applet, ins_create_pair, 0, 0, {}, 600}).data;
  const Buffer ecdsa = ask({class_applet, ins_create_ecdsa, 0, 0, {}, 33}).data;
  applet(ins_put_uid, to_buffer(as_bytes(who)), 1);
  channel_.reset();
  reader_->pull_out();
  EXPECT_FALSE(reader_->open(true));
  reader_->insert();
  select();
  EXPECT_EQ(ask({class_applet, ins_public_key, 0, 0, {}, 600}).data, pair);
  EXPECT_EQ(ask({class_applet, ins_ecdsa_public, 0, 0, {}, 33}).data, ecdsa);
  EXPECT_EQ(as_text(ask({class_applet, ins_get_uid, 0, 0, {}, 8}).data), who);
  struct stat found {};
  ASSERT_EQ(::stat((folder_ / "card/card").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(CardTest, LocksItselfAfterThreeWrongPinsAndCountsThemWithoutPower) {
  select();
  EXPECT_EQ(say({class_iso, ins_verify, 0, 1}), status_no_pin);
  EXPECT_EQ(say({class_iso, ins_change_pin, 1, 1, Buffer(3, '1')}), status_wrong_length);
  EXPECT_EQ(say({class_iso, ins_change_pin, 1, 1, to_buffer(as_bytes("271828"))}), status_done);
  EXPECT_EQ(applet(ins_create_pair), status_not_verified);
  EXPECT_EQ(applet(ins_sign, Buffer(3), p1_ecdsa), status_not_verified);
  EXPECT_EQ(verify("000000"), status_tries_left | 2);
  EXPECT_EQ(verify("271828"), status_done);
  EXPECT_EQ(applet(ins_create_ecdsa), status_done);
  EXPECT_EQ(verify("000000"), status_tries_left | 2);
  channel_.reset();
  reader_->pull_out();
  reader_->insert();
  select();
  EXPECT_EQ(say({class_iso, ins_verify, 0, 1}), status_tries_left | 2);
  EXPECT_EQ(verify("000000"), status_tries_left | 1);
  EXPECT_EQ(verify(""), status_tries_left | 1) << "asking costs nothing";
  EXPECT_EQ(verify("000000"), status_pin_blocked);
  EXPECT_EQ(verify("271828"), status_pin_blocked);
}

TEST_F(CardTest, RefusesAFolderThatOthersCanRead) {
  const auto folder = folder_ / "open";
  ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0);
  EXPECT_FALSE(CardApplet::open(folder, random_));
  EXPECT_FALSE(CardApplet::open(folder_ / "card", random_)) << "it is in a reader already";
}

TEST_F(CardTest, SurvivesTruncatedAndOversizedCommands) {
  select();
  ask({class_applet, ins_create_pair, 0, 0, {}, 600});
  applet(ins_put_uid, to_buffer(as_bytes(who)), 1);
  applet(ins_init_ciphers);
  for (int ins = 0; ins < 256; ++ins) {
    if (ins == ins_create_pair) continue;
    for (const std::size_t size : {0, 1, 2, 8, 255, 300, 65535}) {
      const Command command{class_applet, static_cast<std::uint8_t>(ins), 1, 0, Buffer(size, 0xFF), 65536};
      const Buffer whole = encode(command);
      EXPECT_GE(channel_->transmit(whole)->size(), 2U);
      EXPECT_GE(channel_->transmit(Bytes(whole).first(whole.size() / 2))->size(), 2U);
    }
  }
}

// -- keys on the card

class CardKeysTest : public CardTest {
 protected:
  CardKeysTest() {
    identity_ = create_card_keys(opener(), "the card", who, Kind::device, {}).value();
    broker_ = make_memory_keys("broker", Kind::broker, random_, 2048);
  }
  std::unique_ptr<KeyStore> open(PinAsker asker = {}) {
    return open_card_keys(
               opener(), "the card", identity_, [this](const std::string&) { return open_sequence_file(folder_ / "sequence"); },
               std::move(asker))
        .value();
  }
  void set_pin(std::string_view pin) {
    select();
    EXPECT_EQ(say({class_iso, ins_change_pin, 1, 1, to_buffer(as_bytes(pin))}), status_done);
    channel_.reset();
  }

  PublicIdentity identity_;
  std::unique_ptr<KeyStore> broker_;
};

TEST_F(CardKeysTest, ACardPulledOutInAnyStateCanBeUsedAgainWhenItIsBack) {
  const auto keys = open();
  const auto card = keys->open_card(CardForm::paper, 16, random_).value();
  ASSERT_TRUE(card->put_broker_key(broker_->identity().keys.rsa));
  testing::CardBroker other(*broker_, identity_.keys.rsa, who, random_);
  Buffer step1;
  const std::vector<std::function<Result<>()>> steps{
      [&]() -> Result<> {
        step1 = TRY(card->auth_step_1());
        return {};
      },
      [&] { return card->auth_step_2(other.answer(step1)); },
      [&]() -> Result<> {
        TRY(card->auth_step_3());
        return {};
      },
      [&]() -> Result<> {
        TRY(card->make_publish(as_bytes("21.5")));
        return {};
      },
      [&]() -> Result<> {
        other.take_next_key(TRY(card->make_pubrel()));
        return {};
      },
      [&]() -> Result<> {
        TRY(card->read_payload(other.publish("on")));
        return {};
      },
      [&] { return card->check_pubrel(other.next_key()); },
  };
  for (std::size_t lost = 0; lost < steps.size(); ++lost) {
    for (std::size_t i = 0; i < lost; ++i) {
      const auto done = steps[i]();
      ASSERT_TRUE(done) << lost << " " << i << " " << done.error().what;
    }
    reader_->pull_out();
    const auto failed = steps[lost]();
    ASSERT_FALSE(failed) << lost;
    EXPECT_EQ(failed.error().blame, Blame::environment) << failed.error().what;
    EXPECT_FALSE(keys->check());
    EXPECT_FALSE(keys->sign_ecdsa(as_bytes("x")));
    reader_->insert();
    EXPECT_TRUE(keys->check());
    if (lost == 0) continue;
    EXPECT_FALSE(steps[lost]()) << "the session is over: " << lost;
  }
  for (const auto& step : steps) ASSERT_TRUE(step());
}

TEST_F(CardKeysTest, ASessionHasTheCardForItself) {
  const auto first = open(), second = open();
  const auto card = first->open_card(CardForm::paper, 16, random_).value();
  ASSERT_TRUE(card->auth_step_1());
  std::thread other([&] {
    const auto another = second->open_card(CardForm::paper, 16, random_).value()->auth_step_1();
    ASSERT_FALSE(another);
    EXPECT_NE(another.error().what.find("another program"), std::string::npos) << another.error().what;
  });
  other.join();
}

TEST_F(CardKeysTest, AnotherCardInTheReaderIsNoticed) {
  const auto keys = open();
  create_card_keys(opener(), "the card", who, Kind::device, {}).value();
  const auto signature = keys->sign_ecdsa(as_bytes("x"));
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().blame, Blame::environment);
}

TEST_F(CardKeysTest, TheLastTryIsLeftToAPerson) {
  set_pin("271828");
  int asked = 0;
  const auto wrong = [&](const std::string&) -> Result<Secret> {
    ++asked;
    return Secret(as_bytes(asked == 1 ? "000000" : "111111"));
  };
  const auto keys = open(wrong);
  for (int i = 0; i < 2; ++i) {
    const auto refused = keys->sign_ecdsa(as_bytes("x"));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("PIN"), std::string::npos) << refused.error().what;
  }
  EXPECT_EQ(asked, 2);
  ::setenv("SEALMQ_PIN", "222222", 1);
  const auto nobody = open()->sign_ecdsa(as_bytes("x"));
  ::unsetenv("SEALMQ_PIN");
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().what.find("one try is left"), std::string::npos) << nobody.error().what;

  std::string question;
  const auto right = [&](const std::string& text) -> Result<Secret> {
    question = text;
    return Secret(as_bytes("271828"));
  };
  EXPECT_TRUE(open(right)->sign_ecdsa(as_bytes("x")));
  EXPECT_NE(question.find("LAST"), std::string::npos) << question;
  EXPECT_EQ(select(), status_done);
  EXPECT_EQ(say({class_iso, ins_verify, 0, 1}), status_tries_left | 3);
}

TEST_F(CardKeysTest, APinThatWasRefusedIsNotTriedAgain) {
  set_pin("271828");
  int asked = 0;
  const auto keys = open([&](const std::string&) -> Result<Secret> {
    ++asked;
    return Secret(as_bytes("000000"));
  });
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(keys->sign_ecdsa(as_bytes("x")));
  select();
  EXPECT_EQ(say({class_iso, ins_verify, 0, 1}), status_tries_left | 2);
}

TEST_F(CardKeysTest, WhoSignsNextHasToKnowThePinToo) {
  set_pin("271828");
  EXPECT_TRUE(open([](const std::string&) -> Result<Secret> { return Secret(as_bytes("271828")); })->sign_ecdsa(as_bytes("x")));
  EXPECT_FALSE(open()->sign_ecdsa(as_bytes("x")));
}

TEST_F(CardKeysTest, ReadsNothingButAKeyFromACardsAnswer) {
  const Buffer modulus = identity_.keys.rsa;
  EXPECT_EQ(decode_public_pair(encode_public_pair(modulus)).value(), modulus);
  EXPECT_EQ(decode_public_pair({}).value(), Buffer());
  Buffer pair = encode_public_pair(modulus);
  EXPECT_FALSE(decode_public_pair(Bytes(pair).first(200)));
  pair.push_back(0);
  EXPECT_FALSE(decode_public_pair(pair));
  EXPECT_FALSE(decode_public_pair(Buffer{0, 1, 0, 1, 3, 5}));
}

TEST_F(CardKeysTest, ANameThatIsNoUidIsRefusedWithAHint) {
  const auto made = create_card_keys(opener(), "the card", "boiler-7", Kind::device, {});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().what.find("hint:"), std::string::npos);
}

}  // namespace
}  // namespace sealmq::card
