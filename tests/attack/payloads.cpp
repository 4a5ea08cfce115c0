// What somebody at the broker, or with a key that is not enough, tries with containers. The claims under attack: nobody without
// the topic's key reads or writes; what is taken was said by its author, on this topic, to these readers, lately, and once.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"
#include "crypto/random.h"
#include "schemes/payload/paper_frames.h"
#include "schemes/payload/receiving.h"
#include "schemes/payload/sending.h"
#include "support/payload_parties.h"
#include "support/temporary_folder.h"

namespace sealmq::testing {
namespace {

using namespace payload;
using Form = TopicKey::Form;
using Kind = TopicKey::Kind;

struct Payloads : PayloadParties, ::testing::Test {
  /// A container under the topic's key whose header an attacker who has the key has made up, encoding and all.
  Buffer with_header(const Buffer& header, std::string_view text = "x") {
    const SenderName sender = {9, 9, 9, 9, 9, 9};
    SenderKeys keys(key, sender);
    Buffer out;
    begin_encrypt0(out, header, text.size() + 16);
    keys.seal(1, enc_structure(Structure::encrypt0, header, external_aad("a")), as_bytes(text), out);
    return out;
  }
  /// Deterministic, with one label left out or given another value.
  Buffer header_but(int label, const char* encoded_value) {
    const auto seconds = static_cast<std::uint32_t>(now.wall / 1000);
    Buffer time = from_hex("a1061a").value();
    for (int shift = 24; shift >= 0; shift -= 8) time.push_back(static_cast<std::uint8_t>(seconds >> shift));
    std::map<int, Buffer> parts = {{1, from_hex("01").value()},
                                   {2, from_hex("810f").value()},
                                   {4, from_hex("50090909090909" + std::string(20, '0')).value()},
                                   {6, from_hex("4101").value()},
                                   {10, from_hex("48" + to_hex(key.id)).value()},
                                   {15, time}};
    if (encoded_value == nullptr)
      parts.erase(label);
    else if (label != 0)
      parts[label] = from_hex(encoded_value).value();
    Buffer out;
    cbor::Writer writer(out);
    writer.map(parts.size());
    for (const auto& [its_label, value] : parts) writer.integer(its_label).encoded(value);
    return out;
  }
};

TEST_F(Payloads, EveryHeaderIsNeededAndOfItsType) {
  share("a", Kind::symmetric, Form::bare);
  EXPECT_EQ(cause(open("a", with_header(header_but(0, "")))), "");  // the attack would succeed, if nothing were wrong
  for (const int label : {1, 2, 4, 6, 10, 15}) {
    EXPECT_NE(cause(open("a", with_header(header_but(label, nullptr)))), "") << label << " is missing";
    for (const char* wrong : {"f6", "f5", "6161", "80", "a0", "20", "1bffffffffffffffff", "5800", "c000", "f97e00"})
      EXPECT_NE(cause(open("a", with_header(header_but(label, wrong)))), "") << label << " is " << wrong;
  }
  EXPECT_EQ(cause(open("a", with_header(header_but(2, "820f0a")))), "malformed");  // critical, and not known
  EXPECT_EQ(cause(open("a", with_header(header_but(2, "810a")))), "malformed");
  EXPECT_EQ(cause(open("a", with_header(header_but(6, "420001")))), "malformed");  // a number in two ways
  EXPECT_EQ(cause(open("a", with_header(header_but(6, "46010000000000")))), "malformed");
  EXPECT_EQ(cause(open("a", with_header(header_but(5, "4c000000000000000000000000")))), "malformed");
}

TEST_F(Payloads, NoHeaderTwiceAndNothingUnprotected) {
  share("a", Kind::symmetric, Form::bare);
  Buffer twice = header_but(0, "");
  twice[0] = 0xA7;
  append(twice, from_hex("0101").value());
  EXPECT_EQ(cause(open("a", with_header(twice))), "malformed");
  Buffer longer = header_but(0, "");
  longer[0] = 0xA7;
  append(longer, from_hex("180101").value());  // the same label in another encoding
  EXPECT_EQ(cause(open("a", with_header(longer))), "malformed");

  const Buffer sealed = seal("a", "x");
  const auto message = decode_message(sealed).value();
  Buffer unprotected;
  cbor::Writer(unprotected).tag(16).array(3).bytes(message.header_bytes).map(1).integer(5).bytes(Buffer(12)).bytes(message.body);
  EXPECT_EQ(cause(open("a", unprotected)), "malformed");
}

TEST_F(Payloads, AnotherEncodingOfTheSameContainerIsTheSameMessage) {
  share("a", Kind::symmetric, Form::inside);
  const Buffer sealed = seal("a", "x");
  const auto message = decode_message(sealed).value();
  // Longer heads outside the protected header change nothing that is authenticated: well-formed, and a copy all the same.
  Buffer encoded_anew = from_hex("d09b0000000000000003").value();
  cbor::Writer(encoded_anew).bytes(message.header_bytes).map(0).bytes(message.body);
  EXPECT_EQ(cause(open("a", encoded_anew)), "");
  EXPECT_EQ(cause(open("a", sealed)), "replay");
}

TEST_F(Payloads, NestedWithoutEndOrOfNoKnownLength) {
  share("a", Kind::symmetric, Form::inside);
  Buffer deep = {0xD0, 0x83};
  deep.insert(deep.end(), 100'000, 0x81);
  EXPECT_EQ(cause(open("a", deep)), "malformed");
  EXPECT_EQ(cause(open("a", from_hex("d083").value())), "malformed");
  EXPECT_EQ(cause(open("a", from_hex("d09f40a040ff").value())), "malformed");
  EXPECT_EQ(cause(open("a", from_hex("d0835f41a0ffa040").value())), "malformed");
  EXPECT_EQ(cause(open("a", from_hex("d0835bffffffffffffffff").value())), "malformed");
  EXPECT_EQ(cause(open("a", from_hex("d09bffffffffffffffff").value())), "malformed");
}

TEST_F(Payloads, AHolderOfTheKeyCannotPutHisStampOrAnothersIntoIt) {
  share("a", Kind::symmetric, Form::inside);
  stranger.take(key);
  const Buffer sealed = seal("a", "the author's");
  // What the author stamped, under another sender's name and number.
  const auto message = decode_message(sealed).value();
  SenderKeys author_keys(key, message.header.key_id);
  const Buffer inside =
      author_keys
          .open(*message.header.number, enc_structure(Structure::encrypt0, message.header_bytes, external_aad("a")), message.body)
          .value();
  EXPECT_EQ(cause(open("a", with_header(header_but(0, ""), as_text(inside)))), "stamp");
  // Without any stamp.
  EXPECT_EQ(cause(open("a", with_header(header_but(0, "")))), "malformed");
  // A plain stamped message of the author's in the place of one inside.
  EXPECT_EQ(cause(open("a", inside)), "malformed");
}

TEST_F(Payloads, AStampOutsideCannotBeTakenOffAndReplaced) {
  share("a", Kind::symmetric, Form::outside);
  // Another member may write here too.
  for (PayloadParty* party : {&author, &reader}) {
    TopicKey its = key.copy();
    its.members = {{other.keys->identity(), true}};
    party->take(its);
  }
  const Buffer sealed = seal("a", "the author's");
  const auto message = decode_message(sealed).value();
  const Stamper thief = stamper(*other.keys);
  const auto inner = decode_message(message.body).value();
  Header header{.content = 16, .number = 1000, .issued = now.wall / 1000};
  header.context = inner.header.key_id;
  EXPECT_EQ(cause(open("a", encode_sign1(thief, header, external_aad("a"), message.body).value())), "malformed");
  header.number = inner.header.number;
  EXPECT_EQ(cause(open("a", encode_sign1(thief, header, external_aad("a"), message.body).value())), "decrypt");
  EXPECT_EQ(cause(open("a", message.body)), "policy");  // taken off
  EXPECT_EQ(cause(open("a", sealed)), "");
}

TEST_F(Payloads, UnderThePaperProfileTheThiefSucceeds) {
  const Secret topic_key(Buffer(16, 5));
  const auto author_key = crypto::OtherPrivateKey::generate(crypto::KeyKind::rsa);
  const auto thief_key = crypto::OtherPrivateKey::generate(crypto::KeyKind::rsa);  // of another author of the topic
  const auto pem = [](const crypto::OtherPrivateKey& its) {
    return "-----BEGIN PUBLIC KEY-----\n" + to_base64(its.public_key().to_der()) + "\n-----END PUBLIC KEY-----\n";
  };
  const auto paper_reader = [&](const std::string& authors) {
    ClientPorts ports{.key = nullptr, .broker = std::nullopt, .peers = {}, .random = random};
    ports.options = {{"payload.topic-key", to_hex(topic_key.reveal())}, {"payload.stamp-keys", authors}};
    return find_scheme("payload@paper")->client_side(std::move(ports)).value();
  };
  const auto both = paper_reader(pem(author_key) + pem(thief_key));
  const Buffer body = paper::encrypt(topic_key, as_bytes("the author's"), random);
  const Buffer sealed = paper::join(crypto::sign(author_key, crypto::Signing::rsa_pkcs1, paper::stamped("a", body)), body);
  EXPECT_TRUE(both->unprotect({"a", sealed}, now));

  // The thief takes the stamp off, and puts his own on what he need not even be able to read.
  const auto frame = paper::split(sealed).value();
  const Buffer stolen =
      paper::join(crypto::sign(thief_key, crypto::Signing::rsa_pkcs1, paper::stamped("a", frame.body)), frame.body);
  const auto received = both->unprotect({"a", stolen}, now);
  ASSERT_TRUE(received) << "as published: nothing inside says whose it is";
  EXPECT_EQ(as_text((*received)->payload), "the author's");
  EXPECT_EQ(cause(paper_reader(pem(author_key))->unprotect({"a", stolen}, now)), "stamp") << "it is his stamp";
}

/// Both members of a topic key, who seal and stamp what they like.
struct Members : Payloads {
  Members() {
    share("a", Kind::symmetric, Form::inside);
    key.members = {{other.keys->identity(), true}};
    for (PayloadParty* party : {&author, &reader, &other}) party->take(key);
  }
  /// Under the topic's key, stamped inside by whoever it is, under a name and number that he chooses.
  Buffer under(Bytes name, std::uint64_t number, PayloadParty& by, std::string_view text) {
    Header header{
        .algorithm = algorithm::a128gcm, .key_id = name, .number = number, .context = key.id, .issued = now.wall / 1000};
    const Buffer encoded = encode_header(header);
    const Buffer inside = encode_sign1(stamper(*by.keys), {.issued = header.issued},
                                       external_aad("a", Place::inside, outer_of(encoded)), as_bytes(text))
                              .value();
    Buffer out;
    begin_encrypt0(out, encoded, inside.size() + 16);
    SenderKeys(key, name).seal(number, enc_structure(Structure::encrypt0, encoded, external_aad("a")), inside, out);
    return out;
  }
};

TEST_F(Members, OneCannotUseUpAnothersNumbers) {
  const Buffer first = seal("a", "1");
  const auto header = decode_message(first)->header;
  const Buffer name = to_buffer(header.key_id);
  ASSERT_EQ(cause(open("a", first)), "");
  // Bob's stamp, under Alice's name: her next number, and the last that there is.
  for (const std::uint64_t number : {*header.number + 1, largest_number}) {
    const auto bobs = open("a", under(name, number, other, "bob's"));
    ASSERT_TRUE(bobs) << bobs.error().what;
    EXPECT_EQ((*bobs)->author, "archive");
  }
  const auto next = open("a", seal("a", "2"));
  ASSERT_TRUE(next) << next.error().what;
  EXPECT_EQ((*next)->author, "boiler-7");
  EXPECT_EQ(as_text((*next)->payload), "2");
  // And once is once for each of them.
  EXPECT_EQ(cause(open("a", first)), "replay");
  EXPECT_EQ(cause(open("a", under(name, largest_number, other, "bob's"))), "replay");
}

TEST_F(Members, WhoMakesUpNamesForgetsItsOwnPastAlone) {
  reader.topic_keys->allow_windows(8);
  const Buffer alices = seal("a", "1");
  EXPECT_EQ(cause(open("a", alices)), "");
  std::vector<Buffer> bobs;
  for (int i = 0; i < 30; ++i) {
    now.wall += 1000;
    SenderName name{};
    random.fill(name);
    bobs.push_back(under(name, 0, other, "flood"));
    EXPECT_EQ(cause(open("a", bobs.back())), "");
  }
  now.wall -= 20'000;  // all of them are fresh by their times
  EXPECT_EQ(cause(open("a", alices)), "replay");
  for (const Buffer& its : bobs) EXPECT_NE(cause(open("a", its)), "") << "nothing comes back";
}

TEST_F(Payloads, TheEarlierFormOpensUnderAnEarlierKeyAlone) {
  share("a", Kind::symmetric, Form::inside);
  const std::array<std::uint8_t, 6> name = {1, 2, 3, 4, 5, 6};
  const EarlierStampId id = earlier_stamp_id(author.keys->identity().keys.ecdsa);
  Header header{.algorithm = algorithm::a128gcm, .key_id = name, .number = 1, .context = key.id, .issued = now.wall / 1000};
  const Buffer encoded = encode_header(header);
  Stamper earlier = stamper(*author.keys);
  Header inner{.algorithm = algorithm::es256, .key_id = id, .issued = header.issued};
  const Buffer inner_encoded = encode_header(inner);
  const Buffer external = external_aad("a", Place::inside, outer_of(encoded));
  const Buffer signature = earlier.sign(to_be_sealed(Structure::sign1, inner_encoded, external, as_bytes("x"))).value();
  const Buffer inside = encode_signed(Structure::sign1, inner_encoded, as_bytes("x"), signature);
  Buffer container;
  begin_encrypt0(container, encoded, inside.size() + 16);
  SenderKeys(key, name).seal(1, enc_structure(Structure::encrypt0, encoded, external_aad("a")), inside, container);
  EXPECT_EQ(cause(open("a", container)), "policy");
  TopicKey its = key.copy();
  its.is_earlier = true;
  reader.take(its);
  const auto opened = open("a", container);
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ((*opened)->author, "boiler-7");
  EXPECT_EQ(cause(open("a", container)), "replay");
}

TEST_F(Payloads, ATypeMakesItAnotherSchemes) {
  share("a", Kind::symmetric, Form::bare);
  Buffer header = header_but(0, "");
  header[0] = 0xA7;
  append(header, from_hex("10" + std::string("6161")).value());  // 16: "a"
  EXPECT_EQ(cause(open("a", with_header(header))), "policy");
}

TEST_F(Payloads, AReaderCannotForwardAnAuthorsStampToSomebodyElse) {
  author.start_for({other.keys->identity()});
  reader.start_for({author.keys->identity()});
  const Buffer sealed = seal("letters", "for archive alone");
  // The archive opens it, and seals what is inside for the control room.
  const auto message = decode_message(sealed).value();
  const ReaderSecret archive{{}, [&](const auto& peer) { return other.keys->agree(peer); }};
  const auto content_key = unwrap(message.recipients.at(0), archive).value();
  crypto::Iv iv{};
  std::ranges::copy(message.header.iv, iv.begin());
  const Buffer inside =
      crypto::Aead(crypto::AeadName::aes128_gcm, content_key.reveal())
          .open(iv, enc_structure(Structure::encrypt, message.header_bytes, external_aad("letters")), message.body)
          .value();
  const std::vector<ReaderKey> victim = {ReaderKey::of(reader.keys->identity().keys.agreement)};
  for (const bool keeps_header : {true, false}) {
    const StampId id = stamp_id(author.keys->identity().keys.ecdsa);
    Header header{.algorithm = algorithm::a128gcm};
    header.key_id = id;
    header.issued = now.wall / 1000;
    Buffer forwarded;
    if (keeps_header) {
      // The same header and content key, wrapped for another reader.
      const Buffer recipient = wrap_for(victim.front(), content_key, random).value();
      forwarded = encode_encrypt(message.header_bytes, message.body, {recipient});
    } else {
      forwarded = encode_encrypt_for(
                      victim, header, external_aad("letters"), [&](const Encrypted&) -> Result<Buffer> { return inside; }, random)
                      .value();
    }
    EXPECT_EQ(cause(open("letters", forwarded)), "stamp");
  }
}

TEST_F(Payloads, AReaderCannotSealAnAuthorsStampAnewForAnotherTime) {
  author.start_for({other.keys->identity(), reader.keys->identity()});
  reader.start_for({author.keys->identity()});
  const Buffer sealed = seal("letters", "once");
  EXPECT_EQ(cause(open("letters", sealed)), "");
  const auto message = decode_message(sealed).value();
  // The same inside under the same header and readers, with the key wrapped anew: other octets, the same number in the stamp.
  const ReaderSecret archive{{}, [&](const auto& peer) { return other.keys->agree(peer); }};
  const auto content_key = unwrap(message.recipients.at(0), archive).value();
  std::vector<Buffer> recipients;
  for (const auto* end : {&other, &reader})
    recipients.push_back(wrap_for(ReaderKey::of(end->keys->identity().keys.agreement), content_key, random).value());
  const Buffer again = encode_encrypt(message.header_bytes, message.body, recipients);
  EXPECT_NE(again, sealed);
  EXPECT_EQ(cause(open("letters", again)), "replay");
  reader.start_again();
  EXPECT_EQ(cause(open("letters", again)), "replay");
}

TEST_F(Payloads, AThousandUnknownKeysCostNothingAndOpenNothing) {
  share("a", Kind::symmetric, Form::inside);
  const Buffer sealed = seal("a", "x");
  const auto message = decode_message(sealed).value();
  Receiving receiving(*reader.topic_keys, {});
  for (int i = 0; i < 1000; ++i) {
    TopicKeyId unknown{};
    random.fill(unknown);
    Header header = message.header;
    header.context = unknown;
    Buffer container;
    begin_encrypt0(container, encode_header(header), message.body.size());
    append(container, message.body);
    const auto opened = receiving.open({"a", container}, now);
    ASSERT_FALSE(opened);
    EXPECT_TRUE(opened.error().what.starts_with("policy: "));
  }
  EXPECT_EQ(receiving.refused_by_cause()[static_cast<std::size_t>(Cause::policy)], 1000u);
  EXPECT_TRUE(receiving.open({"a", sealed}, now));
}

TEST_F(Payloads, RefusalsAreCountedByTheirCause) {
  share("a", Kind::symmetric, Form::inside);
  Receiving receiving(*reader.topic_keys, {});
  const auto count = [&](Cause its) { return receiving.refused_by_cause()[static_cast<std::size_t>(its)]; };
  const Buffer sealed = seal("a", "x");
  Buffer changed = sealed;
  changed.back() ^= 1;
  (void)receiving.open({"a", from_hex("d0").value()}, now);
  (void)receiving.open({"a", {}}, now);
  (void)receiving.open({"a", changed}, now);
  (void)receiving.open({"a", sealed}, {0, now.wall + 60'000});
  (void)receiving.open({"a", sealed}, now);
  (void)receiving.open({"a", sealed}, now);
  EXPECT_EQ(count(Cause::malformed), 1u);
  EXPECT_EQ(count(Cause::policy), 1u);
  EXPECT_EQ(count(Cause::decrypt), 1u);
  EXPECT_EQ(count(Cause::stale), 1u);
  EXPECT_EQ(count(Cause::replay), 1u);
  EXPECT_EQ(count(Cause::stamp), 0u);
}

// -- what is kept in files

struct PayloadFiles : ::testing::Test {
  TemporaryFolder folder;
  crypto::OsRandom random;
  Now now{0, 1'767'225'600'000};
  std::unique_ptr<KeyStore> own = make_memory_keys("boiler-7", sealmq::Kind::device, random);
  std::string path = folder / "keys";

  std::shared_ptr<TopicKeys> open_folder() { return open_topic_keys(path, random).value(); }
  TopicKey make() {
    return make_topic_key("a", TopicKey::Kind::symmetric, Form::bare, TopicKey::Cipher::aes128_gcm, now, 1000, own->identity(),
                          random);
  }
};

TEST_F(PayloadFiles, ACopiedAndARestoredFolderSealUnderOtherKeysAndNonces) {
  ASSERT_TRUE(open_folder()->put(make()));
  std::set<std::pair<Buffer, std::uint64_t>> used;  // sender's name, which makes the key; number, which makes the nonce
  const auto seal_in = [&](const std::string& where) {
    const auto keys = open_topic_keys(where, random).value();
    Sending sending(*keys, own.get(), {}, random);
    for (int i = 0; i < 3; ++i) {
      const Buffer sealed = sending.seal("a", as_bytes("21.5"), now).value();
      const auto message = decode_message(sealed).value();
      EXPECT_EQ(message.header.key_id.size(), 16u);
      EXPECT_TRUE(used.emplace(to_buffer(message.header.key_id), *message.header.number).second);
    }
  };
  seal_in(path);
  std::filesystem::copy(path, folder / "copy", std::filesystem::copy_options::recursive);
  seal_in(path);
  seal_in(folder / "copy");
  std::filesystem::remove_all(path);
  std::filesystem::copy(folder / "copy", path, std::filesystem::copy_options::recursive);
  seal_in(path);
}

TEST_F(PayloadFiles, WhatWasSeenIsKnownAfterARestartAndToNobodyElseAtATime) {
  bool is_newest = false;
  const auto seen = [](std::array<std::uint8_t, 32> window, std::uint64_t number) {
    return TopicKeys::Seen{.window = window, .author = {7}, .topic = {8}, .number = number, .time = 1000};
  };
  const std::array<std::uint8_t, 32> window = {1};
  {
    const auto keys = open_folder();
    for (const std::uint64_t number : {5, 7, 100}) EXPECT_EQ(keys->judge(seen(window, number), is_newest).value(), Replay::fresh);
    EXPECT_FALSE(open_folder()->judge(seen(window, 8), is_newest));
  }
  const auto keys = open_folder();
  EXPECT_EQ(keys->judge(seen(window, 100), is_newest).value(), Replay::repeat);
  EXPECT_TRUE(is_newest);
  EXPECT_EQ(keys->judge(seen(window, 99), is_newest).value(), Replay::fresh);
  EXPECT_FALSE(is_newest);
  EXPECT_EQ(keys->judge(seen(window, 5), is_newest).value(), Replay::stale);
  for (std::uint32_t i = 0; i < 4000; ++i) {
    std::array<std::uint8_t, 32> other = {2, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)};
    EXPECT_EQ(keys->judge(seen(other, 1), is_newest).value(), Replay::fresh);
  }
  EXPECT_EQ(keys->judge(seen(window, 99), is_newest).value(), Replay::repeat);
}

TEST_F(PayloadFiles, AForeignSeenFileIsNotWrittenOver) {
  (void)open_folder();
  write_text(path + "/seen", std::string(200, 'x'));
  bool is_newest = false;
  EXPECT_FALSE(open_folder()->judge({}, is_newest));
}

}  // namespace
}  // namespace sealmq::testing
