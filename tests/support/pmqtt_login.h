// A client and a broker that log in by PMQTT-2 or by its paper form, without a connection between them.
#pragma once

#include "crypto/kdf.h"
#include "schemes/pmqtt/login_broker.h"
#include "schemes/pmqtt/login_client.h"
#include "schemes/pmqtt/paper_login.h"
#include "support/fakes.h"

namespace sealmq::testing {

class LoginParties {
 public:
  LoginParties() {
    enroll(*patient);
    set_password("patient1", "s3cret pass");
  }

  void enroll(const KeyStore& keys, Status status = Status::active) {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = keys.identity();
    identity.status = status;
    identities.push_back(identity);
    directory = std::make_shared<const Directory>(identities);
  }
  /// As the password file keeps it, with less work than it would be in earnest.
  void set_password(const std::string& name, std::string_view password) {
    const Buffer salt(16, static_cast<std::uint8_t>(name.size()));
    passwords[name] = {salt, to_buffer(crypto::scrypt(as_bytes(password), salt, {.log2_n = 14, .r = 8, .p = 1}, 32)->reveal())};
    recoverable[name] = password;
  }

  BrokerPorts broker_ports() {
    BrokerPorts ports{*broker, random};
    ports.passwords.record = [this](std::string_view name) -> Result<std::optional<PasswordRecord>> {
      const auto at = passwords.find(std::string(name));
      if (at == passwords.end()) return std::nullopt;
      return PasswordRecord{14, 8, 1, at->second.first, Secret(Bytes(at->second.second))};
    };
    ports.passwords.some_cost = [](std::uint64_t) -> Result<PasswordRecord> {
      PasswordRecord like;
      like.log2_n = 14;
      return like;
    };
    ports.passwords.recoverable = [this](std::string_view name) -> Result<std::optional<Secret>> {
      const auto at = recoverable.find(std::string(name));
      if (at == recoverable.end()) return std::nullopt;
      return Secret(as_bytes(at->second));
    };
    return ports;
  }
  ClientPorts client_ports(KeyStore& key) { return {&key, broker_identity(broker->identity()), {}, random}; }

  Scene scene() const { return {now, *directory}; }

  CountingRandom random;
  Now now{1'000'000, 1'800'000'000'000};
  std::unique_ptr<KeyStore> broker = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<KeyStore> patient = make_memory_keys("patient1", Kind::device, random);
  std::vector<Identity> identities;
  std::shared_ptr<const Directory> directory;
  std::map<std::string, std::pair<Buffer, Buffer>> passwords;  // salt and hash
  std::map<std::string, std::string> recoverable;
};

}  // namespace sealmq::testing
