// A device and an application that know a BrokerBench, under any scheme that signs.
#pragma once

#include "sealmq/scheme.h"
#include "support/broker_bench.h"

namespace sealmq::testing {

/// One identity with its keys, and its client side of a scheme.
struct Party {
  Party(BrokerBench& broker, std::string name, Rights publish, Rights subscribe, std::string_view scheme_name,
        std::vector<PublicIdentity> peers = {}, bool enrolled = true)
      : keys(make_memory_keys(name, Kind::device, broker.random)) {
    static_cast<PublicIdentity&>(identity) = keys->identity();
    identity.publish = std::move(publish);
    identity.subscribe = std::move(subscribe);
    identity.schemes = {std::string(scheme_name)};
    if (enrolled) broker.enroll(identity);
    scheme = find_scheme(scheme_name)->client_side({keys.get(), broker.identity(), std::move(peers), broker.random}).value();
  }
  Identity identity;
  std::unique_ptr<KeyStore> keys;
  std::unique_ptr<ClientScheme> scheme;
};

/// False of schemes whose brokers pass on what they cannot read, or what a login has opened before.
inline bool its_broker_judges_messages(const SchemeInfo& info) {
  return !info.between_partners && !info.login_protects && info.claims.confidentiality != Confidentiality::end_to_end;
}

inline std::string protect(Party& party, BrokerBench& broker, std::string_view topic, std::string_view text) {
  return std::string(as_text(party.scheme->protect(topic, as_bytes(text), broker.now).value()));
}

/// SUBSCRIBE as the party's scheme asks for it.
inline void subscribe(Party& party, BrokerBench& broker, TestClient& client, std::string_view filter,
                      mqtt::QoS qos = mqtt::QoS::at_least_once) {
  auto asked = party.scheme->subscribe_property(filter, client.on(), broker.now).value();
  mqtt::Properties properties;
  if (asked) properties.user.push_back({asked->first, asked->second});
  broker.subscribe(client, filter, {.qos = qos}, properties);
}

inline auto unprotect(Party& party, BrokerBench& broker, const GotPublish& got) {
  return party.scheme->unprotect({got.topic, as_bytes(got.payload), got.retain, false}, broker.now);
}

}  // namespace sealmq::testing
