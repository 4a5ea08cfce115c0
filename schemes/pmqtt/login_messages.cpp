#include "schemes/pmqtt/login_messages.h"

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/kdf.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::uint8_t version = 2;
constexpr std::uint8_t protocol_error = 0x82;

// Bounds of specification section A7.
constexpr unsigned least_log2_n = 14, most_log2_n = 20, only_r = 8, most_p = 4;

Secret mac_input(const crypto::Digest& th2, Bytes verifier) {
  Buffer input;
  input.reserve(th2.size() + verifier.size());
  append(input, th2);
  append(input, verifier);
  return Secret(std::move(input));
}

Buffer labelled(std::string_view label, const crypto::Digest& hash) {
  Buffer out = to_buffer(as_bytes(label));
  append(out, hash);
  return out;
}

}  // namespace

Buffer encode(const Hello& hello) {
  Buffer out;
  Writer(out).u8(version).bytes(hello.nonce).bytes(hello.point);
  return out;
}

Result<Hello> decode_hello(Bytes in) {
  Reader reader(in);
  reader.answer_with(protocol_error);
  Hello hello;
  if (reader.u8() != version) reader.fail("another version of the login");
  hello.nonce = reader.array<32>();
  hello.point = reader.array<33>();
  return reader.finish(hello);
}

Buffer encode(const Challenge& challenge) {
  Buffer out;
  const PasswordCost& cost = challenge.cost;
  Writer(out).bytes(challenge.nonce).bytes(challenge.point).bytes(cost.salt).u8(cost.log2_n).u8(cost.r).u8(cost.p);
  return out;
}

Result<SignedChallenge> decode_challenge(Bytes in) {
  Reader reader(in);
  SignedChallenge out;
  Challenge& challenge = out.challenge;
  challenge.nonce = reader.array<32>();
  challenge.point = reader.array<33>();
  challenge.cost.salt = reader.array<16>();
  challenge.cost.log2_n = reader.u8();
  challenge.cost.r = reader.u8();
  challenge.cost.p = reader.u8();
  const PasswordCost& cost = challenge.cost;
  if (cost.log2_n < least_log2_n || cost.log2_n > most_log2_n || cost.r != only_r || cost.p < 1 || cost.p > most_p)
    reader.fail("a cost of the password hash that is out of range");
  const std::size_t signature_at = in.size() - reader.remaining();
  out.signature = reader.array<64>();
  if (!reader.failed()) out.signed_part = in.first(signature_at);
  return reader.finish(out);
}

Buffer encode(const Proof& proof) {
  Buffer out;
  Writer(out).bytes(proof.signature).bytes(proof.mac);
  return out;
}

Result<Proof> decode_proof(Bytes in) {
  Reader reader(in);
  Proof proof;
  proof.signature = reader.array<64>();
  proof.mac = reader.array<32>();
  return reader.finish(proof);
}

Result<Confirmation> decode_confirmation(Bytes in) {
  Reader reader(in);
  const Confirmation confirmation = reader.array<32>();
  return reader.finish(confirmation);
}

crypto::KeyExchange begin_transcript(const LoginFacts& facts, Bytes hello, Bytes challenge) {
  crypto::KeyExchange transcript;
  transcript.see(login_method)
      .see_lp16(as_bytes(facts.client_id))
      .see_lp16(as_bytes(facts.user_name))
      .see_lp16(as_bytes(facts.broker_id))
      .see_lp16(facts.channel_binding)
      .see_lp16(hello)
      .see_lp16(challenge);
  see_offer(transcript, facts);
  transcript.step();
  return transcript;
}

Buffer signed_by_broker(const crypto::Digest& th1) {
  return labelled("PMQTT-2 B", th1);
}

Buffer signed_by_client(const crypto::Digest& th2) {
  return labelled("PMQTT-2 C", th2);
}

LoginKeys derive_keys(const crypto::KeyExchange& transcript) {
  return {transcript.derive("PMQTT-2 client mac", 32), transcript.derive("PMQTT-2 broker mac", 32),
          transcript.derive("PMQTT-2 session", 32)};
}

std::array<std::uint8_t, 32> proof_mac(const LoginKeys& keys, const crypto::Digest& th2, Bytes verifier) {
  return crypto::hmac_sha256(keys.client_mac.reveal(), mac_input(th2, verifier).reveal());
}

}  // namespace sealmq::pmqtt
