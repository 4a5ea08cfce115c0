// The messages of SCACAuth in both profiles, and its methods: what decodes encodes to the same bytes. The first octet chooses.
#include <algorithm>
#include <cstdlib>

#include "schemes/scacauth/login_messages.h"
#include "schemes/scacauth/paper_messages.h"

using namespace sealmq;
using namespace sealmq::scacauth;

namespace {

void must_mirror(Bytes input, const Buffer& again) {
  if (!std::equal(again.begin(), again.end(), input.begin(), input.end())) std::abort();
}

void try_method(Bytes input) {
  const auto method = parse_method(as_text(input));
  if (method && to_text(*method) != as_text(input)) std::abort();
  (void)AllowList::make({{"scacauth.paper_methods", std::string(as_text(input))}}, Profile::paper);
}

void try_hardened(Bytes input) {
  if (auto hello = decode_hello(input)) must_mirror(input, encode(*hello));
  if (auto challenge = decode_challenge(input)) must_mirror(input, encode(*challenge));
  for (const char* name : {"SCACAuth2-ECC-256-AESGCM-128", "SCACAuth2-RSAPSS-2048-AESGCM-128"})
    if (auto proof = decode_proof(*parse_method(name), input)) must_mirror(input, encode(*proof));
  (void)decode_confirmation(input);
}

void try_paper(Bytes input) {
  constexpr std::size_t length_size = 2;
  for (const char* name : {"SCACAuth-RSAPKCS1-2048-AES-128", "SCACAuth-ECC-256-AES-128"}) {
    const Method method = *parse_method(name);
    if (auto step = decode_step1(method, input)) {
      const Buffer again = encode(*step);
      if (again.size() == input.size())
        must_mirror(input, again);
      else if (again.size() != input.size() + length_size)
        std::abort();
    }
    if (auto sealed = decode_step3(method, input))
      if (encode_step3(*sealed).size() - input.size() > length_size) std::abort();
  }
  if (auto step = decode_step2(input)) must_mirror(input, encode(*step));
}

/// As ciphertexts of somebody without the key, and as the plaintexts of somebody who has it.
void try_encrypted(Bytes input) {
  const Method method = *parse_method("SCACAuth-RSAPKCS1-2048-AES-128");
  const Secret key(Buffer(16, 3));
  for (const Form form : {Form::paper, Form::card_v2}) {
    (void)decrypt_message(method, key, "CLIENTE1", input, form);
    (void)decrypt_next_key(method, key, "CLIENTE1", input, form);
    if (input.empty()) continue;
    const Buffer sealed = encrypt(method, key, Secret(input));
    if (auto data = decrypt_message(method, key, "CLIENTE1", sealed, form); data && form == Form::paper)
      if (encrypt_message(method, key, "CLIENTE1", *data) != sealed) std::abort();
    if (auto next = decrypt_next_key(method, key, "CLIENTE1", sealed, form); next && form == Form::paper)
      if (encrypt_next_key(method, key, "CLIENTE1", *next, form) != sealed) std::abort();
  }
  const mqtt::UserProperty properties[] = {{"Np", as_text(input)}};
  (void)find_property(properties, "Np");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      try_method(input);
      break;
    case 1:
      try_hardened(input);
      break;
    case 2:
      try_paper(input);
      break;
    default:
      try_encrypted(input);
  }
  return 0;
}
