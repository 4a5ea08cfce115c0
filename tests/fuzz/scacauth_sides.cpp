// Both sides of both logins of SCACAuth, and what protects the connection after the published one: nobody gets in with bytes that
// nobody made, and none of them ends up as a message or a key.
#include <cstdlib>

#include "schemes/scacauth/login_broker.h"
#include "schemes/scacauth/login_client.h"
#include "schemes/scacauth/paper_login.h"
#include "schemes/scacauth/paper_payloads.h"
#include "schemes/scacauth/software_end.h"
#include "sealmq/registry.h"
#include "support/fakes.h"

using namespace sealmq;
using namespace sealmq::scacauth;

namespace {

constexpr std::string_view uid = "CLIENTE1";

struct World {
  World() {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = keys->identity();
    directory = std::make_unique<const Directory>(std::vector<Identity>{identity});
  }
  Scene scene() const { return {{1'000'000, 1'800'000'000'000}, *directory}; }

  LoginRequest request(const Method& method) {
    LoginRequest made;
    made.method = to_text(method);
    made.client_id = uid;
    mqtt::Connect connect;
    connect.client_id = uid;
    connect.properties.authentication_method = made.method;
    connect.properties.receive_maximum = 1;
    Buffer packet;
    mqtt::encode(connect, packet);
    made.connect = Secret(std::move(packet));
    return made;
  }
  std::unique_ptr<Login> broker(const Method& method) {
    LoginRequest asked = request(method);
    return method.profile == Profile::paper ? papers.begin(asked) : hardeneds.begin(asked);
  }
  std::unique_ptr<ClientLogin> client(const Method& method) {
    if (method.profile == Profile::hardened) return begin_client_login(method, {.client_id = std::string(uid)}, ports);
    card = make_software_end(method, *keys, *ports.broker, random);
    return begin_paper_client_login(method, *card);
  }

  testing::CountingRandom random;
  std::unique_ptr<KeyStore> broker_keys = make_memory_keys("broker-1", Kind::broker, random);
  std::unique_ptr<KeyStore> keys = make_memory_keys(uid, Kind::device, random);
  std::unique_ptr<const Directory> directory;
  // ECC, which is fast; RSA differs in the arithmetic alone.
  PaperPlace papers{
      BrokerPorts{*broker_keys, random, {}, {}, nullptr, {}, {{"scacauth.paper_methods", "SCACAuth-ECC-256-AES-128"}}}};
  LoginPlace hardeneds{BrokerPorts{*broker_keys, random}};
  ClientPorts ports{keys.get(), broker_identity(broker_keys->identity()), {}, random};
  std::unique_ptr<SmartCard> card;
};

void try_login(World& world, const Method& method, Bytes input) {
  const Scene scene = world.scene();
  const auto first = world.broker(method)->advance(input, scene);
  if (first && first->done) std::abort();
  auto waiting = world.broker(method);
  auto client = world.client(method);
  if (!waiting->advance(client->first().value(), scene)) std::abort();
  if (waiting->advance(input, scene)) std::abort();
  if (client->answer(input)) std::abort();
  auto early = world.client(method);
  (void)early->first();
  if (early->finish(input, {})) std::abort();
}

void try_guard(World& world, const Method& method, Form form, Bytes input) {
  const Secret key(Buffer(method.key_size(), 9));
  PaperKeys keys;
  keys.publisher = Secret(key.reveal());
  keys.subscriber = Secret(key.reveal());
  const auto guard = guard_at_broker(method, form, uid, std::move(keys), world.random);
  (void)guard->open("t", input);  // a block of anything begins with the UID once in 2^64
  const mqtt::UserProperty named[] = {{"Np", as_text(input)}};
  const mqtt::UserProperty other[] = {{"Ns", as_text(input)}};
  for (const bool awaited : {true, false}) {
    (void)guard->relay()->released(1, named, awaited);
    (void)guard->relay()->released(1, {}, awaited);
  }
  (void)guard->relay()->receipted(1, other);
  (void)guard->relay()->receipt(2);
  (void)guard->relay()->release(2);
  guard->relay()->completed(2);
  Buffer out;
  if (input.size() <= longest_data && !guard->seal("t", input, Now{}, out)) std::abort();
  if (input.size() <= longest_data && out.size() != guard->sealed_size(input.size())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  const Bytes input(data, size);
  const Method paper = *parse_method("SCACAuth-ECC-256-AES-128");
  try_login(world, paper, input);
  try_login(world, *parse_method("SCACAuth2-ECC-256-AESGCM-128"), input);
  for (const Form form : {Form::paper, Form::card_v2}) try_guard(world, paper, form, input);
  return 0;
}
