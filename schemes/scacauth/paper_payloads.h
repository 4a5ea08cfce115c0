// What protects the messages of a connection after a login of the paper profile: each QoS 2 message under the chain's present
// key, and the next key in the packets that acknowledge it.
//
//   paper      the sender of PUBLISH makes the next key and sends it in PUBREL
//   card-v2    its receiver does, in PUBREC, as the published applet has it
#pragma once

#include "schemes/scacauth/paper_messages.h"
#include "sealmq/smart_card.h"

namespace sealmq::scacauth {

/// RNp and RNs, as the login has made them.
struct PaperKeys {
  Secret publisher, subscriber;
};

/// The broker's end. `random` outlives it.
std::unique_ptr<PayloadGuard> guard_at_broker(const Method& method, Form form, std::string_view uid, PaperKeys keys,
                                              Random& random);

/// The client's end: the card has the keys. It outlives the guard.
std::unique_ptr<PayloadGuard> guard_at_client(SmartCard& card);

}  // namespace sealmq::scacauth
