// The two sides of SL3 as a broker and a client call them, in both profiles: any bytes on any of its topics, before a session
// and within one. Nothing is accepted that nobody sealed.
#include <cstdlib>

#include "sealmq/scheme.h"
#include "support/fakes.h"

using namespace sealmq;

namespace {

struct NobodyJoins : Registrar {
  Result<> join(Bytes, const PublicKeys&, bool, const std::vector<std::string>&, const std::vector<std::string>&, Now) override {
    std::abort();  // no seed is for this broker
  }
  Result<> take_order(Bytes, Now) override { return fail(Blame::peer_misbehaved, "no order"); }
};

Identity listed(const KeyStore& keys) {
  Identity identity;
  static_cast<PublicIdentity&>(identity) = keys.identity();
  return identity;
}

struct World {
  testing::CountingRandom random;
  Now now{1000, 1767225600000};
  NobodyJoins registrar;
  std::unique_ptr<KeyStore> broker = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<KeyStore> app = make_memory_keys("control", Kind::service, random);
  Directory directory{{listed(*app)}};
};

struct Sides {
  Sides(World& its, std::string_view name) : world(its) {
    BrokerPorts ports{*world.broker, world.random};
    ports.registrar = &world.registrar;
    broker = find_scheme(name)->broker_side(ports);
    client =
        find_scheme(name)->client_side({world.app.get(), broker_identity(world.broker->identity()), {}, world.random}).value();
    client->connected(world.now);
    if (!client->subscribe("plant/7", world.now)) std::abort();
    (void)client->may_publish("plant/7", world.now);
    // Sessions of both kinds, so that frames within them are tried as well.
    while (auto request = client->next_request(world.now).value()) {
      Incoming incoming{request->topic, request->payload, world.now};
      auto work = broker->prepare(incoming);
      if (work != nullptr) work->run();
      auto asked = broker->read_request(incoming, {world.now, world.directory, &state, work.get()});
      if (asked) (void)client->unprotect({"$sl/inbox", (*asked)->reply}, world.now);
    }
  }

  void try_all(Bytes input) {
    for (std::string_view topic : {"$sl/sub", "$sl/pub", "$sl/join", "$sl/ra", "plant/7"}) {
      Incoming incoming{topic, input, world.now};
      if (!broker->recognises(incoming)) continue;
      auto work = broker->prepare(incoming);
      if (work != nullptr) work->run();
      Scene scene{world.now, world.directory, &state, work.get()};
      if (broker->is_request(incoming) ? broker->read_request(incoming, scene).has_value()
                                       : broker->open(incoming, scene).has_value())
        std::abort();
    }
    if (client->unprotect({"$sl/inbox", input}, world.now)) std::abort();
  }

  World& world;
  std::unique_ptr<BrokerScheme> broker;
  std::unique_ptr<ClientScheme> client;
  std::unique_ptr<ConnectionState> state;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  static Sides hardened(world, "sl3");
  static Sides paper(world, "sl3@paper");
  hardened.try_all({data, size});
  paper.try_all({data, size});
  return 0;
}
