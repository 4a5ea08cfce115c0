// A channel that seals messages one by one: an AEAD key of its own for one direction, and a counter as nonce.
//
//   key || iv = the derived secret: 28 bytes (AES-128-GCM) or 44 bytes (AES-256-GCM)
//   nonce     = iv XOR (00000000 || u64 counter)
//
// epochs.h has channels that go on to another key.
//
// The counter travels beside the ciphertext, in whatever header the caller authenticates as `aad`.
#pragma once

#include "crypto/aead.h"
#include "crypto/counter.h"
#include "crypto/replay_window.h"

namespace sealmq::crypto {

/// Length of the secret for a channel under AES-128-GCM.
inline constexpr std::size_t channel_secret_size = 28;

/// What one key may protect. 2^36 bytes are 2^32 blocks, which leaves AES-GCM an advantage below 2^-64 to tell it from chance.
struct ChannelLimits {
  std::uint64_t messages;
  std::uint64_t bytes = std::uint64_t{1} << 36;      ///< of plaintext
  std::uint64_t forgeries = std::uint64_t{1} << 20;  ///< at a receiver: that did not open
};

/// How much of that is used up. The message that reaches a limit is the last.
class KeyUse {
 public:
  explicit KeyUse(const ChannelLimits& limits) : limits_(limits) {}
  const ChannelLimits& limits() const { return limits_; }
  void count(std::size_t size) {
    ++messages_;
    bytes_ += size;
  }
  void count_forgery() { ++forgeries_; }
  std::uint64_t messages() const { return messages_; }
  std::uint64_t bytes() const { return bytes_; }
  bool has_too_many_forgeries() const { return forgeries_ >= limits_.forgeries; }
  bool is_over() const { return messages_ >= limits_.messages || bytes_ >= limits_.bytes || has_too_many_forgeries(); }
  /// In the last sixteenth: time for another key.
  bool is_nearly_over() const {
    return messages_ >= limits_.messages - limits_.messages / 16 || bytes_ >= limits_.bytes - limits_.bytes / 16 ||
           forgeries_ >= limits_.forgeries - limits_.forgeries / 16;
  }

 private:
  ChannelLimits limits_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t forgeries_ = 0;
};

/// Seals under `first`, `first` + 1 ... One thread at a time.
class SealingChannel {
 public:
  /// It is retired at its limits. Another length than 28 or 44 bytes is a bug and ends in an exception.
  SealingChannel(const Secret& key_and_iv, const ChannelLimits& limits, std::uint64_t first = 0);

  /// The counter of the next message, for its header.
  std::uint64_t counter() const { return counter_.next(); }
  const KeyUse& use() const { return use_; }
  bool is_retired() const { return use_.is_over(); }

  /// Appends ciphertext and tag to `out` and counts up. Error: caller_misused once it is retired, and on the other side of a
  /// fork().
  Result<> seal(Bytes aad, Bytes plaintext, Buffer& out);

 private:
  AesGcm aead_;
  Iv iv_;
  Counter counter_;
  KeyUse use_;
};

/// Opens in any order within a window of 64. One thread at a time.
class OpeningChannel {
 public:
  OpeningChannel(const Secret& key_and_iv, const ChannelLimits& limits, std::uint64_t first = 0);

  struct Opened {
    Buffer plaintext;
    bool repeat = false;  ///< an exact copy of a message that was opened before
  };
  /// Errors: peer_misbehaved if anything was changed, if `counter` fell behind the window or lies beyond the limit, and always
  /// once too many did not open. A refused message leaves no trace in the window.
  Result<Opened> open(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag);

  /// The two halves of open(), for a key that more than two hold: what unseals may still be another holder's forgery, and must
  /// not move the window before it has been verified.
  Result<Buffer> unseal(std::uint64_t counter, Bytes aad, Bytes ciphertext_and_tag);
  /// Remembers `counter` if it is fresh.
  Replay judge(std::uint64_t counter);

  /// Of what was opened by open(), copies left out, and of what did not open.
  const KeyUse& use() const { return use_; }
  bool is_retired() const { return use_.is_over(); }

 private:
  AesGcm aead_;
  Iv iv_;
  std::uint64_t first_;
  ReplayWindow window_;
  KeyUse use_;
};

}  // namespace sealmq::crypto
