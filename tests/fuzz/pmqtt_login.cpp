// The messages of the login PMQTT-2, and both of its sides: what decodes encodes to the same bytes, and nobody gets in with bytes
// that nobody made.
#include <algorithm>
#include <cstdlib>

#include "support/pmqtt_login.h"

using namespace sealmq;

namespace {

void must_mirror(Bytes input, const Buffer& again) {
  if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
}

struct World {
  testing::LoginParties parties;
  pmqtt::LoginPlace place{parties.broker_ports()};
  ClientPorts ports = parties.client_ports(*parties.patient);
  Secret password{as_bytes("s3cret pass")};
  pmqtt::PasswordHasher hasher;

  std::unique_ptr<ClientLogin> client() {
    return pmqtt::begin_client_login({.client_id = "c", .user_name = "patient1", .password = &password}, ports, hasher).value();
  }
  std::unique_ptr<Login> broker() {
    LoginRequest request;
    request.method = pmqtt::login_method;
    request.client_id = "c";
    request.user_name = "patient1";
    return place.begin(request);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  const Bytes input(data, size);
  if (auto hello = pmqtt::decode_hello(input)) must_mirror(input, pmqtt::encode(*hello));
  if (auto challenge = pmqtt::decode_challenge(input)) {
    Buffer again = pmqtt::encode(challenge->challenge);
    append(again, challenge->signature);
    must_mirror(input, again);
  }
  if (auto proof = pmqtt::decode_proof(input)) must_mirror(input, pmqtt::encode(*proof));
  (void)pmqtt::decode_confirmation(input);

  const Scene scene = world.parties.scene();
  auto broker = world.broker();
  const auto first = broker->advance(input, scene);
  if (first && first->done) std::abort();
  auto waiting = world.broker();
  if (!waiting->advance(world.client()->first().value(), scene)) std::abort();
  if (waiting->advance(input, scene)) std::abort();

  auto client = world.client();
  (void)client->first();
  if (client->answer(input)) std::abort();
  if (client->finish(input, {})) std::abort();
  return 0;
}
