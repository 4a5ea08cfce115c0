#include "schemes/pmqtt/partners.h"

#include <set>

#include "base/text.h"
#include "base/try.h"
#include "schemes/pmqtt/partner_table.h"

namespace sealmq::pmqtt {
namespace {

Failure misused(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

}  // namespace

Result<> check_ends(const ClientPorts& ports, std::string_view scheme) {
  const auto table = TRY(PartnerTable::make(ports.options, scheme));
  if (ports.key == nullptr) return misused("this scheme needs your private keys\nhint: --key NAME.key");
  if (ports.peers.empty())
    return misused("this scheme needs to know the other end\nhint: --to NAME.pub to publish, --from NAME.pub to subscribe");
  if (ports.peers.size() > most_partners) return misused("at most " + std::to_string(most_partners) + " other ends can be named");
  const std::string& own = ports.key->identity().name;
  if (!is_identity_name(own)) return misused("a name in a topic has 1 to 64 of A-Z a-z 0-9 . _ -, unlike " + printable(own));
  std::set<std::string_view> names;
  for (const auto& peer : ports.peers) {
    if (!is_identity_name(peer.name))
      return misused("a name in a topic has 1 to 64 of A-Z a-z 0-9 . _ -, unlike " + printable(peer.name));
    if (peer.name == own) return misused("the other end has the same name as this one: " + own);
    if (!names.insert(peer.name).second) return misused(peer.name + " is named twice");
    if (!table.allows(own, peer.name)) return misused("by the table of partners " + own + " may not talk to " + peer.name);
  }
  return {};
}

std::string tell_gap(std::uint64_t missing, bool late) {
  if (late) return "came after others that were sent later";
  if (missing == 0) return {};
  if (missing == 1) return "a frame sent just before this one has not come";
  return std::to_string(missing) + " frames sent just before this one have not come";
}

}  // namespace sealmq::pmqtt
