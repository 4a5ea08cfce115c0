// A channel that seals messages one by one: an AEAD key of its own for one direction, and a counter as nonce.
//
//   key || iv = the derived secret: 28 bytes (AES-128-GCM) or 44 bytes (AES-256-GCM)
//   nonce     = iv XOR (00000000 || u64 counter)
//
// The counter travels beside the ciphertext, in whatever header the caller authenticates as `aad`.
#pragma once

#include "crypto/aead.h"
#include "crypto/replay_window.h"

namespace sealmq::crypto {

/// Length of the secret for a channel under AES-128-GCM.
inline constexpr std::size_t channel_secret_size = 28;

/// Seals under 0, 1, 2 ... One thread at a time.
class SealingChannel {
 public:
  /// After `limit` messages it is retired. Another length than 28 or 44 bytes is a bug and ends in an exception.
  SealingChannel(const Secret& key_and_iv, std::uint64_t limit);

  /// The counter of the next message, for its header.
  std::uint64_t counter() const { return counter_; }
  bool is_retired() const { return counter_ >= limit_; }

  /// Appends ciphertext and tag to `out` and counts up. Error: caller_misused once it is retired, and on the other side of a
  /// fork().
  Result<> seal(Bytes aad, Bytes plaintext, Buffer& out);

 private:
  AesGcm aead_;
  Iv iv_;
  std::uint64_t counter_ = 0;
  std::uint64_t limit_;
  std::uint64_t process_;  // which alone may count
};

/// Opens in any order within a window of 64. One thread at a time.
class OpeningChannel {
 public:
  OpeningChannel(const Secret& key_and_iv, std::uint64_t limit);

  struct Opened {
    Buffer plaintext;
    bool repeat = false;  ///< an exact copy of a message that was opened before
  };
  /// Errors: peer_misbehaved if anything was changed, if `counter` fell behind the window or lies beyond the limit. A refused
  /// message leaves no trace in the window.
  Result<Opened> open(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag);

  /// The two halves of open(), for a key that more than two hold: what unseals may still be another holder's forgery, and must
  /// not move the window before it has been verified.
  Result<Buffer> unseal(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag);
  /// Remembers `counter` if it is fresh.
  Replay judge(std::uint64_t counter);

  /// How many messages were opened, copies left out.
  std::uint64_t opened() const { return opened_; }
  bool is_retired() const { return opened_ >= limit_; }

 private:
  AesGcm aead_;
  Iv iv_;
  ReplayWindow window_;
  std::uint64_t opened_ = 0;
  std::uint64_t limit_;
};

}  // namespace sealmq::crypto
