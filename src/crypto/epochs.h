// Channels that go on to another key, so that none protects too much and what was taken of one opens nothing of another.
//
//   epoch 0     as the protocol says, and u_1
//   epoch n     key = HKDF-Expand(u_n, label || " key", 16 or 32)      iv = HKDF-Expand(u_n, label || " iv", 12)
//               u_(n+1) = HKDF-Expand(u_n, label || " update", 32)
//   mixed       u_(n+1) becomes HKDF-Expand(HKDF-Extract(u_(n+1), a new secret), info, 32)
//
// What a key came from is wiped when the next one is there.
#pragma once

#include <optional>
#include <string>

#include "crypto/channel.h"

namespace sealmq::crypto {

/// What brings a sender to the next epoch, whatever comes first.
struct EpochLimits {
  std::uint64_t messages = std::uint64_t{1} << 24;
  std::uint64_t bytes = std::uint64_t{1} << 36;
  std::uint64_t age = 60 * 60 * 1000;  ///< milliseconds from its first message on
  /// What a receiver takes in one.
  ChannelLimits most_received() const { return {.messages = 2 * messages, .bytes = 2 * bytes}; }
};

/// The keys of one direction, one epoch after the other. Moves, has no copy.
class EpochKeys {
 public:
  /// `update` is u_1. Keys of 16 or 32 bytes.
  EpochKeys(std::string label, Secret update, std::size_t key_size);
  /// key || iv of the next epoch.
  Secret next();
  void mix(const Secret& secret, std::string_view info);
  /// A second one that stands where this one does.
  EpochKeys fork() const;

 private:
  std::string label_;
  Secret update_;
  std::size_t key_size_;
};

/// How a channel begins.
struct FirstEpoch {
  Secret key_and_iv;
  EpochKeys others;
};

/// A sender's keys: it asks before each message. One thread at a time.
class SealingEpochs {
 public:
  /// `spread`: between the first numbers of two epochs; 0: each begins at 0.
  SealingEpochs(FirstEpoch first, const EpochLimits& limits, std::uint64_t spread);

  /// Whether the next message belongs into the next epoch. `steady` in milliseconds, as in Now.
  bool is_due(std::uint64_t steady) const;
  /// Error: caller_misused, on the other side of a fork(), where both would have the same keys, and where numbers of epochs end.
  Result<> go_on();
  /// The next epoch's keys come of this too; then goes on to it.
  Result<> mix(const Secret& secret, std::string_view info);

  std::uint64_t counter() const { return channel_->counter(); }
  /// As SealingChannel::seal().
  Result<> seal(Bytes aad, Bytes plaintext, std::uint64_t steady, Buffer& out);

 private:
  /// Of one epoch's channel, if nobody asked: what tells the end of the epoch goes under the old key, whatever came before it.
  ChannelLimits own_limits() const { return {.messages = 2 * limits_.messages, .bytes = UINT64_MAX}; }

  EpochKeys keys_;
  EpochLimits limits_;
  std::uint64_t spread_;
  Counter epochs_{1};                   // the next one
  std::optional<std::uint64_t> began_;  // steady; when the epoch's first message was sealed
  std::optional<SealingChannel> channel_;
};

/// A receiver's keys, where the number of a message tells its epoch: u24 epoch || u40 count. It takes its epoch, the four after
/// it (and moves on when one opens), and for 64 more messages the one before. One thread at a time.
class OpeningEpochs {
 public:
  static constexpr unsigned count_bits = 40;
  static constexpr std::uint64_t spread = std::uint64_t{1} << count_bits;
  static constexpr std::uint64_t ahead = 4;

  explicit OpeningEpochs(FirstEpoch first, std::uint64_t most_forgeries = ChannelLimits{.messages = 0}.forgeries);

  /// Errors: peer_misbehaved if anything was changed, an epoch is not there, a number fell behind its window, and always once too
  /// many did not open. What is refused changes nothing else.
  Result<OpeningChannel::Opened> open(std::uint64_t number, Bytes aad, Bytes ciphertext_and_tag);
  bool has_too_many_forgeries() const { return forgeries_ >= most_forgeries_; }

 private:
  Result<OpeningChannel::Opened> open_ahead(std::uint64_t number, Bytes aad, Bytes ciphertext_and_tag);

  EpochKeys keys_;
  std::uint64_t most_forgeries_;
  std::uint64_t forgeries_ = 0;
  std::uint64_t epoch_ = 0;
  std::optional<OpeningChannel> present_;
  std::optional<OpeningChannel> previous_;
};

}  // namespace sealmq::crypto
