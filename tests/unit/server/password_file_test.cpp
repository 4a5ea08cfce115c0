#include "server/password_file.h"

#include <gtest/gtest.h>

#include "support/fakes.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

class PasswordFileTest : public ::testing::Test {
 protected:
  void set(const std::string& name, std::string_view password) {
    ASSERT_TRUE(set_password(path, name, hash_password(as_bytes(password), random).value()));
  }
  /// The name that logged in, or why not.
  std::string login(std::string_view name, std::string_view password) {
    LoginRequest request;
    request.user_name = name;
    request.password = Secret(as_bytes(password));
    auto begun = file.begin(request);
    if (begun == nullptr) return "no file";
    const auto step = begun->advance({}, {{}, directory});
    return step ? (*step->done)->identity : step.error().what;
  }

  testing::TemporaryFolder folder;
  const std::string path = folder / "passwords";
  testing::CountingRandom random;
  Directory directory;
  PasswordFile file{path, random};
};

TEST_F(PasswordFileTest, LetsInWhoKnowsThePassword) {
  EXPECT_EQ(login("boiler-7", "secret"), "no file");
  set("boiler-7", "secret");
  set("dashboard", "");
  EXPECT_EQ(login("boiler-7", "secret"), "boiler-7");
  EXPECT_EQ(login("boiler-7", "Secret"), "wrong password for boiler-7");
  EXPECT_EQ(login("boiler-7", ""), "wrong password for boiler-7");
  EXPECT_EQ(login("dashboard", ""), "dashboard");
  EXPECT_EQ(login("stranger\n", "secret"), "user name stranger\\x0a has no password");
}

TEST_F(PasswordFileTest, FollowsTheFile) {
  set("boiler-7", "old");
  EXPECT_EQ(login("boiler-7", "old"), "boiler-7");
  set("boiler-7", "new");
  EXPECT_EQ(login("boiler-7", "old"), "wrong password for boiler-7");
  EXPECT_EQ(login("boiler-7", "new"), "boiler-7");
  EXPECT_TRUE(remove_password(path, "boiler-7").value());
  EXPECT_FALSE(remove_password(path, "boiler-7").value());
  EXPECT_EQ(login("boiler-7", "new"), "user name boiler-7 has no password");
}

TEST_F(PasswordFileTest, IsForTheOwnerOnly) {
  set("boiler-7", "secret");
  EXPECT_EQ(testing::mode_of(path), 0600U);
  EXPECT_EQ(testing::read_text(path).find("secret"), std::string::npos);
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  EXPECT_NE(login("boiler-7", "secret"), "boiler-7");
}

TEST(PasswordText, RefusesWhatItDoesNotUnderstand) {
  const std::string good = "boiler-7 scrypt 15 8 1 AAECAwQFBgcICQoLDA0ODw AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
  EXPECT_EQ(parse_passwords("# comment\n\n" + good + "\n").value().size(), 1U);
  for (const std::string& bad :
       {good + " x", std::string("boiler-7 md5 1 1 1 AA AA"), "a#b" + good.substr(8), good + "\n" + good, good.substr(0, 60),
        "boiler-7 scrypt 40 8 1" + good.substr(22), "boiler-7 scrypt 15 0 1" + good.substr(22), std::string("x")})
    EXPECT_FALSE(parse_passwords(bad)) << bad;
  EXPECT_EQ(parse_passwords("# one\nx\n").error().what.substr(0, 6), "line 2");
}

}  // namespace
}  // namespace sealmq::server
