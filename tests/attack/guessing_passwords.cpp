// Somebody guesses passwords, or wants a name to be shut out. The way in is the whole one: CONNECT, the password file, PMQTT-2,
// and what counts failures.
#include <gtest/gtest.h>

#include <algorithm>

#include "schemes/pmqtt/login_client.h"
#include "server/login_throttle.h"
#include "server/password_file.h"
#include "support/broker_bench.h"
#include "support/pmqtt_login.h"
#include "support/temporary_folder.h"

namespace sealmq::testing {
namespace {

using mqtt::Reason;

constexpr std::string_view home = "192.0.2.7:1", elsewhere = "198.51.100.1:1";

class Guessing : public ::testing::Test {
 protected:
  Guessing() {
    Identity alice;
    static_cast<PublicIdentity&>(alice) = keys->identity();
    broker.enroll(alice);
    for (int i = 0; i < 100; ++i) {
      const std::string name = "device-" + std::to_string(i);
      broker.enroll(static_cast<Identity>(Identity{make_memory_keys(name, Kind::device, broker.random)->identity()}));
      passwords_[name] = entry("secret of " + name);
    }
    passwords_["alice"] = entry("right", 14);  // the least that PMQTT-2 takes
    write_text(path, server::to_text(passwords_));
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    broker.set_rules({{"pmqtt/#", broker.schemes({"pmqtt"}), broker.schemes({"pmqtt"})}});
  }

  /// With less work than it would be in earnest.
  static constexpr crypto::ScryptCost quick{.log2_n = 10, .r = 8, .p = 1};
  /// As the password file keeps it.
  static server::PasswordEntry entry(std::string_view password, unsigned log2_n = quick.log2_n) {
    server::PasswordEntry made{quick, Buffer(16, 7), {}};
    made.cost.log2_n = log2_n;
    made.hash = to_buffer(crypto::scrypt(as_bytes(password), made.salt, made.cost, 32)->reveal());
    return made;
  }
  mqtt::Connect packet(std::string_view client_id, std::string_view user, std::string_view password) {
    mqtt::Connect packet;
    packet.client_id = client_id;
    packet.user_name = user;
    packet.password = as_bytes(password);
    return packet;
  }
  Reason connect(std::string_view client_id, std::string_view user, std::string_view password, std::string_view from) {
    broker.peer.address = from;
    return broker.connect(packet(client_id, user, password)).connack.value_or(Reason::unspecified_error);
  }
  auto looked_at() { return std::ranges::count(broker.journal.causes, "wrong password for alice"); }

  /// All of them have begun before the first is decided. How many get in.
  std::size_t connect_at_once(const std::vector<mqtt::Connect>& packets, std::string_view from) {
    broker::Shard& shard = broker.shard(0);
    const auto before = shard.counters().logins;
    for (const auto& packet : packets) {
      Buffer bytes;
      mqtt::encode(packet, bytes);
      shard.receive(shard.open({.address = std::string(from)}, broker.now), bytes, broker.now);
    }
    while (!shard.effects().jobs.empty())  // of one address a few at a time
      for (auto& job : std::exchange(shard.effects().jobs, {})) {
        job.work();
        shard.finish(job.name, broker.now);
      }
    return shard.counters().logins - before;
  }

  /// By PMQTT-2, with a key that is or is not alice's.
  Reason talk(std::string_view password, KeyStore& with, std::string_view from) {
    broker.peer.address = from;
    const Secret secret{as_bytes(password)};
    const ClientPorts ports{&with, broker.identity(), {}, broker.random};
    pmqtt::PasswordHasher hasher;
    auto login = pmqtt::begin_client_login({.client_id = "a", .user_name = "alice", .password = &secret}, ports, hasher).value();
    const Buffer first = login->first().value();
    mqtt::Connect packet;
    packet.client_id = "a";
    packet.user_name = "alice";
    packet.properties.authentication_method = login->method();
    packet.properties.authentication_data = first;
    auto& link = broker.connect(packet);
    if (!link.connack) {
      const Buffer proof = login->answer(to_buffer(as_bytes(link.login_data))).value();
      mqtt::Auth auth;
      auth.reason = Reason::continue_authentication;
      auth.properties.authentication_method = login->method();
      auth.properties.authentication_data = proof;
      broker.send(link, auth);
    }
    return link.connack.value_or(Reason::unspecified_error);
  }

  TemporaryFolder folder;
  const std::string path = folder / "passwords";
  CountingRandom random;
  server::PasswordEntries passwords_;
  crypto::ScryptCost todays = quick;
  server::PasswordFile file{path, random, true, [this](Kind) { return todays; }};
  server::LoginThrottle throttle;
  broker::LoginGate* gate = &throttle;
  BrokerBench broker{1, {}, nullptr, [this](broker::Ports& ports) {
                       ports.gate = gate;
                       ports.password_login = [this](LoginRequest& request, Now at) { return file.begin(request, at); };
                       BrokerPorts its{*broker.key, broker.random};
                       its.passwords.record = [this](std::string_view name) { return file.find(name); };
                       for (std::size_t i = 0; i < ports.schemes.size(); ++i)
                         if (ports.schemes[i]->info().name == "pmqtt") ports.schemes[i] = all_schemes()[i].broker_side(its);
                     }};
  std::unique_ptr<KeyStore> keys = make_memory_keys("alice", Kind::device, broker.random);
  std::unique_ptr<KeyStore> others = make_memory_keys("mallory", Kind::device, broker.random);
};

// Claim: five guesses of a name from one network in a minute, whatever client identifiers they come with.
TEST_F(Guessing, UnderManyClientIdentifiersIsNoFaster) {
  for (int i = 0; i < 40; ++i) {
    const auto answer = connect("client-" + std::to_string(i), "alice", "guess " + std::to_string(i), home);
    EXPECT_EQ(answer, i < 5 ? Reason::not_authorized : Reason::quota_exceeded) << i;
  }
  EXPECT_EQ(looked_at(), 5);
  EXPECT_EQ(connect("client-40", "alice", "right", home), Reason::quota_exceeded) << "the right one waits like the others";
}

// Claim: nobody locks a name out of another network, nor a client identifier, and a name that is not there is slowed the same.
TEST_F(Guessing, ClosesNothingToOthers) {
  for (int i = 0; i < 19; ++i) connect("alice", i % 2 == 0 ? "alice" : "nobody", "guess", home);
  EXPECT_EQ(connect("b", "alice", "right", elsewhere), Reason::success);
  EXPECT_EQ(connect("c", "device-1", "secret of device-1", home), Reason::success) << "another name behind the same address";
  EXPECT_EQ(connect("d", "nobody", "guess", home), Reason::quota_exceeded);
  EXPECT_EQ(connect("alice", "device-2", "secret of device-2", home), Reason::success);
}

// Claim: twenty from one network, whatever the names.
TEST_F(Guessing, OfManyNamesIsNoFaster) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(connect("c", "device-" + std::to_string(i), "guess", home), Reason::not_authorized) << i;
  EXPECT_EQ(connect("c", "device-30", "secret of device-30", home), Reason::quota_exceeded);
  EXPECT_EQ(connect("c", "device-30", "secret of device-30", elsewhere), Reason::success);
}

// Claim: what begins together is counted together.
TEST_F(Guessing, AtOnceIsNoFaster) {
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) names.push_back("client-" + std::to_string(i));
  std::vector<mqtt::Connect> packets;
  for (int i = 0; i < 60; ++i)
    packets.push_back(packet(names[static_cast<std::size_t>(i)], "alice", i == 57 ? "right" : "guess"));
  EXPECT_EQ(connect_at_once(packets, home), 0U);
  EXPECT_EQ(looked_at(), 5);
}

/// The same broker, and nothing counts.
class GuessingUncounted : public Guessing {
 protected:
  GuessingUncounted() {
    gate = nullptr;
    broker.crash();
  }
};

TEST_F(GuessingUncounted, FindsThePassword) {
  for (int i = 0; i < 60; ++i)
    EXPECT_EQ(connect("c" + std::to_string(i), "alice", i == 57 ? "right" : "guess", home) == Reason::success, i == 57) << i;
  EXPECT_EQ(looked_at(), 59);
}

// Claim: a connection that ends while the broker works on it does not take its failure away.
TEST_F(Guessing, LeavingEarlyDoesNotHelp) {
  broker::Shard& shard = broker.shard(0);
  for (int i = 0; i < 40; ++i) {
    Buffer bytes;
    mqtt::encode(packet("", "alice", "guess"), bytes);
    const auto id = shard.open({.address = std::string(home)}, broker.now);
    shard.receive(id, bytes, broker.now);
    for (auto& job : std::exchange(shard.effects().jobs, {})) {
      job.work();
      shard.gone(id, broker.now);
      shard.finish(job.name, broker.now);
    }
  }
  EXPECT_EQ(connect("c", "alice", "right", home), Reason::quota_exceeded);
}

// Claim: a hundred devices with the right password behind one address come back at once, and all get in, though many have given
// up waiting before.
TEST_F(Guessing, AFleetBehindOneAddressIsNotTakenForOne) {
  std::vector<std::string> names, secrets;
  for (int i = 0; i < 100; ++i) {
    names.push_back("device-" + std::to_string(i));
    secrets.push_back("secret of " + names.back());
  }
  broker::Shard& shard = broker.shard(0);
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < 100; ++i) {
      Buffer bytes;
      mqtt::encode(packet(names[i], names[i], secrets[i]), bytes);
      const auto id = shard.open({.address = std::string(home)}, broker.now);
      shard.receive(id, bytes, broker.now);
      shard.gone(id, broker.now);
      for (auto& job : std::exchange(shard.effects().jobs, {})) {
        job.work();
        shard.finish(job.name, broker.now);
      }
    }
  std::vector<mqtt::Connect> packets;
  for (std::size_t i = 0; i < 100; ++i) packets.push_back(packet(names[i], names[i], secrets[i]));
  EXPECT_EQ(connect_at_once(packets, home), 100U);
  EXPECT_EQ(file.hashed(), 100U) << "once each";
}

// Claim: who was verified within the hour comes in without a slow hash, and waits behind nobody's.
TEST_F(Guessing, AFleetThatComesBackWaitsBehindNobody) {
  todays.log2_n = quick.log2_n + 1;
  std::vector<std::string> names, secrets;
  for (int i = 0; i < 10; ++i) {
    names.push_back("device-" + std::to_string(i));
    secrets.push_back("secret of " + names.back());
  }
  std::vector<mqtt::Connect> packets;
  for (std::size_t i = 0; i < 10; ++i) packets.push_back(packet(names[i], names[i], secrets[i]));
  for (int i = 0; i < 2; ++i) connect_at_once(packets, home);  // the records were cheap ones, and have been made anew
  EXPECT_EQ(file.find("device-0").value()->log2_n, todays.log2_n);
  const auto hashed = file.hashed();
  broker::Shard& shard = broker.shard(0);
  for (const auto from : {home, elsewhere}) {
    const auto before = shard.counters().logins;
    Buffer guess;
    mqtt::encode(packet("m", "alice", "guess"), guess);
    shard.receive(shard.open({.address = "203.0.113.9:1"}, broker.now), guess, broker.now);
    for (const auto& packet : packets) {
      Buffer bytes;
      mqtt::encode(packet, bytes);
      shard.receive(shard.open({.address = std::string(from)}, broker.now), bytes, broker.now);
    }
    EXPECT_EQ(shard.counters().logins - before, 10U) << "before the guess of somebody else has been looked at";
    for (auto& job : std::exchange(shard.effects().jobs, {})) shard.finish(job.name, broker.now);
  }
  EXPECT_EQ(file.hashed(), hashed);
}

// Claim: what is quick to check is no quicker to guess.
TEST_F(Guessing, AtWhatWasVerifiedLatelyIsNoFaster) {
  EXPECT_EQ(connect("c", "alice", "right", home), Reason::success);
  for (int i = 0; i < 40; ++i) connect("client-" + std::to_string(i), "alice", "guess " + std::to_string(i), home);
  EXPECT_EQ(looked_at(), 5);
  EXPECT_EQ(connect("d", "alice", "right", home), Reason::quota_exceeded);
  EXPECT_EQ(connect("d", "alice", "right", elsewhere), Reason::success);
}

// Claim: a revoked identity is out at once, however lately its password was verified.
TEST_F(Guessing, WhatWasVerifiedLatelyDoesNotOutliveTheIdentity) {
  EXPECT_EQ(connect("c", "device-1", "secret of device-1", home), Reason::success);
  const auto hashed = file.hashed();
  Identity revoked{make_memory_keys("device-1", Kind::device, broker.random)->identity()};
  revoked.status = Status::revoked;
  broker.set_identity(revoked);
  EXPECT_EQ(connect("d", "device-1", "secret of device-1", home), Reason::not_authorized);
  EXPECT_EQ(file.hashed(), hashed);
}

// Claim: one set of counters for each name, whatever the way in; who has no key cannot fail at the password behind it.
TEST_F(Guessing, ByPmqttCountsWithTheOtherWays) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(connect("c" + std::to_string(i), "alice", "guess", home), Reason::not_authorized);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(talk("guess", *keys, home), Reason::not_authorized);
  EXPECT_EQ(talk("right", *keys, home), Reason::quota_exceeded);
  EXPECT_EQ(connect("d", "alice", "right", home), Reason::quota_exceeded);
  EXPECT_EQ(talk("right", *keys, elsewhere), Reason::success);
}

TEST_F(Guessing, ByPmqttWithoutTheKeyTellsNothing) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(connect("c" + std::to_string(i), "alice", "guess", home), Reason::not_authorized);
  EXPECT_EQ(talk("right", *others, home), Reason::not_authorized) << "not: too many, which would tell that there is a password";
}

// Claim: failed passwords never close a proof by key.
TEST_F(Guessing, ClosesNoProofByKey) {
  ASSERT_TRUE(server::remove_password(path, "alice").value());
  for (int i = 0; i < 30; ++i) connect("c" + std::to_string(i), i % 2 == 0 ? "alice" : "device-1", "guess", home);
  EXPECT_EQ(connect("d", "device-2", "secret of device-2", home), Reason::success);
  for (int i = 0; i < 30; ++i) connect("c" + std::to_string(i), "device-" + std::to_string(i), "guess", home);
  EXPECT_EQ(connect("d", "device-99", "secret of device-99", home), Reason::quota_exceeded)
      << "the network is closed to passwords";
  EXPECT_EQ(talk("", *keys, home), Reason::success);
}

}  // namespace
}  // namespace sealmq::testing
