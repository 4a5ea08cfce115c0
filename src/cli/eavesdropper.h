// Eavesdropper: stands on the wire between clients and a broker, passes everything on and keeps a copy. For the guided tour.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sealmq/bytes.h"
#include "sealmq/result.h"

namespace sealmq::cli {

class Eavesdropper {
 public:
  /// Listens on a free loopback port and forwards to this one. Error: environment.
  static Result<std::unique_ptr<Eavesdropper>> start(std::uint16_t broker_port);
  virtual ~Eavesdropper() = default;

  virtual std::uint16_t port() const = 0;
  /// Everything that passed since start or clear(), both directions, connection by connection. Any thread.
  virtual Buffer everything() const = 0;
  /// The payload of the last PUBLISH to this topic that a client sent.
  virtual std::optional<Buffer> published(std::string_view topic) const = 0;
  virtual void clear() = 0;
};

}  // namespace sealmq::cli
