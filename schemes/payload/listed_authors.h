// ListedAuthors: at a broker that opens messages, everybody on its list is known by its stamp; whether that helps, the core says.
#pragma once

#include "schemes/payload/receiving.h"
#include "sealmq/registry.h"

namespace sealmq::payload {

/// One thread.
class ListedAuthors final : public KnownAuthors {
 public:
  /// `own`: the broker's key for signatures. What it has stamped is nobody's message, even if it stands on its own list.
  explicit ListedAuthors(const crypto::Sec1Compressed& own) : own_(own) {}

  /// From now on; the list outlives all calls of find() until the next one of this.
  void look_into(const Directory& directory) { directory_ = &directory; }
  const Author* find(Bytes id, bool earlier) override;

 private:
  crypto::Sec1Compressed own_;
  const Directory* directory_ = nullptr;
  std::map<crypto::Sec1Compressed, Author> known_;  // by their keys: verifiers that were made before
};

}  // namespace sealmq::payload
