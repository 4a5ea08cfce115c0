// What the tests of this folder share: octets from hexadecimal, the published vectors, chance that repeats.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/text.h"
#include "sealmq/ports.h"
#include "sealmq/secret.h"

namespace sealmq::crypto {

inline Buffer hex(std::string_view text) {
  auto bytes = from_hex(text);
  if (!bytes) throw std::invalid_argument("not hexadecimal: " + std::string(text));
  return *bytes;
}

template <std::size_t N>
std::array<std::uint8_t, N> hex_array(std::string_view text) {
  Buffer bytes = hex(text);
  if (bytes.size() != N) throw std::invalid_argument("wrong length: " + std::string(text));
  std::array<std::uint8_t, N> out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

inline Secret hex_secret(std::string_view text) {
  return Secret(hex(text));
}

inline nlohmann::json vectors(const std::string& name) {
  std::ifstream file(SEALMQ_SOURCE_DIR "/tests/vectors/" + name);
  if (!file) throw std::runtime_error("no vectors: " + name);
  return nlohmann::json::parse(file);
}

inline std::string text_of(const nlohmann::json& object, const char* key) {
  return object.at(key).get<std::string>();
}

/// Gives the same octets for the same start.
class RepeatingRandom : public Random {
 public:
  explicit RepeatingRandom(std::uint32_t start = 1) : state_(start) {}
  void fill(std::span<std::uint8_t> out) override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>((state_ = state_ * 1664525 + 1013904223) >> 24);
  }

 private:
  std::uint32_t state_;
};

/// The same octet for ever: a broken generator.
class StuckRandom : public Random {
 public:
  explicit StuckRandom(std::uint8_t value) : value_(value) {}
  void fill(std::span<std::uint8_t> out) override {
    for (auto& byte : out) byte = value_;
  }

 private:
  std::uint8_t value_;
};

}  // namespace sealmq::crypto
