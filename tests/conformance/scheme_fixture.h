// SchemeFixture: how two parties meet under a scheme. That is all that a scheme has to say for the conformance suite, which then
// tries each of its claims, delivery under MQTT, and inputs that nobody honest would send.
//
// Schemes of one kind share a fixture (fixtures/): a new scheme of a kind that is there takes one line in fixtures.cpp. A new
// kind takes a class that overrides what differs from plain MQTT, mostly set_up() and equip().
#pragma once

#include <functional>
#include <map>

#include "conformance/claims.h"
#include "conformance/scheme_world.h"

namespace sealmq::testing {

class SchemeFixture {
 public:
  virtual ~SchemeFixture() = default;

  /// New keys of a party, or of the broker.
  virtual std::unique_ptr<KeyStore> keys(World& world, const std::string& name, Kind kind) {
    return make_memory_keys(name, kind, world.broker.random);
  }
  /// What a broker needs of its operator for this scheme, before it starts: another key, options, keys of topics.
  virtual void set_up(World&) {}
  /// What a party's client is given besides its own key and broker.pub: peers, options, keys of topics; how it logs in
  /// (Party::options), what its transport proves and hides.
  virtual void equip(World&, Party&, ClientPorts&) {}
  /// By which schemes messages leave the broker: where it passes them on as they are, by plain MQTT.
  virtual std::vector<std::string_view> leaves_by(const World& world) const { return {world.scheme.info->name}; }
  /// Readers are clients of plain MQTT.
  virtual bool has_plain_readers(const World&) const { return false; }

  virtual bool works_in_mqtt_3() const { return true; }
  /// Who comes later gets the last message of a topic.
  virtual bool retains() const { return true; }
  virtual bool has_wills() const { return true; }
  /// Its subscriptions may have wildcards.
  virtual bool has_wildcards(const World&) const { return true; }
};

/// The scheme's line in fixtures.cpp.
struct FixtureLine {
  std::function<std::unique_ptr<SchemeFixture>()> make;
  /// Of what the scheme does not claim: why the suite cannot show that it does not hold, and which test does, if any. What is not
  /// listed here is shown.
  std::map<Claim, std::string_view> not_shown{};
  /// Others whose containers have the same form; policy decides between them.
  std::vector<std::string_view> siblings{};
};
/// Null: it has none, and the suite fails.
const FixtureLine* fixture_line(std::string_view scheme_name);

}  // namespace sealmq::testing
