// How a message lies in the store, before it is sealed:
//
//   u8 1 | lp8 scheme | lp16 author | lp16 publisher | u64 expires (wall ms, 0: never) | u64 stamp | u8 wrapped, lp32 wire if so
//   | lp32 the message as an MQTT 5 PUBLISH
#pragma once

#include "broker/message.h"

namespace sealmq::server {

/// `now` ties the steady clock of a running broker to the one on the wall.
Buffer encode_record(const broker::Message& message, Now now);
/// Errors: malformed, or of a scheme that this build does not have.
Result<std::shared_ptr<const broker::Message>> decode_record(Bytes record, std::uint64_t number, Now now);

std::uint64_t wall_of(std::uint64_t steady, Now now);  ///< UINT64_MAX stays, as 0
std::uint64_t steady_of(std::uint64_t wall, Now now);  ///< the reverse; what is over is `now`

}  // namespace sealmq::server
