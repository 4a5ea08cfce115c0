// The broker asks its revocation authority about authors who publish what they have no right to (malina, section 8: REQUEST).
// What it sends is what any subscriber could: evidence, signed by whoever asks; the authority decides.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "base/keyed_hash.h"
#include "broker/shard.h"

namespace sealmq::server {

/// At most one request in ten minutes about an author, and few that wait: whoever misuses much shall not keep the broker busy,
/// nor fill the authority's book.
class AuthorityRequests final : public broker::MisuseWatch {
 public:
  static constexpr std::uint64_t interval = 10 * 60 * 1000;  ///< milliseconds
  static constexpr std::size_t most_waiting = 100;

  void saw(const std::string& author, std::string_view misuse, Now now, const std::function<Buffer()>& show) override;

  /// What the authority is to be asked now, signed. Blocks as long as the key store does. Errors: the key store's; what waited is
  /// lost.
  Result<std::vector<Buffer>> sign(KeyStore& broker, Now now);

 private:
  struct Seen {
    Buffer evidence;
    std::string reason;
  };
  std::mutex mutex_;
  TextMap<std::uint64_t> last_;  // steady, by author; authors are on the list
  std::vector<Seen> waiting_;
};

}  // namespace sealmq::server
