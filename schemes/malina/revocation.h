// The revocation phase: somebody shows the authority a message (REQUEST), the authority orders all brokers to revoke or restore
// an identity (ORDER). Pure functions; whom to believe and what to do about an order is the caller's. Bytes: revocation.md.
//
// An order names no broker: it is for every broker and subscriber that knows the authority's key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/ecdsa.h"
#include "crypto/identity_digest.h"
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

/// Whom an order means it says by key hashes (crypto/identity_digest.h): everybody who has any of these keys.
///
/// content = 02 52 02 || u64 serial || u64 t || u8 action || u8 n1 || n1 key hashes of a first line || u8 n2 || n2 of a second
/// one || u8 reason; order = content || ECDSA(64) || lp16(ML-DSA).
struct Order {
  std::uint64_t serial = 0;  ///< strictly increasing
  std::uint64_t time = 0;
  Action action = Action::revoke;
  std::vector<crypto::Digest> keys{};         ///< of the first line of NAME.pub; at least one, at most 255, none of zeroes
  std::vector<crypto::Digest> second_keys{};  ///< of its second line, at most 255
  std::uint8_t reason = 0;
};

/// Forms of before, which are still read. They name one Schnorr key: 02 52 01, or as published "RVK1", || u64 serial || u64 t ||
/// u8 action || ID || u8 reason || signature.
struct OrderById {
  std::uint64_t serial = 0;
  std::uint64_t time = 0;
  Action action = Action::revoke;
  Id id{};
  std::uint8_t reason = 0;
};

/// Errors: caller_misused (no key, too many, zeroes), the key store's.
Result<Buffer> revocation_order(const Order& order, KeyStore& authority);
Result<Buffer> first_revocation_order(const OrderById& order, KeyStore& authority);
Result<Buffer> paper_revocation_order(const OrderById& order, KeyStore& authority);

/// An order of any form, as its reader has it.
struct ReadOrder {
  Order order;          ///< no keys: of an older form with an ID of zeroes, it means nobody
  crypto::Digest name;  ///< SHA-256 of what is signed: the same order, whatever its signature looks like
  Buffer content;       ///< what is signed of it, without the tag
  Buffer frame;         ///< to be passed on: in older forms the signature has been brought to its lower s
};
class OrderReader;
using VerifiedOrder = Verified<ReadOrder, OrderReader>;
/// Errors: malformed; peer_misbehaved: not signed by the authority, or in the present form with the higher s. The second
/// signature is read and not verified.
Result<VerifiedOrder> read_order(Bytes frame, const crypto::ecdsa::VerifyingKey& authority);

}  // namespace sealmq::malina
