// RATCHET1: protects the payload of each PUBLISH between one client and its broker, each under a key of its own that is wiped
// when it has been used. Who takes over an end learns nothing of the messages before.
//
//   k_0     = HKDF-Expand(HKDF-Extract("SCACAuth2 ratchet", session key), direction, 32)      direction: "c2b", "b2c"
//   k_(n+1) = HKDF-Expand(k_n, "next", 32)          key || iv of message n = HKDF-Expand(k_n, "msg", 28 or 44)
//   payload = 48 02 || u64 n || AES-GCM(key, iv, "RATCHET1" || direction || u64 n || lp16(topic), plaintext)
//
// Each key seals one message, so its IV cannot repeat; on the other side of a fork() nothing is sealed.
#pragma once

#include <map>

#include "crypto/hop.h"

namespace sealmq::crypto {

/// One direction's keys, one after the other. Moves, has no copy.
class KeyRatchet {
 public:
  KeyRatchet(const Secret& session_key, std::string_view direction, std::size_t key_size);
  /// The number of the next key.
  std::uint64_t next() const { return next_; }
  /// Key and IV of that number; the ratchet goes on, and what it came from is wiped.
  Secret take();
  /// A second one that stands where this one does.
  KeyRatchet fork() const;

 private:
  KeyRatchet() = default;
  Secret chain_;
  std::uint64_t next_ = 0;
  std::size_t key_size_ = 0;
};

/// One thread at a time.
class RatchetPayloads final : public PayloadGuard {
 public:
  static constexpr std::size_t overhead = 2 + 8 + AesGcm::tag_size;
  /// Keys of messages that have not come, though later ones have.
  static constexpr std::size_t most_skipped = 64;

  RatchetPayloads(const Secret& session_key, HopEnd own, std::size_t key_size = hop_key_size);

  std::size_t sealed_size(std::size_t plaintext) const override { return plaintext + overhead; }
  Result<> seal(std::string_view topic, Bytes plaintext, Now now, Buffer& out) override;
  /// A copy is refused: the key of what was opened is no longer there. So is what comes more than most_skipped too early.
  Result<Opened> open(std::string_view topic, Bytes payload) override;

 private:
  std::string_view own_direction_, peer_direction_;  // of literals
  KeyRatchet sealing_, opening_;
  std::map<std::uint64_t, Secret> skipped_;
  Counter counter_;
};

}  // namespace sealmq::crypto
