// What a broker that cannot read demands of containers.
#include <gtest/gtest.h>

#include <functional>

#include "mqtt/types.h"
#include "schemes/payload/cose.h"
#include "schemes/payload/demands.h"
#include "sealmq/registry.h"
#include "support/payload_parties.h"

namespace sealmq::testing {
namespace {

using namespace payload;
using Form = TopicKey::Form;

struct PayloadBroker : PayloadParties, ::testing::Test {
  std::string pass(std::string_view topic, Bytes container) {
    const auto broker = hardened_broker({.key = *stranger.keys, .random = random, .options = options});
    const auto opened = broker->open({topic, container}, {now, Directory()});
    if (opened) return "passed";
    return opened.error().code == static_cast<std::uint8_t>(mqtt::Reason::payload_format_invalid) ? "malformed"
                                                                                                  : opened.error().what;
  }
  Buffer made(std::string_view topic, Form form, TopicKey::Cipher cipher = TopicKey::Cipher::aes128_gcm) {
    const auto kind = TopicKey::Kind::symmetric;
    author.take(make_topic_key(topic, kind, form, cipher, now, 1000, author.keys->identity(), random));
    return seal(topic, "x");
  }
  SchemeOptions options;
};

TEST_F(PayloadBroker, PassesContainersOfEveryFormAndNothingElse) {
  for (const Form form : {Form::inside, Form::outside, Form::bare, Form::mac, Form::stamp}) {
    const std::string topic(name(form));
    Buffer container = made(topic, form);
    EXPECT_EQ(pass(topic, container), "passed") << topic;
    container.push_back(0);
    EXPECT_EQ(pass(topic, container), "malformed") << topic;
  }
  EXPECT_EQ(pass("a", as_bytes("21.5")), "malformed");
  EXPECT_EQ(pass("a", {}), "malformed");
}

TEST_F(PayloadBroker, DemandsWhatItCanSeeTopicByTopic) {
  options = {{"payload.min-enc", "strict/# a256gcm, strict/weak/# a128gcm"}, {"payload.min-stamp", "strict/signed/# signature"}};
  EXPECT_EQ(pass("free", made("free", Form::stamp)), "passed");
  EXPECT_NE(pass("strict/a", made("strict/a", Form::inside)), "passed");
  EXPECT_EQ(pass("strict/b", made("strict/b", Form::inside, TopicKey::Cipher::aes256_gcm)), "passed");
  EXPECT_EQ(pass("strict/c", made("strict/c", Form::inside, TopicKey::Cipher::chacha20_poly1305)), "passed");
  EXPECT_EQ(pass("strict/weak/a", made("strict/weak/a", Form::inside)), "passed");
  EXPECT_NE(pass("strict/weak/b", made("strict/weak/b", Form::stamp)), "passed");
  EXPECT_NE(pass("strict/signed/a", made("strict/signed/a", Form::inside, TopicKey::Cipher::aes256_gcm)), "passed");
  EXPECT_EQ(pass("strict/signed/b", made("strict/signed/b", Form::outside, TopicKey::Cipher::aes256_gcm)), "passed");
}

/// A map with one pair more, or another algorithm; lengths are put right.
Buffer with_header(const Buffer& container, const std::function<void(Header&)>& change, bool has_type) {
  const auto message = decode_message(container).value();
  Header header = message.header;
  change(header);
  Buffer map = encode_header(header);
  if (has_type) {
    ++map[0];  // one pair more
    cbor::Writer(map).integer(16).text("application/vnd.sealmq.abe");
  }
  if (message.structure != Structure::encrypt0) return encode_signed(message.structure, map, message.body, message.seal);
  Buffer out;
  begin_encrypt0(out, map, message.body.size());
  append(out, message.body);
  return out;
}

TEST_F(PayloadBroker, AnAlgorithmThatIsNotOnTheListIsMalformed) {
  for (const Form form : {Form::inside, Form::outside, Form::bare, Form::mac, Form::stamp}) {
    const std::string topic(name(form));
    const Buffer container = made(topic, form);
    EXPECT_EQ(pass(topic, with_header(
                              container, [](Header&) {}, false)),
              "passed")
        << topic;
    for (const std::int64_t unlisted : {2, 4, 6, 25, -257, -65535})
      EXPECT_EQ(pass(topic, with_header(
                                container, [&](Header& header) { header.algorithm = unlisted; }, false)),
                "malformed")
          << topic << unlisted;
  }
  // One that is on the list, but for something else.
  EXPECT_EQ(pass("bare", with_header(
                             made("bare", Form::bare), [](Header& its) { its.algorithm = -7; }, false)),
            "malformed");
}

TEST_F(PayloadBroker, WhatSaysThatItIsAnotherSchemesIsNotRecognised) {
  const auto broker = hardened_broker({.key = *stranger.keys, .random = random, .options = options});
  const auto hop = hop_broker({.key = *stranger.keys, .random = random, .options = options});
  for (const Form form : {Form::inside, Form::outside, Form::bare, Form::mac, Form::stamp}) {
    const std::string topic(name(form));
    const Buffer container = made(topic, form);
    const Buffer typed = with_header(
        container, [](Header&) {}, true);
    ASSERT_TRUE(decode_message(typed) && decode_message(typed)->header.has_type);
    for (const auto* its : {broker.get(), hop.get()}) {
      EXPECT_TRUE(its->recognises({topic, container}));
      EXPECT_FALSE(its->recognises({topic, typed})) << topic;
    }
    EXPECT_EQ(pass(topic, typed), "malformed") << "where nobody asked";
  }
  // Further in it is malformed.
  const Buffer container = made("in", Form::outside);
  const auto outside = decode_message(container).value();
  const Buffer inner = with_header(
      to_buffer(outside.body), [](Header&) {}, true);
  EXPECT_EQ(pass("in", encode_signed(Structure::sign1, outside.header_bytes, inner, outside.seal)), "malformed");
}

TEST_F(PayloadBroker, NothingPassesWhereWhatIsDemandedCannotBeRead) {
  const Buffer container = made("a", Form::inside);
  for (const char* wrong : {"a", "a256gcm", "# a257gcm", "#/x a256gcm", "# a256gcm, b"}) {
    options = {{"payload.min-enc", wrong}};
    EXPECT_NE(pass("a", container), "passed") << wrong;
  }
  options = {{"payload.min-stamp", "# rsa"}};
  EXPECT_NE(pass("a", container), "passed");
}

}  // namespace
}  // namespace sealmq::testing
