#include "base/file_kind.h"

#include <gtest/gtest.h>

namespace sealmq {
namespace {

struct Sample {
  FileKind kind;
  const char* content;
};

constexpr Sample samples[] = {
    {FileKind::unknown, ""},
    {FileKind::unknown, "correct horse battery staple\n"},
    {FileKind::private_keys, "# sealmq private keys of a (device)\nSEALMQ-SECRET-KEY-1 AAAA\n"},
    {FileKind::rabin_keys, "# Rabin\nSEALMQ-RABIN-KEY-1 AAAA\n"},
    {FileKind::topic_key, "SEALMQ-TOPIC-KEY-1 AAAA\n"},
    {FileKind::card, "SEALMQ-CARD-1 AAAA\n"},
    {FileKind::other_secret, "# of a later version\nSEALMQ-LATER-KEY-1 AAAA\n"},
    {FileKind::exported_key, "{\"filter\":\"a\",\"keys\":[\n{\"id\":\"00\",\"kind\":\"symmetric\",\"key\":\"0011\"}]}\n"},
    {FileKind::key_reference, "# elsewhere\nsealmq-identity a device schnorr-p256=-\nkeystore pkcs11:token=t\n"},
    {FileKind::public_identity, "sealmq-identity a device schnorr-p256=AA ecdsa-p256=AA ecdh-p256=AA\n"},
    {FileKind::broker_identity, "# public keys\nbroker broker-1\necdsa-p256 AA SHA256:x\necdh-p256 AA SHA256:x\n"},
    {FileKind::pem_private_key, "-----BEGIN EC PRIVATE KEY-----\nAAAA\n"},
    {FileKind::pem_private_key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nA\n"},
    {FileKind::pem_certificates, "Subject: x\n-----BEGIN CERTIFICATE-----\nAAAA\n"},
    {FileKind::pem_revocations, "-----BEGIN X509 CRL-----\nAAAA\n"},
    {FileKind::pem_other, "-----BEGIN PUBLIC KEY-----\nAAAA\n"},
    {FileKind::evidence, "\x02\x53\x01 and so on"},
    {FileKind::evidence, "EVID_ and so on"},
    {FileKind::database, "SQLite format 3"},
};

TEST(FileKind, EveryKindIsToldByItsContent) {
  for (const auto& sample : samples) EXPECT_EQ(kind_of_file(sample.content), sample.kind) << sample.content;
}

TEST(FileKind, AMarkInsideALineMarksNothing) {
  EXPECT_EQ(kind_of_file("my SEALMQ-SECRET-KEY-1 is in the safe\n"), FileKind::unknown);
}

TEST(FileKind, ASecretIsCalledByWhatItIsAndNotRepeated) {
  const auto checked = check_file("dev.key", "SEALMQ-SECRET-KEY-1 c2VjcmV0c2VjcmV0\n", wants_broker_identity);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().blame, Blame::caller_misused);
  EXPECT_EQ(checked.error().what, "dev.key holds private keys; --broker-key wants the broker's broker.pub");
}

TEST(FileKind, WhatIsWantedOrUnknownPasses) {
  EXPECT_TRUE(check_file("a.key", samples[2].content, wants_private_keys));
  EXPECT_TRUE(check_file("a", "something\n", wants_private_keys));
}

TEST(FileKind, NoSecretIsSent) {
  for (const auto& sample : samples)
    EXPECT_EQ(!check_no_secret("file", sample.content), is_secret(sample.kind)) << sample.content;
}

}  // namespace
}  // namespace sealmq
