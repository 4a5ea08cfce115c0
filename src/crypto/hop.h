// What protects a connection after a login that ended with a session key, between one client and its broker:
//
//   HPP1      seals the payload of each PUBLISH; topics, acknowledgements and subscriptions stay visible
//   RATCHET1  does the same with a key for each message (ratchet.h)
//   HRL1      wraps all packets behind CONNACK in records
//
// They know two directions with keys of their own, which go on to the next epoch by themselves (epochs.h); numbers count up from
// zero in each, so no nonce comes twice while the session key belongs to one connection, which is what a login makes it for.
#pragma once

#include <optional>

#include "crypto/epochs.h"
#include "sealmq/payload_guard.h"

namespace sealmq::crypto {

/// Which of the two ends this is.
enum class HopEnd : std::uint8_t { client, broker };

/// Bytes of the AES key of either layer, if nothing else was agreed on.
inline constexpr std::size_t hop_key_size = 16;

/// Payloads of a connection that do not open, until it has to end.
inline constexpr std::uint64_t usual_most_forgeries = ChannelLimits{.messages = 0}.forgeries;

/// HPP1. One thread at a time.
///
///   payload = 48 01 || u64 number || AES-GCM(key, iv XOR number, "HPP1" || direction || u64 number || lp16(topic), plaintext)
///   number  = u24 epoch || u40 count
class HopPayloads final : public PayloadGuard {
 public:
  /// The client identifier in use, of at most 65535 bytes. The key has 16 or 32 bytes. `most_forgeries`: payloads that do not
  /// open, until must_end().
  HopPayloads(const Secret& session_key, std::string_view client_id, HopEnd own, std::size_t key_size = hop_key_size,
              const EpochLimits& limits = {}, std::uint64_t most_forgeries = usual_most_forgeries);

  /// How much longer a payload gets.
  static constexpr std::size_t overhead = 2 + 8 + AesGcm::tag_size;

  std::size_t sealed_size(std::size_t plaintext) const override { return plaintext + overhead; }
  Result<> seal(std::string_view topic, Bytes plaintext, Now now, Buffer& out) override;
  Result<Opened> open(std::string_view topic, Bytes payload) override;
  bool must_end() const override { return opening_.has_too_many_forgeries(); }

 private:
  std::string_view own_direction_, peer_direction_;  // of literals
  SealingEpochs sealing_;
  OpeningEpochs opening_;
};

/// HRL1. One thread at a time.
///
///   record = 17 || u24 length || AES-GCM(key, iv XOR number, the 4 bytes before, one or more whole packets)
///            18 || u24 length || AES-GCM(likewise, 00 or 01)      the last of its epoch; 01: a new login's key is mixed in
class HopRecords {
 public:
  HopRecords(const Secret& session_key, HopEnd own, std::size_t key_size = hop_key_size, const EpochLimits& limits = {});

  static constexpr std::size_t header_size = 4;
  /// Ciphertext and tag of one record.
  static constexpr std::size_t longest = std::size_t{1} << 22;
  static constexpr std::size_t most_plaintext = longest - AesGcm::tag_size;

  /// One record with these packets, 1 to most_plaintext bytes; others are a bug and end in an exception. Before it the record
  /// that ends an epoch, where it is time for that. Appends to `out`. `steady` in milliseconds, as in Now.
  Result<> seal(Bytes packets, std::uint64_t steady, Buffer& out);
  /// Another login has ended on the connection: appends the record that tells so, and from there on its key is part of those of
  /// this direction; of the other one once the peer's record comes. Error: peer_misbehaved, if that of the login before has not.
  Result<> mix(const Secret& session_key, std::uint64_t steady, Buffer& out);
  /// How long the record at the front is, header included; nothing: that is not known yet. Errors: peer_misbehaved.
  static Result<std::optional<std::size_t>> size_of(Bytes from_peer);
  /// What one whole record, the next one, holds: nothing, if it ends an epoch. Errors: peer_misbehaved; the connection is to be
  /// closed without another word.
  Result<Buffer> open(Bytes record);

 private:
  Result<> end_epoch(std::uint8_t what, std::uint64_t steady, Buffer& out);
  Result<> follow(Bytes update);

  std::string_view own_direction_, peer_direction_;  // of literals
  EpochLimits limits_;
  SealingEpochs sealing_;
  EpochKeys opening_keys_;
  std::optional<OpeningChannel> opening_;
  std::uint64_t next_ = 0;          // of the epoch
  std::optional<Secret> expected_;  // of a login whose record has not come from the peer
};

}  // namespace sealmq::crypto
