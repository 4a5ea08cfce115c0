// MessageKeys: how stored messages are sealed, with AES-256-GCM. The key of a process is agreed on with the broker's own key
// (ECDH of a fresh key with the broker's, HKDF), so it dies with the process and only the holder of the broker's key can make it
// again. The public half of the fresh key lies in the store, as an epoch. IVs are a counter; the number of the message is
// authenticated with it.
#pragma once

#include <optional>
#include <unordered_map>

#include "crypto/aead.h"
#include "crypto/counter.h"
#include "registry/sqlite.h"
#include "sealmq/keystore.h"

namespace sealmq::server {

class MessageKeys {
 public:
  static constexpr std::uint64_t messages_per_key = std::uint64_t{1} << 32;
  /// `key` and `random` outlive it.
  MessageKeys(KeyStore& key, Random& random, std::uint64_t most = messages_per_key) : key_(key), random_(random), most_(most) {}

  /// A key of its own for what is sealed from now on; to be called before the first seal() and when is_used_up(). Errors:
  /// environment.
  Result<> begin_epoch(sqlite::Database& database);
  bool is_used_up() const { return iv_.next() >= most_; }

  struct Sealed {
    std::uint64_t epoch;
    std::uint64_t iv;
    Buffer bytes;
  };
  /// On the other side of a fork(), where that is a bug, it ends in an exception.
  Sealed seal(std::uint64_t number, Bytes record);

  /// By epoch.
  using Earlier = std::unordered_map<std::uint64_t, crypto::AesGcm>;
  /// The keys of all epochs in the store that this broker can make again. Errors: environment.
  Result<Earlier> earlier(sqlite::Database& database);
  /// Errors: there is no key for it, or it was changed.
  static Result<Buffer> open(Earlier& keys, std::uint64_t number, std::uint64_t epoch, std::uint64_t iv, Bytes sealed);

 private:
  KeyStore& key_;
  Random& random_;
  const std::uint64_t most_;
  std::optional<crypto::AesGcm> present_;
  std::uint64_t epoch_ = 0;
  crypto::Counter iv_;
};

}  // namespace sealmq::server
