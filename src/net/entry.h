// Entry: how the connections of one listener begin: with a PROXY header or not, over TLS or not, as WebSockets or not.
#pragma once

#include <mutex>

#include "net/tls.h"
#include "net/url.h"
#include "net/websocket.h"

namespace sealmq::net {

/// Any thread.
class Entry {
 public:
  /// `tls` is not null for transports that need it.
  Entry(Transport transport, bool expects_proxy_header, UpgradeRules rules, std::shared_ptr<TlsServer> tls)
      : transport_(transport),
        expects_proxy_header_(expects_proxy_header),
        rules_(std::make_shared<const UpgradeRules>(std::move(rules))),
        tls_(std::move(tls)) {}

  bool expects_proxy_header() const { return expects_proxy_header_; }
  bool is_encrypted() const { return transport_ == Transport::tls || transport_ == Transport::secure_websocket; }
  /// The socket's first byte is MQTT.
  bool is_direct() const {
    return !expects_proxy_header_ && (transport_ == Transport::tcp || transport_ == Transport::unix_socket);
  }

  /// For a new connection; null: none is needed.
  std::unique_ptr<Channel> make_channel() const;
  /// For connections from now on.
  void set_tls(std::shared_ptr<TlsServer> tls) {
    const std::lock_guard lock(mutex_);
    tls_ = std::move(tls);
  }

  std::shared_ptr<TlsServer> tls() const {
    const std::lock_guard lock(mutex_);
    return tls_;
  }

 private:
  Transport transport_;
  bool expects_proxy_header_;
  std::shared_ptr<const UpgradeRules> rules_;
  mutable std::mutex mutex_;
  std::shared_ptr<TlsServer> tls_;
};

}  // namespace sealmq::net
