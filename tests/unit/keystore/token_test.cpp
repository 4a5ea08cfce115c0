// What only a token can do to who uses it: be pulled out, be another one, refuse a PIN.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "crypto/ecdsa.h"
#include "crypto/random.h"
#include "keystore/key_reference.h"
#include "keystore/pkcs11_module.h"
#include "keystore/token_keys.h"
#include "sealmq/keystore.h"
#include "support/softhsm.h"

namespace sealmq {
namespace {

using namespace std::chrono_literals;
using testing::soft_hsm;
using testing::TemporaryFolder;

class TokenTest : public ::testing::Test {
 protected:
  TokenTest() : uri_(soft_hsm().new_uri()) {
    wanted_ = {"boiler-7", Kind::device, folder_ / "boiler-7.key", folder_ / "boiler-7.pub", 0, uri_};
    identity_ = create_keys(wanted_, random_).value();
  }
  ~TokenTest() override {
    if (soft_hsm().is_out()) soft_hsm().put_back();
  }
  Result<std::unique_ptr<KeyStore>> open() { return open_keys(wanted_.key_path, random_); }
  bool signs(KeyStore& keys) const {
    const auto signature = keys.sign_ecdsa(as_bytes("x"));
    return signature &&
           crypto::ecdsa::verify(crypto::ecdsa::VerifyingKey::from_sec1(identity_.keys.ecdsa).value(), as_bytes("x"), *signature);
  }
  /// A module looks for tokens anew no more than once a second.
  static bool comes_true(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }

  TemporaryFolder folder_;
  crypto::OsRandom random_;
  std::string uri_;
  NewKeys wanted_;
  PublicIdentity identity_;
};

TEST_F(TokenTest, TheKeyFileOnlySaysWhereTheKeysAre) {
  const auto text = testing::read_text(wanted_.key_path);
  EXPECT_EQ(parse_key_reference(text)->identity, identity_);
  EXPECT_EQ(text.find(testing::SoftHsm::pin), std::string::npos);
  EXPECT_EQ(open().value()->identity(), identity_);
  const auto by_uri = open_keys(uri_, random_).value();
  EXPECT_EQ(by_uri->identity().keys, identity_.keys);
}

/// Calls to a store whose module tells which of them were made side by side.
struct Meeting {
  void* library = ::dlopen(MEETING_MODULE, RTLD_NOW | RTLD_LOCAL);
  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library, name));
  }
  void expect(std::size_t count) const { find<void(std::size_t)>("meeting_expect")(count); }
  std::size_t most() const { return find<std::size_t()>("meeting_most")(); }
  std::size_t sessions() const { return find<std::size_t()>("meeting_sessions")(); }
  std::size_t busiest() const { return find<std::size_t()>("meeting_busiest")(); }
};

TEST_F(TokenTest, SessionsWorkSideBySideAndTakeTurns) {
  const Meeting meeting;
  ASSERT_NE(meeting.library, nullptr) << ::dlerror();
  auto by_meeting = uri_;
  by_meeting.replace(by_meeting.find(testing::SoftHsm::module), std::string::npos, MEETING_MODULE);
  const auto sign_at_once = [&](KeyStore& keys, std::size_t threads) {
    std::atomic<std::size_t> signatures = 0;
    {
      std::vector<std::jthread> all;
      for (std::size_t i = 0; i < threads; ++i) all.emplace_back([&] { signatures += signs(keys) ? 1 : 0; });
    }
    return signatures.load();
  };
  const auto several = open_keys(by_meeting + "&x-sessions=3", random_).value();
  meeting.expect(3);
  EXPECT_EQ(sign_at_once(*several, 3), 3U);
  EXPECT_EQ(meeting.most(), 3U);
  EXPECT_EQ(meeting.sessions(), 3U);
  EXPECT_EQ(sign_at_once(*several, 9), 9U);
  EXPECT_EQ(meeting.most(), 3U) << "no more than the address says";

  meeting.expect(1);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(signs(*several));
  EXPECT_EQ(meeting.sessions(), 3U);
  EXPECT_EQ(meeting.busiest(), 10U) << "the one that has rested longest works next";

  const auto single = open_keys(by_meeting + "&x-sessions=1", random_).value();
  meeting.expect(1);
  EXPECT_EQ(sign_at_once(*single, 4), 4U);
  EXPECT_EQ(meeting.most(), 1U);
  EXPECT_EQ(meeting.sessions(), 1U);
}

TEST_F(TokenTest, NeverReplacesKeysThatAreInTheToken) {
  NewKeys other = wanted_;
  other.key_path = folder_ / "again.key";
  other.pub_path = folder_ / "again.pub";
  const auto again = create_keys(other, random_);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().what.find("not overwritten"), std::string::npos) << again.error().what;
  EXPECT_TRUE(signs(*open().value()));
}

TEST_F(TokenTest, ATokenThatWasPulledOutIsFoundAgain) {
  const auto keys = open().value(), others = open().value();
  ASSERT_TRUE(signs(*keys) && signs(*others));
  soft_hsm().pull_out();
  EXPECT_TRUE(comes_true([&] { return !keys->check(); }));
  const auto failed = keys->sign_ecdsa(as_bytes("x"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().blame, Blame::environment) << failed.error().what;
  soft_hsm().put_back();
  EXPECT_TRUE(comes_true([&] { return keys->check().has_value(); }));
  EXPECT_TRUE(signs(*keys));
  EXPECT_TRUE(signs(*others)) << "also for who did not notice";
}

TEST_F(TokenTest, OtherKeysUnderTheSameNameAreNotUsed) {
  const auto keys = open().value();
  auto token = std::get<TokenUri>(parse_key_uri(uri_).value());
  ASSERT_TRUE(erase_token_keys(token, {}));
  ASSERT_TRUE(create_token_keys(token, "boiler-7", Kind::device, 0, {}));
  EXPECT_FALSE(signs(*keys));
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what.find("has other keys"), std::string::npos) << opened.error().what;
}

TEST_F(TokenTest, NeedsAPinAndNeverTriesARefusedOneAgain) {
  soft_hsm().add_token("other");  // nobody of this process has logged in there
  auto uri = std::get<TokenUri>(parse_key_uri(uri_).value());
  uri.token = "other";
  ::unsetenv("SEALMQ_PIN");
  const auto none = create_token_keys(uri, "a", Kind::device, 0, {});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().what.find("hint: pin-source"), std::string::npos) << none.error().what;
  int asked = 0;
  const auto wrong = create_token_keys(uri, "a", Kind::device, 0, [&](const std::string&) -> Result<Secret> {
    ++asked;
    return Secret(as_bytes("000000"));
  });
  EXPECT_FALSE(wrong);
  EXPECT_EQ(asked, 1);

  testing::write_text(folder_ / "pin", std::string(testing::SoftHsm::pin) + "\n");
  uri.pin_source = folder_ / "pin";
  EXPECT_FALSE(create_token_keys(uri, "a", Kind::device, 0, {})) << "others can read it";
  ::chmod((folder_ / "pin").c_str(), 0600);
  const auto made = create_token_keys(uri, "a", Kind::device, 0, {});
  EXPECT_TRUE(made) << made.error().what;
  ::setenv("SEALMQ_PIN", testing::SoftHsm::pin, 1);
}

TEST_F(TokenTest, SaysWhatIsMissing) {
  EXPECT_NE(open_keys("pkcs11:token=nowhere;object=a?module-path=/usr/lib/softhsm/libsofthsm2.so", random_)
                .error()
                .what.find("the token nowhere is not there"),
            std::string::npos);
  EXPECT_NE(open_keys("pkcs11:token=plant;object=nobody?module-path=/usr/lib/softhsm/libsofthsm2.so", random_)
                .error()
                .what.find("has no keys nobody-ecdsa"),
            std::string::npos);
  EXPECT_EQ(open_keys("pkcs11:token=plant;object=a?module-path=/nowhere.so", random_).error().blame, Blame::environment);
  EXPECT_EQ(open_keys("pkcs11:token=plant;object=a?module-path=/dev/null", random_).error().blame, Blame::environment);
}

TEST(EcPoint, IsReadWithAndWithoutItsWrapping) {
  const auto point = crypto::uncompressed(crypto::Point::decode(crypto::generator()).value());
  Buffer wrapped{0x04, 65};
  append(wrapped, point);
  EXPECT_EQ(pkcs11::decode_ec_point(wrapped).value(), crypto::generator());
  EXPECT_EQ(pkcs11::decode_ec_point(point).value(), crypto::generator());
  EXPECT_FALSE(pkcs11::decode_ec_point({}));
  EXPECT_FALSE(pkcs11::decode_ec_point(Bytes(wrapped).first(66)));
  wrapped[1] = 64;
  EXPECT_FALSE(pkcs11::decode_ec_point(wrapped));
  wrapped[1] = 65;
  wrapped.back() ^= 1;
  EXPECT_FALSE(pkcs11::decode_ec_point(wrapped)) << "not on the curve";
}

}  // namespace
}  // namespace sealmq
