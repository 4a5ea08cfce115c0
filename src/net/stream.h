// Stream: a connection on its way between two owners: a socket, what wraps its bytes, and what it still owes its peer.
#pragma once

#include <memory>
#include <string>

#include "base/descriptor.h"
#include "net/channel.h"

namespace sealmq::net {

struct Stream {
  Descriptor socket;                   ///< does not block
  std::string address;                 ///< of the peer, if somebody other than the socket told it (PROXY); else empty
  std::unique_ptr<Channel> channel;    ///< null: the socket's bytes are MQTT; otherwise open
  Buffer unsent;                       ///< wrapped already, and not taken by the socket yet
  std::shared_ptr<const void> ticket;  ///< kept as long as the connection: whoever let it in learns of its end by this
};

/// What is known of the peer.
PeerInfo peer_of(const Stream& stream);

}  // namespace sealmq::net
