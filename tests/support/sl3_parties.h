// Keys, chance and numbers that a test chooses, for schemes whose frames are compared byte for byte.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/text.h"
#include "keystore/software_keys.h"

namespace sealmq::testing {

inline nlohmann::json vectors(const std::string& name) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/" + name);
  if (!file) throw std::runtime_error("no vectors: " + name);
  return nlohmann::json::parse(file);
}

inline Buffer hex(const nlohmann::json& value) {
  return from_hex(value.get<std::string>()).value();
}

template <std::size_t N>
std::array<std::uint8_t, N> hex_array(const nlohmann::json& value) {
  Buffer bytes = hex(value);
  std::array<std::uint8_t, N> out{};
  if (bytes.size() != N) throw std::invalid_argument("wrong length");
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

/// Gives what was put in, then the same octet for ever.
class ScriptedRandom : public Random {
 public:
  explicit ScriptedRandom(Buffer script = {}, std::uint8_t then = 0x11) : script_(std::move(script)), then_(then) {}
  void fill(std::span<std::uint8_t> out) override {
    for (auto& octet : out) octet = at_ < script_.size() ? script_[at_++] : then_;
  }
  ScriptedRandom& add(Bytes bytes) {
    append(script_, bytes);
    return *this;
  }
  /// Of which a scalar is made: 48 octets, of which only these count.
  ScriptedRandom& add_scalar(const nlohmann::json& value) {
    add(Buffer(16));
    return add(hex(value));
  }

 private:
  Buffer script_;
  std::size_t at_ = 0;
  std::uint8_t then_;
};

class CountingFrom : public SequenceCounter {
 public:
  explicit CountingFrom(std::uint64_t first) : next_(first) {}
  Result<std::uint64_t> next() override { return next_++; }

 private:
  std::uint64_t next_;
};

/// A key store with the three keys of a vector; keys it does not name are the Schnorr key again.
inline std::unique_ptr<KeyStore> keys_of(std::string_view name, Kind kind, const nlohmann::json& secrets, std::uint64_t first,
                                         Random& random) {
  const auto secret = [&](const char* key) { return Secret(hex(secrets.contains(key) ? secrets[key] : secrets["schnorr"])); };
  PrivateKeys keys{crypto::schnorr::SigningKey::from_secret(secret("schnorr")).value(),
                   crypto::ecdsa::SigningKey::from_secret(secret("ecdsa")).value(),
                   crypto::AgreementKey::from_secret(secret("agreement")).value()};
  return std::make_unique<SoftwareKeys>(name, kind, std::move(keys), std::make_unique<CountingFrom>(first), random);
}

}  // namespace sealmq::testing
