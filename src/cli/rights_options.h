// What an identity may do, as `identity enroll|ticket|allow|deny` are told: topics, QoS, schemes and what its logins must prove.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "sealmq/identity.h"

namespace sealmq::cli {

struct RightsOptions {
  std::vector<std::string> publish, publish_patterns;
  std::vector<std::string> subscribe, subscribe_patterns;
  std::string publish_qos = "all", subscribe_qos = "all";
  std::vector<std::string> schemes;
  std::string require;  ///< empty: nothing is said of it
  std::vector<std::string> roles;
  bool card = false;

  Rights to_publish() const;
  Rights to_subscribe() const;
  Factors factors() const;
  bool are_empty() const;
  std::string in_words() const;
};

/// `of_identity`: also its roles, whether its key is in a card, and what its logins must prove, unless they are denied.
void add_rights_options(Command& command, RightsOptions& options, bool of_identity, bool denies = false);

/// Filters that are there already get the QoS that is said now. An empty list of schemes means every hardened one; what is
/// allowed takes none of them away.
void allow(Identity& identity, const RightsOptions& options);
/// Errors: a right that was not given in these words; somebody who denies plant/7/a to a holder of plant/7/# must learn that it
/// does nothing.
Result<> deny(Identity& identity, const RightsOptions& options);

}  // namespace sealmq::cli
