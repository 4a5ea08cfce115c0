#include "net/stream.h"

#include "net/address.h"

namespace sealmq::net {

PeerInfo peer_of(const Stream& stream) {
  PeerInfo peer;
  peer.address = stream.address.empty() ? peer_address(stream.socket.number()) : stream.address;
  if (stream.channel) stream.channel->describe(peer);
  return peer;
}

}  // namespace sealmq::net
