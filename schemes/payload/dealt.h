// Dealt keys: what an administrator sends to those who share a topic's keys. It is retained, so that it finds who was away.
//
//   PREFIX/ADMINISTRATOR/FILTER'S HASH/readers   for who may read, and of a symmetric key write
//   PREFIX/ADMINISTRATOR/FILTER'S HASH/writers   of a pair: its public half, for who may only write
//
// signed by the administrator, and encrypted for the members inside.
#pragma once

#include "schemes/payload/receiving.h"

namespace sealmq::payload {

inline constexpr std::string_view default_key_prefix = "sealmq-keys";

std::string dealing_topic(std::string_view prefix, std::string_view administrator, std::string_view filter, bool to_readers);
/// Where keys of this administrator come.
std::string dealing_filter(std::string_view prefix, std::string_view administrator);

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
/// Keys of the filter that this administrator deals no more are erased, the others are put there. An error: one of them is
/// somebody else's.
Result<> install(Dealt dealt, const PublicIdentity& administrator, TopicKeys& keys);

}  // namespace sealmq::payload
