// WebSocket as a channel: the HTTP handshake, then binary frames. Each send() becomes one frame.
#pragma once

#include "net/channel.h"
#include "net/websocket_upgrade.h"

namespace sealmq::net {

std::unique_ptr<Channel> accept_websocket(std::shared_ptr<const UpgradeRules> rules);
/// `host` as it stands in the URL, with the port; `path` begins with '/'.
std::unique_ptr<Channel> connect_websocket(std::string host, std::string path);

}  // namespace sealmq::net
