// Payload encryption and stamps: published examples, every form from author to reader, and what a reader takes when.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/try.h"
#include "crypto/identity_digest.h"
#include "crypto/kdf.h"
#include "crypto/operations.h"
#include "schemes/payload/dealt.h"
#include "schemes/payload/sending.h"
#include "sealmq/scheme.h"
#include "support/fakes.h"
#include "support/payload_parties.h"

namespace sealmq::testing {
namespace {

using namespace payload;

nlohmann::json vectors() {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/cose.json");
  return nlohmann::json::parse(file);
}

Buffer hex(const nlohmann::json& text) {
  std::string lower = text.get<std::string>();
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return from_hex(lower).value();
}

// -- published examples

/// COSE_Mac by HMAC 512/512 is nothing of this scheme, but how its key is wrapped for a recipient is, and a wrong key shows
/// there.
Result<Buffer> open_mac_example(Bytes container, const ReaderSecret& reader) {
  auto in = TRY(cbor::Reader::over(container));
  (void)in.tag();
  (void)in.array();
  const Bytes header = in.bytes();
  (void)in.skip();
  const Bytes body = in.bytes();
  (void)in.skip();
  Buffer encrypt;
  cbor::Writer(encrypt).tag(96).array(4).bytes(header).map(0).bytes({}).encoded(in.skip());
  const Message message = TRY(decode_message(encrypt));
  const auto key = TRY(unwrap(message.recipients.at(0), reader));
  if (key.size() != 64) return fail(Blame::peer_misbehaved, "a key of another length");
  return to_buffer(body);
}

/// As anybody's COSE library would: what stands in the protected header or beside it.
Result<Buffer> open_example(const nlohmann::json& example) {
  Buffer container = hex(example["cbor"]);
  constexpr std::uint8_t array_of_four = 0x84;
  if (container.at(0) == array_of_four) {  // two of them come without a tag, which this scheme always wants
    const bool is_signed = example["name"].get<std::string>().starts_with("sign1");
    container.insert(container.begin(), is_signed ? 0xD2 : 0xD1);
  }
  ReaderSecret reader;
  std::optional<crypto::AgreementKey> p256;
  std::optional<crypto::OtherPrivateKey> rsa;
  constexpr std::array<std::uint8_t, 2> mac = {0xD8, 0x61};
  if (std::ranges::equal(Bytes(container).first(2), mac)) {
    p256 = crypto::AgreementKey::from_secret(Secret(hex(example["secret"]))).value();
    reader.agree = [&](const crypto::Sec1Compressed& peer) { return crypto::agree(*p256, peer); };
    return open_mac_example(container, reader);
  }
  const Message message = TRY(decode_message(container));
  const Buffer external = hex(example["external"]);
  const auto how = message.header.algorithm != 0 ? message.header.algorithm : message.unprotected.algorithm;
  const Bytes iv = message.header.iv.empty() ? message.unprotected.iv : message.header.iv;
  crypto::Iv nonce{};
  std::copy_n(iv.begin(), std::min(iv.size(), nonce.size()), nonce.begin());
  switch (message.structure) {
    case Structure::sign1: {
      const auto verifier = TRY(StampVerifier::make(how, hex(example["public"])));
      if (!verifier.verify(to_be_sealed(message.structure, message.header_bytes, external, message.body), message.seal))
        return fail(Blame::peer_misbehaved, "does not verify");
      return to_buffer(message.body);
    }
    case Structure::mac0: {
      const Buffer sealed = to_be_sealed(message.structure, message.header_bytes, external, message.body);
      if (how != algorithm::hmac256 || !same(crypto::hmac_sha256(hex(example["secret"]), sealed), message.seal))
        return fail(Blame::peer_misbehaved, "does not verify");
      return to_buffer(message.body);
    }
    case Structure::encrypt0:
      return crypto::Aead(cipher_of(how).value(), hex(example["secret"]))
          .open(nonce, enc_structure(message.structure, message.header_bytes, external), message.body);
    case Structure::encrypt:
      break;
  }
  const Secret secret(hex(example["secret"]));
  if (secret.size() == 32) {
    p256 = crypto::AgreementKey::from_secret(secret).value();
    reader.agree = [&](const crypto::Sec1Compressed& peer) { return crypto::agree(*p256, peer); };
  } else {
    rsa = crypto::OtherPrivateKey::from_der(crypto::KeyKind::rsa, secret).value();
    reader.other = &*rsa;
  }
  const auto content_key = TRY(unwrap(message.recipients.at(0), reader));
  return crypto::Aead(cipher_of(how).value(), content_key.reveal())
      .open(nonce, enc_structure(message.structure, message.header_bytes, external), message.body);
}

TEST(Cose, ExamplesOfTheWorkingGroupOpenOrFailAsTheyShould) {
  const auto examples = vectors()["cose"];
  ASSERT_FALSE(examples.empty());
  for (const auto& example : examples) {
    SCOPED_TRACE(example["name"]);
    const auto opened = open_example(example);
    if (example["fails"]) {
      EXPECT_FALSE(opened);
    } else {
      ASSERT_TRUE(opened) << opened.error().what;
      EXPECT_EQ(as_text(*opened), example["plaintext"].get<std::string>());
    }
  }
}

TEST(Cose, KeysAndNoncesOfSendersAreThoseOfRfc8613) {
  const Buffer master = from_hex("0102030405060708090a0b0c0d0e0f10").value();
  constexpr std::int64_t aes_ccm_16_64_128 = 10;
  const auto runs = vectors()["rfc8613"];
  ASSERT_FALSE(runs.empty());
  for (const auto& run : runs) {
    SCOPED_TRACE(run["name"]);
    const Buffer salt = hex(run["salt"]);
    const Buffer sender = hex(run["sender"]);
    std::optional<Buffer> context;
    if (!run["context"].is_null()) context = hex(run["context"]);
    const auto named = context ? std::optional<Bytes>(*context) : std::nullopt;
    const auto key = derive_sender(master, salt, sender, named, aes_ccm_16_64_128, "Key", 16);
    EXPECT_EQ(to_hex(key.reveal()), run["key"].get<std::string>());
    const auto iv = derive_sender(master, salt, {}, named, aes_ccm_16_64_128, "IV", 13);
    EXPECT_EQ(to_hex(iv.reveal()), run["iv"].get<std::string>());
    EXPECT_EQ(to_hex(sender_nonce(iv.reveal(), sender, partial_iv(0))), run["nonce"].get<std::string>());
  }
}

TEST(Cose, ANameOf16BytesIsWhatAnIndependentScriptMakesOfIt) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/payload_names.json");
  const auto vector = nlohmann::json::parse(file);
  const Buffer master = hex(vector["topic_key"]), name = hex(vector["sender_name"]), id = hex(vector["key_id"]);
  const auto number = vector["number"].get<std::uint64_t>();
  EXPECT_EQ(to_hex(derive_sender(master, {}, name, Bytes(id), algorithm::a128gcm, "Key", 16).reveal()),
            vector["key"].get<std::string>());
  const auto iv = derive_sender(master, {}, {}, Bytes(id), algorithm::a128gcm, "IV", 12);
  EXPECT_EQ(to_hex(iv.reveal()), vector["common_iv"].get<std::string>());
  EXPECT_EQ(to_hex(sender_nonce(iv.reveal(), name, partial_iv(number))), vector["nonce"].get<std::string>());
  PublicIdentity author;
  author.name = "boiler-7";
  std::ranges::copy(hex(vector["author"]), author.keys.ecdsa.begin());
  EXPECT_EQ(to_hex(stamp_id(author.keys.ecdsa)), vector["author_kid"].get<std::string>());

  CountingRandom random;
  const Now now{0, vector["time"].get<std::uint64_t>() * 1000};
  TopicKey key = make_topic_key("plant/+/temp", TopicKey::Kind::symmetric, TopicKey::Form::inside, TopicKey::Cipher::aes128_gcm,
                                now, 1000, author, random);
  key.secret = Secret(master);
  std::ranges::copy(id, key.id.begin());
  const auto keys = make_memory_topic_keys(random);
  ASSERT_TRUE(keys->put(key));
  Receiving receiving(*keys, {});
  const Buffer container = hex(vector["container"]);
  const auto topic = vector["topic"].get<std::string>();
  const auto opened = receiving.open({topic, container}, now);
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ(as_text(opened->payload), vector["plaintext"].get<std::string>());
  EXPECT_EQ(opened->author, "boiler-7");
  EXPECT_EQ(to_hex(opened->seen.window), vector["window"].get<std::string>());
  EXPECT_EQ(opened->seen.number, number);
}

TEST(Cose, HeadersAreWrittenAsTheyAreRead) {
  const std::array<std::uint8_t, 6> id = {1, 2, 3, 4, 5, 6};
  const Header header{.algorithm = algorithm::a128gcm, .key_id = id, .number = 256, .context = id, .issued = 5, .expires = 9};
  const Buffer encoded = encode_header(header);
  const auto read = decode_header(encoded).value();
  EXPECT_EQ(encode_header(read), encoded);
  EXPECT_TRUE(read.claims_are_critical);
  EXPECT_EQ(to_hex(encoded),
            "a6010102810f044601020304050606420100"
            "0a460102030405060fa204090605");
}

TEST(Cose, WrapsForEachKindOfReader) {
  CountingRandom random;
  for (const std::size_t size : {std::size_t{16}, std::size_t{32}}) {
    const Secret content(Buffer(size, 7));
    const auto own = crypto::AgreementKey::generate(random);
    const auto x25519 = crypto::OtherPrivateKey::generate(crypto::KeyKind::x25519);
    const auto rsa = crypto::OtherPrivateKey::generate(crypto::KeyKind::rsa);
    const ReaderSecret p256_reader{{}, [&](const auto& peer) { return crypto::agree(own, peer); }};
    const ReaderSecret x25519_reader{{}, nullptr, &x25519};
    const ReaderSecret rsa_reader{{}, nullptr, &rsa};
    const std::pair<ReaderKey, const ReaderSecret*> readers[] = {{ReaderKey::of(own.public_key()), &p256_reader},
                                                                 {ReaderKey::of(x25519.public_key()), &x25519_reader},
                                                                 {ReaderKey::of(rsa.public_key()), &rsa_reader}};
    for (const auto& reader : readers) {
      const Buffer recipient = wrap_for(reader.first, content, random).value();
      Buffer whole = encode_encrypt(encode_header({.algorithm = 1}), Buffer(16), {recipient});
      const auto message = decode_message(whole).value();
      for (const auto& other : readers) {
        const auto unwrapped = unwrap(message.recipients.at(0), *other.second);
        EXPECT_EQ(unwrapped.has_value(), &reader == &other);
        EXPECT_TRUE(!unwrapped || same(unwrapped->reveal(), content.reveal()));
      }
    }
  }
}

TEST(Cose, StampsOfEachAlgorithmVerifyForTheirOwnMessageAlone) {
  for (const auto kind : {crypto::KeyKind::ed25519, crypto::KeyKind::rsa}) {
    const auto key = crypto::OtherPrivateKey::generate(kind);
    const auto its = stamper(key);
    const bool is_rsa = kind == crypto::KeyKind::rsa;
    const auto verifier =
        StampVerifier::make(its.algorithm, is_rsa ? key.public_key().to_der() : key.public_key().to_raw()).value();
    EXPECT_EQ(verifier.id(), its.id);
    Buffer signature = its.sign(as_bytes("one")).value();
    EXPECT_TRUE(verifier.verify(as_bytes("one"), signature));
    EXPECT_FALSE(verifier.verify(as_bytes("two"), signature));
    signature[3] ^= 1;
    EXPECT_FALSE(verifier.verify(as_bytes("one"), signature));
  }
}

// -- from author to reader

struct EachForm : PayloadParties, ::testing::TestWithParam<std::pair<TopicKey::Kind, TopicKey::Form>> {
  EachForm() { share("plant/+/temp", GetParam().first, GetParam().second); }
};

TEST_P(EachForm, WhatIsSealedOpensOnce) {
  for (const auto& text : {std::string(), std::string("21.5"), std::string(70'000, 'x')}) {
    const Buffer sealed = seal("plant/7/temp", text);
    const auto opened = open("plant/7/temp", sealed);
    ASSERT_TRUE(opened) << opened.error().what;
    EXPECT_EQ(as_text((*opened)->payload), text);
    const bool is_signed = GetParam().second != TopicKey::Form::bare && GetParam().second != TopicKey::Form::mac;
    EXPECT_EQ((*opened)->author, is_signed ? "boiler-7" : "");
    EXPECT_EQ(cause(open("plant/7/temp", sealed)), "replay");
  }
}

TEST_P(EachForm, OpensOnItsOwnTopicAlone) {
  const Buffer sealed = seal("plant/7/temp", "21.5");
  EXPECT_NE(cause(open("plant/8/temp", sealed)), "");
  EXPECT_NE(cause(open("plant/7/temp/x", sealed)), "");
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "");
}

TEST_P(EachForm, EveryBitCounts) {
  const Buffer sealed = seal("plant/7/temp", "21.5");
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Buffer changed = sealed;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_NE(cause(open("plant/7/temp", changed)), "") << bit;
  }
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "");
}

TEST_P(EachForm, IsFreshOrKnownToHaveWaited) {
  const Buffer sealed = seal("plant/7/temp", "21.5");
  now.wall += 31'000;
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "stale");
  now.wall -= 31'000 + 6'000;
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "stale");
  now.wall += 60'000;
  EXPECT_EQ(cause(reader.scheme->unprotect({.topic = "plant/7/temp", .payload = sealed, .stored = true}, now)), "");
}

TEST_P(EachForm, AWillIsTakenLate) {
  const Buffer sealed = author.scheme->protect_will("plant/7/temp", as_bytes("gone"), now).value();
  now.wall += 20ull * 24 * 3600 * 1000;
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "");
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "replay");
}

TEST_P(EachForm, TheLastRetainedMessageIsShownAgainToAReaderThatStartsAnew) {
  const Buffer first = seal("plant/7/temp", "1");
  const Buffer last = seal("plant/7/temp", "2");
  EXPECT_EQ(cause(open("plant/7/temp", first)), "");
  EXPECT_EQ(cause(open("plant/7/temp", last)), "");
  reader.start_again();
  EXPECT_EQ(cause(open("plant/7/temp", last)), "replay");  // it was not retained
  reader.start_again();
  EXPECT_EQ(cause(open_retained("plant/7/temp", first)), "replay");
  reader.start_again();
  EXPECT_EQ(cause(open_retained("plant/7/temp", last)), "");
  EXPECT_EQ(cause(open_retained("plant/7/temp", last)), "replay");
}

TEST_P(EachForm, NobodyElseCountsAsItsAuthor) {
  if (GetParam().second == TopicKey::Form::bare || GetParam().second == TopicKey::Form::mac) return;
  stranger.take(key.copy());
  const Buffer sealed = stranger.scheme->protect("plant/7/temp", as_bytes("0"), now).value();
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "stamp");
}

TEST_P(EachForm, ARevokedKeyAndOneOutsideItsTimeOpenNothing) {
  const Buffer sealed = seal("plant/7/temp", "21.5");
  TopicKey ended = key.copy();
  ended.not_after = now.wall / 1000 - 10;
  reader.take(ended.copy());
  const bool has_time = GetParam().second != TopicKey::Form::stamp;  // of which only its members count
  if (has_time) {
    EXPECT_EQ(cause(open("plant/7/temp", sealed)), "stale");
  }
  TopicKey future = key.copy();
  future.not_before = now.wall / 1000 + 60;
  reader.take(future.copy());
  if (has_time) {
    EXPECT_EQ(cause(open("plant/7/temp", sealed)), "stale");
  }
  TopicKey revoked = key.copy();
  revoked.state = TopicKey::State::revoked;
  reader.take(revoked.copy());
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "policy");
  reader.take(key.copy());
  EXPECT_EQ(cause(open("plant/7/temp", sealed)), "");
}

TEST_P(EachForm, NothingIsSentAfterTheEndOfAKey) {
  now.wall += 31ull * 24 * 3600 * 1000;
  EXPECT_FALSE(author.scheme->protect("plant/7/temp", as_bytes("x"), now));
}

TEST_P(EachForm, PlainDataIsNoMessage) {
  EXPECT_EQ(cause(open("plant/7/temp", to_buffer(as_bytes("21.5")))), "policy");
  EXPECT_EQ(cause(open("plant/7/temp", {})), "policy");
}

std::string name_of(const ::testing::TestParamInfo<EachForm::ParamType>& info) {
  return std::string(name(info.param.first)) + "_" + std::string(name(info.param.second));
}
INSTANTIATE_TEST_SUITE_P(Payload, EachForm,
                         ::testing::Values(std::pair{TopicKey::Kind::symmetric, TopicKey::Form::inside},
                                           std::pair{TopicKey::Kind::symmetric, TopicKey::Form::outside},
                                           std::pair{TopicKey::Kind::symmetric, TopicKey::Form::bare},
                                           std::pair{TopicKey::Kind::symmetric, TopicKey::Form::mac},
                                           std::pair{TopicKey::Kind::symmetric, TopicKey::Form::stamp},
                                           std::pair{TopicKey::Kind::pair, TopicKey::Form::inside},
                                           std::pair{TopicKey::Kind::pair, TopicKey::Form::outside}),
                         name_of);

struct Payload : PayloadParties, ::testing::Test {};

TEST_F(Payload, NamedReadersReadAndNobodyElse) {
  author.start_for({reader.keys->identity(), other.keys->identity()});
  const Buffer sealed = seal("any/topic", "for two");
  reader.start_for({author.keys->identity()});
  other.start_for({author.keys->identity()});
  stranger.start_for({author.keys->identity()});
  EXPECT_EQ(as_text((*open("any/topic", sealed))->payload), "for two");
  EXPECT_EQ(cause(open("any/topic", sealed)), "replay");
  EXPECT_EQ(cause(other.scheme->unprotect({"any/topic", sealed}, now)), "");
  EXPECT_EQ(cause(stranger.scheme->unprotect({"any/topic", sealed}, now)), "decrypt");
}

TEST_F(Payload, AHundredReadersOfATopicKeyCostOneEncryption) {
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::bare);
  seal("a", "first");  // derives
  crypto::CountOperations counter;
  const Buffer sealed = seal("a", "x");
  EXPECT_EQ(counter.so_far().aes, 1u);
  for (int i = 0; i < 100; ++i) {
    PayloadParty one("reader-" + std::to_string(i), random);
    one.take(key);
    EXPECT_EQ(cause(one.scheme->unprotect({"a", sealed}, now)), "");
  }
  EXPECT_EQ(counter.so_far().aes, 101u);
}

TEST_F(Payload, ATopicThatHasAKeyTakesNoMessageForNamedReaders) {
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  author.start_for({reader.keys->identity()});
  EXPECT_FALSE(author.scheme->protect("a", as_bytes("x"), now));
  const Buffer sealed = author.scheme->protect("b", as_bytes("x"), now).value();
  EXPECT_EQ(cause(open("a", sealed)), "policy");
}

TEST_F(Payload, TheMostSpecificFilterWins) {
  share("plant/#", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  const TopicKey wide = key.copy();
  share("plant/7/+", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  const Buffer sealed = seal("plant/7/temp", "x");
  EXPECT_TRUE(std::ranges::equal(decode_message(sealed)->header.context, key.id));
  // Who has the wide key only cannot speak where there is a narrow one.
  stranger.take(wide.copy());
  EXPECT_EQ(cause(open("plant/7/temp", stranger.scheme->protect("plant/7/temp", as_bytes("x"), now).value())), "policy");
}

TEST_F(Payload, RotationLosesNoMessage) {
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  const Buffer before = seal("a", "1");
  TopicKey former = key.copy();
  former.state = TopicKey::State::decrypt_only;
  now.wall += 2000;
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  reader.take(former.copy());
  author.take(former.copy());
  const Buffer after = seal("a", "2");
  EXPECT_EQ(cause(open("a", after)), "");
  EXPECT_EQ(cause(open("a", before)), "");
  EXPECT_FALSE(std::ranges::equal(decode_message(after)->header.context, former.id));
}

TEST_F(Payload, DealtKeysReachTheirMembersOnly) {
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  const TopicKey dealt_key = [&] {
    TopicKey its = key.copy();
    its.members = {{other.keys->identity(), true}};
    return its;
  }();
  const PublicIdentity& administrator = author.keys->identity();
  const std::string topic = dealing_topic(default_key_prefix, administrator, "a", Deal::readers);
  const auto message = [&](std::uint64_t number, const TopicKey& its) {
    Dealt dealt{"a", {}};
    dealt.keys.push_back(its.copy());
    return deal(dealt, true, topic, *author.keys, number, now, random).value().value();
  };
  const Buffer first = message(1, dealt_key);
  ASSERT_TRUE(other.topic_keys->trust(author.keys->identity()));
  EXPECT_EQ(other.scheme->key_inboxes().size(), 1u);
  EXPECT_EQ(other.scheme->unprotect({topic, first}, now).value()->what, Received::What::own);
  ASSERT_EQ(other.topic_keys->all()->size(), 1u);
  EXPECT_TRUE(same(other.topic_keys->all()->front().secret.reveal(), key.secret.reveal()));
  const auto opened = other.scheme->unprotect({"a", seal("a", "x")}, now);
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_EQ((*opened)->author, "boiler-7");

  // A stranger who trusts the administrator gets nothing of it; one who forges it neither.
  ASSERT_TRUE(stranger.topic_keys->trust(author.keys->identity()));
  EXPECT_TRUE(stranger.scheme->unprotect({topic, first}, now));
  EXPECT_TRUE(stranger.topic_keys->all()->empty());
  for (std::size_t byte = 0; byte < first.size(); byte += 7) {
    Buffer changed = first;
    changed[byte] ^= 1;
    EXPECT_FALSE(open_dealt(changed, topic, administrator, *other.keys)) << byte;
  }
  EXPECT_FALSE(
      open_dealt(first, dealing_topic(default_key_prefix, administrator, "b", Deal::readers), administrator, *other.keys));

  // Another key takes its place, and the former message does not bring the former key back.
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  TopicKey next = key.copy();
  next.members = dealt_key.members;
  EXPECT_TRUE(other.scheme->unprotect({topic, message(2, next)}, now));
  ASSERT_EQ(other.topic_keys->all()->size(), 1u);
  EXPECT_EQ(other.topic_keys->all()->front().id, next.id);
  EXPECT_EQ(cause(other.scheme->unprotect({topic, first}, now)), "replay");
  EXPECT_EQ(other.topic_keys->all()->front().id, next.id);
}

// -- whose keys are taken

/// A deal of one key for the filter by this administrator, to the party named `other`.
struct Dealers : PayloadParties, ::testing::Test {
  Result<std::string> deal_for(PayloadParty& by, std::string_view filter) {
    TopicKey made = make_topic_key(filter, TopicKey::Kind::symmetric, TopicKey::Form::inside, TopicKey::Cipher::aes128_gcm, now,
                                   1000, by.keys->identity(), random);
    made.members = {{other.keys->identity(), true}};
    Dealt dealt{std::string(filter), {}};
    dealt.keys.push_back(made.copy());
    const auto topic = dealing_topic(default_key_prefix, by.keys->identity(), filter, Deal::readers);
    const Buffer message = deal(dealt, true, topic, *by.keys, ++number, now, random).value().value();
    const auto taken = other.scheme->unprotect({topic, message}, now);
    if (!taken) return Failure(taken.error());
    return (*taken)->notice;
  }
  void trust(PayloadParty& whom, std::vector<std::string> filters) {
    ASSERT_TRUE(other.topic_keys->trust(whom.keys->identity(), std::move(filters)));
  }
  /// A container of somebody else's.
  Buffer seal_named(std::string_view text) {
    stranger.start_for({other.keys->identity()});
    return stranger.scheme->protect("sealmq-keys", as_bytes(text), now).value();
  }
  bool delegate(PayloadParty& owner, PayloadParty& to, std::string_view filter, std::uint64_t lasts, std::uint64_t serial) {
    TopicKeys::Delegation its;
    its.delegate = crypto::identity_digest(to.keys->identity().keys);
    its.filter = filter;
    its.name = to.keys->identity().name;
    its.not_before = now.wall / 1000;
    its.not_after = its.not_before + lasts;
    its.serial = serial;
    const auto topic = dealing_topic(default_key_prefix, owner.keys->identity(), filter, Deal::delegate);
    const Buffer message = encode_delegation(its, topic, *owner.keys, ++number, now).value();
    return other.scheme->unprotect({topic, message}, now).has_value();
  }
  std::uint64_t number = 0;
};

TEST_F(Dealers, AnAdministratorOfOneTopicDealsNoKeysOfAnothers) {
  trust(author, {"ward/#"});
  trust(reader, {"cafeteria/#"});
  EXPECT_TRUE(deal_for(author, "ward/7/vitals"));
  const auto refused = deal_for(reader, "ward/7/vitals");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "policy: control-room may not share keys for ward/7/vitals");
  EXPECT_TRUE(deal_for(reader, "cafeteria/menu"));
  EXPECT_FALSE(deal_for(reader, "#"));
  EXPECT_FALSE(deal_for(reader, "+/menu"));
  EXPECT_FALSE(deal_for(author, "nobody/s"));
}

TEST_F(Dealers, TheMostSpecificFilterSaysWhoOwnsATopic) {
  trust(author, {"plant/#"});
  trust(reader, {"plant/7/#"});
  EXPECT_TRUE(deal_for(reader, "plant/7/temp"));
  EXPECT_FALSE(deal_for(author, "plant/7/temp"));
  EXPECT_TRUE(deal_for(author, "plant/8/temp"));
  EXPECT_FALSE(deal_for(author, "plant/+/temp")) << "it shares topics with what is another's";
  EXPECT_FALSE(deal_for(author, "plant/#"));
}

TEST_F(Dealers, ADelegateDealsForAsLongAsItsOwnerSaysAndPassesNothingOn) {
  trust(author, {"plant/#"});
  trust(reader, {});
  EXPECT_FALSE(deal_for(reader, "plant/7/temp"));
  ASSERT_TRUE(delegate(author, reader, "plant/7/#", 100, 1));
  EXPECT_TRUE(deal_for(reader, "plant/7/temp"));
  EXPECT_FALSE(deal_for(reader, "plant/8/temp"));
  EXPECT_TRUE(deal_for(author, "plant/7/temp"));
  // Whom the delegate names is nobody.
  trust(stranger, {});
  ASSERT_TRUE(delegate(reader, stranger, "plant/7/#", 100, 1));
  EXPECT_FALSE(deal_for(stranger, "plant/7/temp"));
  now.wall += 101'000;
  EXPECT_FALSE(deal_for(reader, "plant/7/temp"));
  // Taken back by a later one; the former does not come back.
  ASSERT_TRUE(delegate(author, reader, "plant/7/#", 1000, 3));
  EXPECT_TRUE(deal_for(reader, "plant/7/temp"));
  ASSERT_TRUE(delegate(author, reader, "plant/7/#", 0, 4));
  now.wall += 1000;
  EXPECT_FALSE(deal_for(reader, "plant/7/temp"));
  EXPECT_FALSE(delegate(author, reader, "plant/7/#", 1000, 3));
  EXPECT_FALSE(deal_for(reader, "plant/7/temp"));
}

TEST_F(Dealers, TwoAdministratorsDoNotHaveTheSameTopics) {
  trust(author, {"a/#"});
  EXPECT_FALSE(other.topic_keys->trust(reader.keys->identity(), {"a/#"}));
  EXPECT_FALSE(other.topic_keys->trust(reader.keys->identity(), {"#"}));
  EXPECT_TRUE(other.topic_keys->trust(reader.keys->identity(), {"b"}));
  ASSERT_TRUE(stranger.topic_keys->trust(author.keys->identity()));
  EXPECT_FALSE(stranger.topic_keys->trust(reader.keys->identity(), {"b"})) << "the first one has all topics";
  ASSERT_TRUE(other.topic_keys->untrust(reader.keys->identity()));
  EXPECT_FALSE(other.topic_keys->untrust(reader.keys->identity()));
  EXPECT_FALSE(deal_for(reader, "b"));
}

TEST_F(Dealers, EachNewKeyIsToldOnce) {
  trust(author, {"a/#"});
  const auto first = deal_for(author, "a/b");
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->starts_with("new key of a/b from boiler-7, its first, id ")) << *first;
  const auto second = deal_for(author, "a/b");
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->starts_with("new key of a/b from boiler-7, id ")) << *second;
}

TEST_F(Dealers, AdministratorsOfOneNameHaveTheirOwnTopicsAndJunkIsToldOnce) {
  PayloadParty namesake("boiler-7", random);
  EXPECT_NE(dealing_filter(default_key_prefix, namesake.keys->identity()),
            dealing_filter(default_key_prefix, author.keys->identity()));
  trust(author, {"a/#"});
  trust(namesake, {"b/#"});
  EXPECT_EQ(other.scheme->key_inboxes().size(), 2u);
  EXPECT_TRUE(deal_for(namesake, "b/x"));
  EXPECT_FALSE(deal_for(namesake, "a/x"));
  // What a stranger leaves on its topics is not taken, and one line tells of it.
  std::size_t told = 0;
  for (int i = 0; i < 20; ++i) {
    const auto topic = dealing_topic(default_key_prefix, author.keys->identity(), std::to_string(i), Deal::readers);
    const Buffer what = i % 2 == 0 ? to_buffer(as_bytes("junk")) : seal_named("x");
    const auto junk = other.scheme->unprotect({topic, what}, now);
    ASSERT_TRUE(junk);
    EXPECT_EQ((*junk)->what, Received::What::own);
    told += (*junk)->notice.empty() ? 0 : 1;
  }
  EXPECT_EQ(told, 1u);
}

TEST_F(Payload, WritersOfAPairGetItsPublicHalfOnly) {
  share("a", TopicKey::Kind::pair, TopicKey::Form::inside);
  TopicKey its = key.copy();
  its.members = {{other.keys->identity(), false}};
  const std::string topic = dealing_topic(default_key_prefix, author.keys->identity(), "a", Deal::writers);
  Dealt dealt{"a", {}};
  dealt.keys.push_back(its.copy());
  EXPECT_FALSE(deal(dealt, true, topic, *author.keys, 1, now, random).value());
  const Buffer message = deal(dealt, false, topic, *author.keys, 1, now, random).value().value();
  ASSERT_TRUE(other.topic_keys->trust(author.keys->identity()));
  ASSERT_TRUE(other.scheme->unprotect({topic, message}, now));
  ASSERT_EQ(other.topic_keys->all()->size(), 1u);
  EXPECT_TRUE(other.topic_keys->all()->front().secret.empty());
  const Buffer sealed = other.scheme->protect("a", as_bytes("x"), now).value();
  TopicKey with_other = key.copy();
  with_other.members = its.members;
  reader.take(with_other.copy());
  EXPECT_EQ(cause(open("a", sealed)), "");
  EXPECT_EQ(cause(other.scheme->unprotect({"a", sealed}, now)), "decrypt");
}

TEST_F(Payload, BytesAddedAreWithinTenOfTheLeastTheStructureAllows) {
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::bare);
  const std::string text(64, 'x');
  const auto bare = seal("a", text).size() - text.size();
  now.wall += 1000;  // a key is looked for once a second
  share("a", TopicKey::Kind::symmetric, TopicKey::Form::inside);
  const auto inside = seal("a", text).size() - text.size();
  // The same headers; names, topic key, time, number, tag and signature are as long as they must be.
  const std::array<std::uint8_t, 16> id = {1};
  const Header least{.algorithm = 1, .key_id = id, .number = 0, .context = key.id, .issued = now.wall / 1000};
  const std::size_t header = encode_header(least).size();
  const std::size_t head = 1 + 1 + 2 + header + 1;
  const std::size_t least_bare = head + 2 + 16;
  const std::size_t inner =
      1 + 1 + 1 + encode_header({.algorithm = -7, .key_id = id, .issued = least.issued}).size() + 1 + 2 + 2 + 64;
  const std::size_t least_inside = head + 2 + 16 + inner;
  std::cout << "bytes added to 64: bare " << bare << " (least " << least_bare << "), stamp inside " << inside << " (least "
            << least_inside << ")\n";
  EXPECT_LE(bare, least_bare + 10);
  EXPECT_LE(inside, least_inside + 10);
}

}  // namespace
}  // namespace sealmq::testing
