// Records: what may stand between a connection's packets and its bytes on the wire once a login has made keys for it. Whole
// packets in, records out, and the other way round.
#pragma once

#include <memory>
#include <optional>

#include "sealmq/bytes.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::mqtt {

/// Of one connection, both directions. One thread at a time. After an error nothing more is asked.
class Records {
 public:
  virtual ~Records() = default;
  /// Bytes of packets that one record holds at most.
  virtual std::size_t most_plaintext() const = 0;
  /// One or more whole packets as one record, appended to `out`. `steady` in milliseconds, as in Now.
  virtual Result<> seal(Bytes packets, std::uint64_t steady, Buffer& out) = 0;
  /// Another login has ended on the connection: what tells so is appended to `out`, and its key becomes part of the keys.
  virtual Result<> mix(const Secret& session_key, std::uint64_t steady, Buffer& out) = 0;
  /// How long the record at the front is; nothing: that is not known yet.
  virtual Result<std::optional<std::size_t>> size_of(Bytes from_peer) const = 0;
  /// What one whole record holds: whole packets, or none.
  virtual Result<Buffer> open(Bytes record) = 0;
};

/// By a codec that has these functions.
template <class Codec>
std::unique_ptr<Records> records_by(Codec codec) {
  class By final : public Records {
   public:
    explicit By(Codec its) : codec_(std::move(its)) {}
    std::size_t most_plaintext() const override { return Codec::most_plaintext; }
    Result<> seal(Bytes packets, std::uint64_t steady, Buffer& out) override { return codec_.seal(packets, steady, out); }
    Result<> mix(const Secret& key, std::uint64_t steady, Buffer& out) override { return codec_.mix(key, steady, out); }
    Result<std::optional<std::size_t>> size_of(Bytes from_peer) const override { return Codec::size_of(from_peer); }
    Result<Buffer> open(Bytes record) override { return codec_.open(record); }

   private:
    Codec codec_;
  };
  return std::make_unique<By>(std::move(codec));
}

}  // namespace sealmq::mqtt
