// Sealer: a scheme without a connection, for programs that keep the MQTT client they have.
//
//   auto sealer = sealmq::Sealer::open({.scheme = "payload", .key_file = "boiler-7.key", .topic_keys = "sealmq-keys"});
//   message->set_payload(sealmq::as_text(*sealer->seal("plant/7/temp", "21.5")));
//   …
//   auto opened = sealer->unseal(message->get_topic(), message->get_payload());
//
// For schemes whose messages say everything by themselves (SchemeInfo::has_topic_keys); those that talk with a broker or a
// partner need the Client.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sealmq/identity.h"
#include "sealmq/result.h"

#pragma GCC visibility push(default)
namespace sealmq {

struct SealerOptions {
  std::string scheme{};
  std::string key_file{};              ///< NAME.key; empty: nothing can be signed, and nothing for named readers opened
  std::string topic_keys{};            ///< a folder; empty: none are kept
  std::vector<PublicIdentity> to{};    ///< readers of what is sealed
  std::vector<PublicIdentity> from{};  ///< authors who count; none: those who share the topic's key
  std::map<std::string, std::string, std::less<>> scheme_options{};
};

struct Unsealed {
  std::string payload{};
  std::string author{};   ///< empty: somebody who has the key
  std::string checked{};  ///< what was checked, in words
  bool is_own = false;    ///< a key that was dealt, and has been taken: nothing for the application
};

/// Any thread, one at a time.
class Sealer {
 public:
  static Result<Sealer> open(SealerOptions options);
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;
  ~Sealer();

  /// Errors: caller_misused (no key for this topic), environment.
  Result<Buffer> seal(std::string_view topic, std::string_view payload);
  /// A will, which may be published long after.
  Result<Buffer> seal_will(std::string_view topic, std::string_view payload);
  /// Errors begin with one of: malformed, policy, stale, stamp, decrypt, replay. `retained`: as the broker says of the message;
  /// `queued`: it may have waited in a session.
  Result<Unsealed> unseal(std::string_view topic, std::string_view container, bool retained = false, bool queued = false);
  /// To subscribe to besides: what comes there goes to unseal() too.
  std::vector<std::string> key_filters() const;

 private:
  struct Parts;
  explicit Sealer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sealmq
#pragma GCC visibility pop
