// The log of a revocation authority, as bytes (schemes/malina/revocation.md): what it has ordered and which deals of topic keys
// it was told of, in a tree that only grows, under a head that it signs.
//
// What has been verified is a Verified<>; entries, state and frontier are not signed and are worth something only beside a head.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crypto/merkle_tree.h"
#include "sealmq/identity.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"

namespace sealmq::key_log {

using crypto::Digest;

// -- where it is told

/// All of it, for any broker: ordinary topics.
inline constexpr std::string_view topic_prefix = "sealmq-log";
std::string filter_of(std::string_view authority);
std::string head_topic(std::string_view authority);
std::string state_topic(std::string_view authority);
std::string frontier_topic(std::string_view authority);
std::string submit_topic(std::string_view authority);
std::string entries_topic(std::string_view authority, std::uint64_t bundle);
/// Every bundle's.
std::string entries_filter(std::string_view authority);

// -- leaves

struct OrderLeaf {
  Buffer content;  ///< of the order, what is signed of it without the tag
  bool operator==(const OrderLeaf&) const = default;
};
struct IdentityLeaf {
  enum class What : std::uint8_t { listed = 1, second_line = 2, taken_off = 3 };
  What what = What::listed;
  Digest identity{};   ///< identity_digest()
  Digest name{};       ///< hashed with that of the authority
  Digest statement{};  ///< of what its keys have signed
  bool operator==(const IdentityLeaf&) const = default;
};
struct DealLeaf {
  Digest administrator{};  ///< identity_digest()
  Digest filter{};         ///< SHA-256
  std::uint64_t number = 0;
  Digest message{};  ///< SHA-256 of what is retained
  bool operator==(const DealLeaf&) const = default;
};
struct DelegationLeaf {
  Digest owner{};
  Digest filter{};
  Digest delegate{};
  std::uint64_t serial = 0;
  std::uint64_t not_after = 0;  ///< seconds since 1970
  bool operator==(const DelegationLeaf&) const = default;
};
struct Leaf {
  std::uint64_t time = 0;  ///< wall milliseconds
  std::variant<OrderLeaf, IdentityLeaf, DealLeaf, DelegationLeaf> body;
  bool operator==(const Leaf&) const = default;
};
inline constexpr std::size_t longest_leaf = 0xFFFF;

Buffer encode(const Leaf& leaf);
/// Errors, as of all that is read here: peer_misbehaved, malformed as code.
Result<Leaf> decode_leaf(Bytes bytes);

// -- what stands at its end

/// The revocations that stand and the last deal of each administrator for each filter.
struct State {
  struct Revoked {
    std::uint64_t serial = 0;   ///< of the order
    std::vector<KeyHash> keys;  ///< those of the order about which it is the last
    bool operator==(const Revoked&) const = default;
  };
  struct Deal {
    DealLeaf last{};
    std::uint64_t time = 0;  ///< of its leaf
    bool operator==(const Deal&) const = default;
  };
  std::uint64_t size = 0;        ///< of the tree
  std::vector<Revoked> revoked;  ///< by serial
  std::vector<Deal> deals;       ///< by administrator and filter
  bool operator==(const State&) const = default;
};
Buffer encode(const State& state);
Result<State> decode_state(Bytes frame);

/// Works the state out, entry by entry.
class StateFold {
 public:
  /// Later serials only.
  void order(std::uint64_t serial, bool restores, const std::vector<KeyHash>& keys);
  void deal(const DealLeaf& leaf, std::uint64_t time);
  State state(std::uint64_t size) const;
  std::uint64_t last_serial() const { return last_serial_; }
  /// The number of the last deal; 0: there is none.
  std::uint64_t last_deal(const Digest& administrator, const Digest& filter) const;
  bool is_revoked(const KeyHash& key) const { return standing_.contains(key); }

 private:
  std::map<KeyHash, std::uint64_t> standing_;               // serials of the revocations that stand
  std::map<std::uint64_t, std::vector<KeyHash>> as_named_;  // the keys of each order, in its order
  std::map<std::pair<Digest, Digest>, State::Deal> deals_;
  std::uint64_t last_serial_ = 0;
};

struct Head {
  Digest authority{};  ///< identity_digest()
  std::uint64_t size = 0;
  std::uint64_t time = 0;  ///< wall milliseconds
  Digest root{};
  Digest state{};            ///< SHA-256 of the state's frame
  std::uint32_t period = 0;  ///< seconds until the next one, at most
  std::uint64_t last_serial = 0;
  bool operator==(const Head&) const = default;
};
Result<Buffer> sign_head(const Head& head, KeyStore& authority);
class HeadReader;
using VerifiedHead = Verified<Head, HeadReader>;
/// Errors: also not signed by this authority. The second signature is read and not verified.
Result<VerifiedHead> read_head(Bytes frame, const PublicKeys& authority);

/// Leaves that follow each other; each bundle but the last has so many.
inline constexpr std::uint64_t bundle_size = 256;
struct Entries {
  std::uint64_t first = 0;
  std::vector<Buffer> leaves;
  bool operator==(const Entries&) const = default;
};
Buffer encode(const Entries& entries);
/// Their leaves are not decoded.
Result<Entries> decode_entries(Bytes frame);

Buffer encode(const crypto::TreeFrontier& frontier);
Result<crypto::TreeFrontier> decode_frontier(Bytes frame);

// -- who has something entered

struct Submitted {
  Leaf leaf;
  std::array<std::uint8_t, 33> submitter{};  ///< ECDSA
};
/// Errors: caller_misused: an order, which the authority alone enters.
Result<Buffer> submit(const Leaf& leaf, KeyStore& submitter);
class SubmittedReader;
using VerifiedSubmitted = Verified<Submitted, SubmittedReader>;
/// Errors: also not signed by who it names. Whether that one may is not looked at.
Result<VerifiedSubmitted> read_submitted(Bytes frame);

}  // namespace sealmq::key_log
