#include "net/entry.h"

namespace sealmq::net {

std::unique_ptr<Channel> Entry::make_channel() const {
  switch (transport_) {
    case Transport::tls:
      return tls()->accept();
    case Transport::websocket:
      return accept_websocket(rules_);
    case Transport::secure_websocket:
      return stack(tls()->accept(), accept_websocket(rules_));
    case Transport::tcp:
    case Transport::unix_socket:
      break;
  }
  return nullptr;
}

}  // namespace sealmq::net
