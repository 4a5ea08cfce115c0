// The login of the paper profile, both sides: three messages, after which both ends have RNp and RNs. README.md lists what is
// wrong with it.
#pragma once

#include "schemes/scacauth/method.h"
#include "sealmq/smart_card.h"

namespace sealmq::scacauth {

/// What the broker's logins of one scheme object share. Copies are cheap; any thread.
class PaperPlace {
 public:
  /// The ports' references outlive every login. Options that cannot be were refused with the configuration.
  explicit PaperPlace(const BrokerPorts& ports);
  /// Null: the method is not one that this broker takes, or has keys for.
  std::unique_ptr<Login> begin(LoginRequest& request) const;

 private:
  friend class PaperBrokerSide;
  KeyStore* key_;
  Random* random_;
  AllowList methods_;
  bool allows_card_v2_, allows_plain_will_;
};

/// A card's, or what takes its place. `card` outlives the login and what it ends with.
std::unique_ptr<ClientLogin> begin_paper_client_login(const Method& method, SmartCard& card);

}  // namespace sealmq::scacauth
