// Dealt keys: what an administrator sends to those who share a topic's keys. It is retained, so that it finds who was away.
//
//   PREFIX/ADMINISTRATOR/ID/FILTER'S HASH/readers    for who may read, and of a symmetric key write
//   PREFIX/ADMINISTRATOR/ID/FILTER'S HASH/writers    of a pair: its public half, for who may only write
//   PREFIX/ADMINISTRATOR/ID/FILTER'S HASH/delegate   whom the administrator lets deal keys for the filter
//
// ID is that of the administrator's stamps, so that two with one name do not write on each other's topics. Keys are signed by the
// administrator, and encrypted for the members inside.
#pragma once

#include "schemes/payload/receiving.h"

namespace sealmq::payload {

inline constexpr std::string_view default_key_prefix = "sealmq-keys";

enum class Deal : std::uint8_t { readers, writers, delegate };
std::string dealing_topic(std::string_view prefix, const PublicIdentity& administrator, std::string_view filter, Deal what);
/// Where keys of this administrator come.
std::string dealing_filter(std::string_view prefix, const PublicIdentity& administrator);

/// All keys of one filter, as one administrator has dealt them.
struct Dealt {
  std::string filter;
  std::vector<TopicKey> keys;
};
Buffer encode_dealt(const Dealt& dealt, bool to_readers);
/// Errors: peer_misbehaved. The keys name no administrator yet.
Result<Dealt> decode_dealt(Bytes plaintext);

/// The message for the members of the newest of `keys` who are meant; nothing, if there are none. `number`: of the
/// administrator's signed messages.
Result<std::optional<Buffer>> deal(const Dealt& dealt, bool to_readers, std::string_view topic, KeyStore& administrator,
                                   std::uint64_t number, Now now, Random& random);
/// What was dealt to this reader. Errors as of Receiving::open; a message for others only is Blame::not_authorised.
Result<Dealt> open_dealt(Bytes message, std::string_view topic, const PublicIdentity& administrator, KeyStore& reader);
/// Keys of the filter that this administrator deals no more are erased, the others are put there. Answers what its user is to
/// know of new ones, in a line; empty: nothing is new. Errors: it may not deal keys for this filter; one of them is somebody
/// else's.
Result<std::string> install(Dealt dealt, const PublicIdentity& administrator, TopicKeys& keys, Now now);

// -- delegations

/// The message that makes a delegation known, as it is retained. Errors: those of the key store.
Result<Buffer> encode_delegation(const TopicKeys::Delegation& delegation, std::string_view topic, KeyStore& owner,
                                 std::uint64_t number, Now now);
/// What is signed of it. Errors: peer_misbehaved. It names no owner yet.
Result<TopicKeys::Delegation> decode_delegation(Bytes body);
/// What its owner says. Errors as of Receiving::open.
Result<TopicKeys::Delegation> open_delegation(Bytes message, std::string_view topic, const PublicIdentity& owner);
/// Keeps it, unless one with a higher serial is there.
Result<> install(const TopicKeys::Delegation& delegation, TopicKeys& keys);

}  // namespace sealmq::payload
