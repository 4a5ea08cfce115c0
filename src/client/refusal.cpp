// What a broker's reason code means to a caller.
#include "sealmq/client_types.h"

namespace sealmq {

using mqtt::Reason;

static Blame blame_of(Reason reason) {
  switch (reason) {
    case Reason::not_authorized:
    case Reason::bad_user_name_or_password:
    case Reason::bad_authentication_method:
    case Reason::banned:
      return Blame::not_authorised;
    case Reason::unsupported_protocol_version:
      return Blame::peer_incompatible;
    case Reason::server_unavailable:
    case Reason::server_busy:
    case Reason::server_shutting_down:
    case Reason::session_taken_over:
    case Reason::keep_alive_timeout:
    case Reason::use_another_server:
    case Reason::server_moved:
    case Reason::connection_rate_exceeded:
    case Reason::maximum_connect_time:
    case Reason::administrative_action:
      return Blame::environment;
    default:
      return Blame::peer_misbehaved;
  }
}

Error refusal(std::string_view what, Reason reason) {
  return {blame_of(reason), std::string(what) + ": " + std::string(mqtt::name(reason)), static_cast<std::uint8_t>(reason)};
}

}  // namespace sealmq
