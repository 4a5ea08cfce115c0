#include "schemes/pmqtt/pmqtt.h"

namespace sealmq::pmqtt {

Result<std::unique_ptr<ClientScheme>> hardened_client(ClientPorts) {
  return fail(Blame::caller_misused, "not here yet");
}
Result<std::unique_ptr<ClientScheme>> smqtt_client(ClientPorts) {
  return fail(Blame::caller_misused, "not here yet");
}

}  // namespace sealmq::pmqtt
