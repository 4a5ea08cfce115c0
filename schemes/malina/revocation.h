// The revocation phase: somebody shows the authority a message (REQUEST), the authority orders all brokers to revoke or restore
// an identity (ORDER). Pure functions; whom to believe and what to do about an order is the caller's. Bytes: revocation.md.
//
// An order names no broker: it is for every broker and subscriber that knows the authority's key.
#pragma once

#include <optional>
#include <string>

#include "crypto/ecdsa.h"
#include "mqtt/own_topics.h"
#include "schemes/malina/signature.h"

namespace sealmq::malina {

inline constexpr std::uint8_t type_revocation_request = 0x51;
inline constexpr std::uint8_t type_revocation_order = 0x52;
inline constexpr std::uint8_t type_evidence = 0x53;
inline constexpr std::string_view authority_topic = mqtt::orders_topic;

/// By which level the message in question came.
enum class Level : std::uint8_t { sl1 = 1, sl2 = 2, sl3 = 3 };

// -- REQUEST, hardened

/// The message in question, as its receiver has it. Views.
struct Evidence {
  Level level = Level::sl1;
  std::string_view broker_id;
  std::string_view topic;
  Bytes message;
  std::uint64_t time = 0;
  // SL1, SL3:
  Id id{};
  std::uint64_t sequence = 0;
  Signature signature{};
  // SL2, where the receiver has no more than this:
  Bytes escrow;  ///< ECIES to the authority of ID || u64 sequence || z || e
};

/// What a receiver keeps of a message, to ask the authority with later: 02 53 01 || u8 level || … up to the proof, as in a
/// REQUEST.
Buffer encode(const Evidence& evidence);
/// Views point into `frame`. Nothing of it is verified. Error: malformed.
Result<Evidence> decode_evidence(Bytes frame);

/// 02 51 01 || requester(33) || u64 number || u64 t || u8 level || lp16(broker id) || lp16(T) || lp32(M) || u64 time ||
/// (ID || u64 sequence || z || e, or lp16(escrow)) || lp16(reason) || signature(64)
struct RevocationRequest {
  std::array<std::uint8_t, 33> requester{};  ///< its ECDSA key
  std::uint64_t number = 0;                  ///< strictly increasing for a requester
  std::uint64_t sent = 0;
  Evidence evidence;
  std::string_view reason;
};
struct RequestReader;
using VerifiedRequest = Verified<RevocationRequest, RequestReader>;

/// Signed by `key`, with its next number. Errors: caller_misused (something longer than its length can say), the key store's.
Result<Buffer> revocation_request(const Evidence& evidence, std::string_view reason, KeyStore& key, Now now);
/// Views point into `frame`. Verified is who asks, not what it claims. Errors: malformed, peer_misbehaved.
Result<VerifiedRequest> read_revocation_request(Bytes frame);
/// Whether evidence of SL1 or SL3, or of SL2 once its escrow has been opened into it, was signed by evidence.id.
bool holds(const Evidence& evidence);

/// What an escrow of SL2 holds.
struct Escrowed {
  Id id;
  std::uint64_t sequence;
  Signature signature;
};
Result<Escrowed> decode_escrowed(Bytes plaintext);

// -- REQUEST, as published

/// u8 kind || lp16(T) || lp32(M) || t || z || e || ID (SL1, SL3) || lp16(reason)
struct PaperRequest {
  Level level;
  std::string_view topic;
  Bytes message;
  std::uint64_t time;
  Signature signature;
  std::optional<Id> id;  ///< none for SL2: the authority tries those it knows
  std::string_view reason;
};
Result<PaperRequest> decode_paper_request(Bytes bytes);
Buffer encode(const PaperRequest& request);
/// What a receiver keeps: "EVID_" || a paper request without a reason.
Buffer encode_paper_evidence(const PaperRequest& evidence);
Result<PaperRequest> decode_paper_evidence(Bytes frame);
/// Whether the message in question was signed by `id`.
bool signed_by(const PaperRequest& request, const Id& id);
/// The author among `candidates`, of which the caller has chosen those that could publish to the topic, revoked ones too. As many
/// verifications as candidates.
std::optional<Id> author_among(const PaperRequest& request, std::span<const Id> candidates);

// -- ORDER

enum class Action : std::uint8_t { revoke = 1, restore = 2 };

/// Hardened: 02 52 01 || u64 serial || u64 t || u8 action || ID || u8 reason || signature; paper: "RVK1" instead of 02 52 01.
struct Order {
  std::uint64_t serial = 0;  ///< strictly increasing
  std::uint64_t time = 0;
  Action action = Action::revoke;
  Id id{};
  std::uint8_t reason = 0;
};
struct OrderReader;
using VerifiedOrder = Verified<Order, OrderReader>;

Result<Buffer> revocation_order(const Order& order, KeyStore& authority);
Result<Buffer> paper_revocation_order(const Order& order, KeyStore& authority);

/// Orders as their reader takes them: each once, in order. It is as old as `last_serial`, which its owner keeps across restarts.
class OrderBook {
 public:
  OrderBook(crypto::ecdsa::VerifyingKey authority, std::uint64_t last_serial)
      : authority_(std::move(authority)), last_serial_(last_serial) {}

  struct Taken;
  /// Errors: malformed, peer_misbehaved (signature, or not later than the last one). An order is not too old by its time: a
  /// broker that was away must still carry it out.
  Result<Taken> take(Bytes frame);
  Result<Taken> take_paper(Bytes frame);
  std::uint64_t last_serial() const { return last_serial_; }

 private:
  Result<Taken> judge(const VerifiedOrder& order);
  crypto::ecdsa::VerifyingKey authority_;
  std::uint64_t last_serial_;
};

struct OrderBook::Taken {
  VerifiedOrder order;
  bool gap = false;  ///< orders before it are missing: fetch the list again
};

}  // namespace sealmq::malina
