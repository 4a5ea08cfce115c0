// Whose dealt keys are taken, and for which topics.
#pragma once

#include <string_view>

#include "sealmq/topic_keys.h"

namespace sealmq {

using Administrators = std::vector<TopicKeys::Administrator>;

/// As TopicKeys::trust() and untrust().
Result<Administrators> trusting(Administrators known, const PublicIdentity& administrator, std::vector<std::string> filters);
Result<Administrators> not_trusting(Administrators known, const PublicIdentity& administrator);

/// Text: a line of NAME.pub for each, and a line `topics FILTER` for each of its filters, or `delegated`; one without either is
/// for all topics.
std::string to_text(const Administrators& administrators);
/// Errors: caller_misused.
Result<Administrators> parse_administrators(std::string_view text);

/// As TopicKeys::put().
void replace(std::vector<TopicKeys::Delegation>& among, const TopicKeys::Delegation& delegation);
/// Text: a line for each, owner, delegate, not-before, not-after, serial, the delegate's name, filter.
std::string to_text(const std::vector<TopicKeys::Delegation>& delegations);
Result<std::vector<TopicKeys::Delegation>> parse_delegations(std::string_view text);

}  // namespace sealmq
