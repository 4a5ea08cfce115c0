// Entry: how the connections of one listener begin: with a PROXY header or not, over TLS or not, as WebSockets or not.
#pragma once

#include <mutex>

#include "net/forwarded.h"
#include "net/tls.h"
#include "net/url.h"
#include "net/websocket.h"

namespace sealmq::net {

/// Any thread.
class Entry {
 public:
  /// `tls` is not null for transports that need it.
  Entry(Transport transport, ProxyRules proxy, UpgradeRules rules, std::shared_ptr<TlsServer> tls)
      : transport_(transport),
        proxy_(std::move(proxy)),
        rules_(std::make_shared<const UpgradeRules>(std::move(rules))),
        tls_(std::move(tls)) {}

  bool expects_proxy_header() const { return proxy_.header; }
  const ProxyRules& proxies() const { return proxy_; }
  /// Whoever comes from this address names its client in the request of a WebSocket.
  bool is_forwarded(std::string_view address) const { return proxy_.forwarded && proxy_.believe(address); }
  bool is_encrypted() const { return uses_tls(transport_); }
  /// The socket's first byte is MQTT.
  bool is_direct() const { return !proxy_.header && (transport_ == Transport::tcp || transport_ == Transport::unix_socket); }

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
  ProxyRules proxy_;
  std::shared_ptr<const UpgradeRules> rules_;
  mutable std::mutex mutex_;
  std::shared_ptr<TlsServer> tls_;
};

}  // namespace sealmq::net
