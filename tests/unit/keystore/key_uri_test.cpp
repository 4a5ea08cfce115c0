#include "keystore/key_uri.h"

#include <gtest/gtest.h>

#include "keystore/key_reference.h"

namespace sealmq {
namespace {

TokenUri token_of(std::string_view text) {
  const auto uri = parse_key_uri(text);
  EXPECT_TRUE(uri) << uri.error().what;
  return uri ? std::get<TokenUri>(*uri) : TokenUri();
}

void expect_refused(std::string_view text, std::string_view because) {
  const auto uri = parse_key_uri(text);
  ASSERT_FALSE(uri) << text;
  EXPECT_EQ(uri.error().blame, Blame::caller_misused);
  EXPECT_NE(uri.error().what.find(because), std::string::npos) << uri.error().what;
}

TEST(KeyUri, ReadsATokenAsTheStandardWritesIt) {
  const auto uri = token_of(
      "pkcs11:token=Plant%20North;manufacturer=x;model=y;serial=07;object=boiler-7?module-path=/usr/lib/a.so&pin-source=file:/"
      "etc/pin");
  EXPECT_EQ(uri.token, "Plant North");
  EXPECT_EQ(uri.serial, "07");
  EXPECT_EQ(uri.object, "boiler-7");
  EXPECT_EQ(uri.module_path, "/usr/lib/a.so");
  EXPECT_EQ(uri.pin_source, "/etc/pin");
  EXPECT_EQ(token_of("pkcs11:"), TokenUri());
  EXPECT_EQ(token_of("pkcs11:token=a?pin-source=file:///etc/pin").pin_source, "/etc/pin");
  EXPECT_EQ(token_of("pkcs11:token=a?pin-source=/etc/pin").pin_source, "/etc/pin");
  expect_refused("pkcs11:token=a?pin-source=file:", "pin-source is a file");
}

TEST(KeyUri, ReadsFilesAndReaders) {
  EXPECT_EQ(std::get<FileUri>(parse_key_uri("file:/a%20b.key").value()).path, "/a b.key");
  EXPECT_EQ(std::get<FileUri>(parse_key_uri("file:///a.key").value()).path, "/a.key");
  const auto slashes = parse_key_uri("file:////a.key").value();
  EXPECT_EQ(std::get<FileUri>(slashes).path, "//a.key");
  EXPECT_EQ(parse_key_uri(to_text(slashes)).value(), slashes);
  EXPECT_EQ(std::get<CardUri>(parse_key_uri("pcsc:Virtual%20PCD%2000").value()).reader, "Virtual PCD 00");
  EXPECT_EQ(std::get<CardUri>(parse_key_uri("pcsc:").value()).reader, "");
}

TEST(KeyUri, ComesBack) {
  for (const KeyUri& uri : {KeyUri(TokenUri{"a;b=c&?", "1", "\xC3\xA4", "m", "o", "/x y.so", "/pin"}),
                            KeyUri(CardUri{"R & S 00"}), KeyUri(FileUri{"./k%41.key"}), KeyUri(TokenUri())})
    EXPECT_EQ(parse_key_uri(to_text(uri)).value(), uri) << to_text(uri);
}

TEST(KeyUri, NeverHoldsAPin) {
  expect_refused("pkcs11:token=a?pin-value=1234", "pin-source");
}

TEST(KeyUri, RefusesWhatItDoesNotUnderstand) {
  expect_refused("", "begins with");
  expect_refused("PKCS11:token=a", "begins with");
  expect_refused("file:", "needs a path");
  expect_refused("pkcs11:token=a;token=b", "stands twice");
  expect_refused("pkcs11:color=red", "unknown attribute color");
  expect_refused("pkcs11:token", "has no value");
  expect_refused("pkcs11:token=", "is empty");
  expect_refused("pkcs11:token=a;", "separator");
  expect_refused("pkcs11:token=a?pin-source=|cat", "is a file");
  for (const char* text : {"pkcs11:token=%", "pkcs11:token=%4", "pkcs11:token=%zz", "pkcs11:token=%00", "pcsc:%1"})
    expect_refused(text, "% and two");
  expect_refused("pcsc:a b", "%20");
  expect_refused("pcsc:" + std::string(3000, 'a'), "too long");
}

TEST(KeyReference, ComesBack) {
  KeyReference reference{{"boiler-7", Kind::device, {}}, CardUri{"Reader 1"}};
  reference.identity.keys.ecdsa.fill(2);
  const auto text = encode_key_reference(reference);
  EXPECT_TRUE(is_key_reference(text));
  const auto again = parse_key_reference(text).value();
  EXPECT_EQ(again.identity, reference.identity);
  EXPECT_EQ(again.uri, reference.uri);
}

TEST(KeyReference, IsToldFromOtherFiles) {
  EXPECT_FALSE(is_key_reference(""));
  EXPECT_FALSE(is_key_reference("# only words\n"));
  EXPECT_FALSE(is_key_reference("SEALMQ-SECRET-KEY-1 AAAA\n"));
  KeyReference reference{{"boiler-7", Kind::device, {}}, CardUri{}};
  reference.identity.keys.ecdsa.fill(2);
  const auto text = encode_key_reference(reference);
  const auto identity = to_line(reference.identity) + "\n";
  EXPECT_FALSE(parse_key_reference(identity)) << "NAME.pub";
  EXPECT_FALSE(parse_key_reference(text + identity));
  EXPECT_FALSE(parse_key_reference(text + "keystore pcsc:\n"));
  EXPECT_FALSE(parse_key_reference(identity + "keystore file:other.key\n"));
  EXPECT_FALSE(parse_key_reference("keystore pcsc:\n"));
}

}  // namespace
}  // namespace sealmq
