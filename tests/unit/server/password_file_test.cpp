#include "server/password_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "server/recoverable_passwords.h"
#include "support/fakes.h"
#include "support/temporary_folder.h"

namespace sealmq::server {
namespace {

class PasswordFileTest : public ::testing::Test {
 protected:
  void set(const std::string& name, std::string_view password) {
    ASSERT_TRUE(set_password(path, name, hash_password(as_bytes(password), random, quick).value()));
  }
  void enroll(const std::string& name, Kind kind) {
    Identity identity;
    identity.name = name;
    identity.kind = kind;
    identities.push_back(identity);
    directory = std::make_unique<const Directory>(identities);
  }
  static constexpr crypto::ScryptCost quick{15, 8, 1};  // less work than it would be in earnest
  /// The name that logged in, or why not.
  std::string login(std::string_view name, std::string_view password) {
    LoginRequest request;
    request.user_name = name;
    request.password = Secret(as_bytes(password));
    auto begun = file.begin(request, now);
    if (begun.login == nullptr) return "no file";
    const auto step = begun.login->advance({}, {now, *directory});
    return step ? (*step->done)->identity : step.error().what;
  }

  testing::TemporaryFolder folder;
  const std::string path = folder / "passwords";
  testing::CountingRandom random;
  std::vector<Identity> identities;
  std::unique_ptr<const Directory> directory = std::make_unique<const Directory>();
  Now now{1'000'000, 1'800'000'000'000};
  PasswordFile file{path, random, false};
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

// Claim: nobody comes in because the file is away.
TEST_F(PasswordFileTest, ThatHasGoneLetsNobodyIn) {
  set("boiler-7", "secret");
  EXPECT_EQ(login("boiler-7", "secret"), "boiler-7");
  std::filesystem::remove(path);
  EXPECT_NE(login("boiler-7", "secret"), "boiler-7");
  EXPECT_NE(login("boiler-7", "wrong"), "no file");
  EXPECT_FALSE(file.find("boiler-7")) << "nor by its key alone";
  PasswordFile named(path, random, true);
  LoginRequest request;
  request.user_name = "anybody";
  EXPECT_NE(named.begin(request, now).login, nullptr);
}

TEST_F(PasswordFileTest, APasswordOfTheLastHourIsNotHashedAgain) {
  set("boiler-7", "secret");
  const auto hashed = [this](std::string_view password) {
    const auto before = file.hashed();
    login("boiler-7", password);
    return file.hashed() - before;
  };
  EXPECT_EQ(hashed("secret"), 1U);
  EXPECT_EQ(hashed("secret"), 0U);
  EXPECT_EQ(login("boiler-7", "secret"), "boiler-7");
  EXPECT_EQ(hashed("Secret"), 1U);
  const auto before = file.hashed();
  EXPECT_NE(login("stranger", "secret"), "stranger");
  EXPECT_EQ(file.hashed() - before, 1U) << "an unknown name costs the same, or its answer would tell";
  EXPECT_EQ(login("boiler-7", "Secret"), "wrong password for boiler-7");
  now.steady += 3'600'000;
  EXPECT_EQ(hashed("secret"), 1U) << "an hour is over";
  set("boiler-7", "secret");
  EXPECT_EQ(hashed("secret"), 1U) << "the record is another one";
  set("boiler-7", "new");
  EXPECT_EQ(login("boiler-7", "secret"), "wrong password for boiler-7");
}

TEST_F(PasswordFileTest, ANameThatThereIsNotCostsAsMuch) {
  set("boiler-7", "secret");
  for (const char* name : {"boiler-7", "stranger"}) {
    const auto before = file.hashed();
    EXPECT_NE(login(name, "wrong"), name);
    EXPECT_EQ(file.hashed() - before, 1U) << name;
  }
}

TEST_F(PasswordFileTest, WhatWasVerifiedLatelyIsQuickUntilTheFileChanges) {
  set("boiler-7", "secret");
  set("boiler-8", "secret");
  const auto is_quick = [this](std::string_view name, std::string_view password) {
    LoginRequest request;
    request.user_name = name;
    request.password = Secret(as_bytes(password));
    return file.begin(request, now).is_quick;
  };
  EXPECT_FALSE(is_quick("boiler-7", "secret"));
  login("boiler-7", "secret");
  EXPECT_TRUE(is_quick("boiler-7", "secret"));
  EXPECT_FALSE(is_quick("boiler-7", "wrong"));
  EXPECT_FALSE(is_quick("boiler-8", "secret")) << "that was another name";
  EXPECT_FALSE(is_quick("stranger", "secret"));
  login("boiler-8", "secret");
  set("boiler-8", "new");
  EXPECT_FALSE(is_quick("boiler-8", "secret"));
  EXPECT_FALSE(is_quick("boiler-7", "secret")) << "the file is to be read first, elsewhere";
  login("boiler-8", "new");
  EXPECT_TRUE(is_quick("boiler-7", "secret")) << "its record is the same";
  EXPECT_FALSE(is_quick("boiler-8", "secret"));
  now.steady += 3'600'000;
  EXPECT_FALSE(is_quick("boiler-7", "secret"));
  std::filesystem::remove(path);
  EXPECT_FALSE(is_quick("boiler-8", "new"));
}

TEST_F(PasswordFileTest, TellsWhoseRecordHasChanged) {
  EXPECT_EQ(file.changes_of("boiler-7"), 0U);
  set("boiler-7", "secret");
  set("boiler-8", "secret");
  enroll("boiler-7", Kind::device);
  EXPECT_EQ(file.changes_of("boiler-7"), 0U) << "there was none before";
  EXPECT_EQ(login("boiler-7", "secret"), "boiler-7");
  ASSERT_NE(read_passwords(path).value().at("boiler-7").cost.p, quick.p) << "it was hashed anew";
  EXPECT_EQ(file.changes_of("boiler-7"), 0U) << "the password is the same";
  EXPECT_EQ(file.changes(), 0U);
  set("boiler-7", "new");
  EXPECT_EQ(file.changes_of("boiler-7"), 1U);
  EXPECT_EQ(file.changes_of("boiler-8"), 0U);
  std::filesystem::rename(path, folder / "away");
  EXPECT_EQ(file.changes(), 1U) << "what cannot be read has changed nothing";
  std::filesystem::rename(folder / "away", path);
  ASSERT_TRUE(remove_password(path, "boiler-8").value());
  EXPECT_EQ(file.changes_of("boiler-8"), 1U);
  set("boiler-8", "secret");
  EXPECT_EQ(file.changes_of("boiler-8"), 1U);
  EXPECT_EQ(file.changes(), 2U);
}

TEST_F(PasswordFileTest, IsReadAsContainersMountIt) {
  set("boiler-7", "secret");
  for (const unsigned mode : {0440U, 0444U, 0400U, 0640U}) {
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    EXPECT_EQ(login("boiler-7", "secret"), "boiler-7") << mode;
  }
  std::filesystem::create_symlink(path, folder / "link");
  EXPECT_EQ(read_passwords(folder / "link").value().size(), 1U);
  EXPECT_TRUE(set_password(folder / "link", "other", hash_password(as_bytes("x"), random, quick).value()));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(login("other", "x"), "other");
}

TEST_F(PasswordFileTest, WhatAPasswordCostsDependsOnWhoHashesIt) {
  EXPECT_EQ(cost_for(Kind::person), (crypto::ScryptCost{17, 8, 1}));
  EXPECT_EQ(cost_for(Kind::service), (crypto::ScryptCost{17, 8, 1}));
  EXPECT_EQ(cost_for(Kind::device), (crypto::ScryptCost{15, 8, 3}));
  EXPECT_EQ(hash_password(as_bytes("x"), random).value().cost, (crypto::ScryptCost{17, 8, 1}));
}

TEST_F(PasswordFileTest, ARecordOfLowerCostIsMadeAnewAtTheNextLogin) {
  enroll("boiler-7", Kind::device);
  enroll("ann", Kind::person);
  set("boiler-7", "secret");
  set("ann", "secret");
  EXPECT_EQ(login("boiler-7", "wrong"), "wrong password for boiler-7");
  EXPECT_EQ(read_passwords(path).value().at("boiler-7").cost, quick);
  EXPECT_EQ(login("boiler-7", "secret"), "boiler-7");
  EXPECT_EQ(login("ann", "secret"), "ann");
  const auto entries = read_passwords(path).value();
  EXPECT_EQ(entries.at("boiler-7").cost, cost_for(Kind::device));
  EXPECT_EQ(entries.at("ann").cost, cost_for(Kind::person));
  EXPECT_EQ(login("ann", "secret"), "ann");
  EXPECT_EQ(read_passwords(path).value(), entries);  // once is enough
}

TEST_F(PasswordFileTest, ARecordThatWasSetMeanwhileIsNotOverwritten) {
  set("ann", "old");
  const PasswordEntry old = read_passwords(path).value().at("ann");
  set("ann", "new");
  EXPECT_FALSE(replace_password(path, "ann", old, old).value());
  EXPECT_FALSE(replace_password(path, "bob", old, old).value());
  EXPECT_EQ(login("ann", "new"), "ann");
}

TEST_F(PasswordFileTest, WhatIsMadeUpCostsWhatRecordsCost) {
  EXPECT_EQ(file.some_cost(0).value().log2_n, 17U);  // nobody has one
  PasswordEntries entries;
  for (int i = 0; i < 30; ++i)
    entries["n" + std::to_string(i)] = {i < 10 ? crypto::ScryptCost{14, 8, 1} : crypto::ScryptCost{16, 8, 2}, Buffer(16),
                                        Buffer(32)};
  sealmq::testing::write_text(path, to_text(entries));
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const auto drawn = [&] {
    std::vector<unsigned> costs;
    for (std::uint64_t i = 0; i < 256; ++i) costs.push_back(file.some_cost(i << 56 | 0xABCDEF).value().log2_n);
    return costs;
  };
  const auto before = drawn();
  EXPECT_EQ(std::ranges::count(before, 14U), 86);  // a third
  EXPECT_EQ(std::ranges::count(before, 16U), 170);
  EXPECT_EQ(drawn(), before);
  entries["more"] = entries.at("n0");
  sealmq::testing::write_text(path, to_text(entries));
  const auto after = drawn();
  std::size_t changed = 0;
  for (std::size_t i = 0; i < after.size(); ++i) changed += after[i] == before[i] ? 0 : 1;
  EXPECT_LT(changed, 10U);  // who asks again learns nothing
}

TEST_F(PasswordFileTest, OfMosquittoIsSaidToBe) {
  const auto found = parse_passwords("alice:$7$101$AAAA$BBBB\n");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().what.find("mosquitto_passwd"), std::string::npos) << found.error().what;
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

TEST_F(PasswordFileTest, TheSameRecordServesLoginsOfSchemes) {
  EXPECT_FALSE(file.find("boiler-7").value());
  set("boiler-7", "secret");
  const auto record = file.find("boiler-7").value();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->log2_n, 15U);
  const auto hash = crypto::scrypt(as_bytes("secret"), record->salt, {record->log2_n, record->r, record->p}, 32).value();
  EXPECT_TRUE(same(hash.reveal(), record->verifier.reveal()));
  EXPECT_FALSE(file.find("boiler-8").value());
}

TEST_F(PasswordFileTest, RecoverablePasswordsAreInAFileOfTheirOwn) {
  const std::string own = folder / "recoverable";
  const RecoverablePasswords passwords(own);
  EXPECT_FALSE(passwords.find("patient1").value());
  ASSERT_TRUE(set_recoverable_password(own, "patient1", Secret(as_bytes("s3cret pass"))));
  ASSERT_TRUE(set_recoverable_password(own, "doctor1", Secret(as_bytes("other"))));
  EXPECT_EQ(as_text(passwords.find("patient1").value()->reveal()), "s3cret pass");
  EXPECT_FALSE(file.find("patient1").value());
  ASSERT_EQ(::chmod(own.c_str(), 0640), 0);
  EXPECT_EQ(passwords.find("patient1").error().blame, Blame::caller_misused);
  ASSERT_EQ(::chmod(own.c_str(), 0600), 0);
  EXPECT_TRUE(remove_recoverable_password(own, "patient1").value());
  EXPECT_FALSE(remove_recoverable_password(own, "patient1").value());
  EXPECT_FALSE(passwords.find("patient1").value());
}

TEST_F(PasswordFileTest, RecoverablePasswordsAreReadStrictly) {
  EXPECT_TRUE(parse_recoverable_passwords("# a comment\n\npatient1 czNjcmV0\n"));
  for (const char* text :
       {"patient1\n", "patient1 \n", "patient1 not*base64\n", "no/name czNjcmV0\n", "a czNjcmV0\na czNjcmV0\n"})
    EXPECT_FALSE(parse_recoverable_passwords(text)) << text;
}

}  // namespace
}  // namespace sealmq::server
