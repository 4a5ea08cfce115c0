#include "schemes/scacauth/login_messages.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/kdf.h"
#include "crypto/rsa.h"

namespace sealmq::scacauth {
namespace {

constexpr std::uint8_t version = 2;
constexpr std::uint8_t protocol_error = 0x82;
constexpr std::size_t ecdsa_size = 64;

Buffer labelled(std::string_view label, const crypto::Digest& hash) {
  Buffer out = to_buffer(as_bytes(label));
  append(out, hash);
  return out;
}

/// A modulus of nobody: what is verified with it fails, after the same work.
Buffer nobodys_modulus(std::size_t size) {
  Buffer modulus(size, 0xA5);
  return modulus;
}

}  // namespace

Buffer encode(const Hello& hello) {
  Buffer out;
  Writer(out).u8(version).text(hello.uid).bytes(hello.nonce).bytes(hello.point);
  return out;
}

Result<Hello> decode_hello(Bytes in) {
  Reader reader(in);
  reader.answer_with(protocol_error);
  Hello hello;
  if (reader.u8() != version) reader.fail("another version of the login");
  hello.uid = as_text(reader.bytes(uid_size));
  hello.nonce = reader.array<32>();
  hello.point = reader.array<33>();
  if (!is_uid(hello.uid)) reader.fail("not a UID");
  return reader.finish(hello);
}

Buffer encode(const Challenge& challenge) {
  Buffer out;
  Writer(out).bytes(challenge.nonce).bytes(challenge.point).lp16(challenge.signature);
  return out;
}

Result<Challenge> decode_challenge(Bytes in) {
  Reader reader(in);
  Challenge challenge;
  challenge.nonce = reader.array<32>();
  challenge.point = reader.array<33>();
  const Bytes signature = reader.lp16();
  if (signature.size() != challenge.signature.size()) reader.fail("a signature of another length");
  if (!reader.failed()) std::ranges::copy(signature, challenge.signature.begin());
  return reader.finish(challenge);
}

Buffer encode(const Proof& proof) {
  Buffer out;
  Writer(out).lp16(proof.signature).bytes(proof.mac);
  return out;
}

Result<Proof> decode_proof(const Method& method, Bytes in) {
  Reader reader(in);
  reader.answer_with(protocol_error);
  Proof proof;
  proof.signature = reader.lp16();
  proof.mac = reader.array<32>();
  const std::size_t size = method.algorithm == Algorithm::rsa ? method.bits / 8 : ecdsa_size;
  if (proof.signature.size() != size) reader.fail("a signature of another length");
  return reader.finish(proof);
}

Result<Mac> decode_confirmation(Bytes in) {
  Reader reader(in);
  const Mac mac = reader.array<32>();
  return reader.finish(mac);
}

crypto::KeyExchange begin_transcript(const LoginFacts& facts, Bytes hello, const Nonce& nonce,
                                     const crypto::Sec1Compressed& point) {
  Buffer method;
  Writer(method).lp8(as_bytes(facts.method));
  crypto::KeyExchange transcript;
  transcript.see("SCACAuth2")
      .see(method)
      .see(facts.uid)
      .see_lp16(as_bytes(facts.broker_id))
      .see_lp16(facts.channel_binding)
      .see(hello)
      .see(nonce)
      .see(point);
  see_offer(transcript, facts);
  transcript.step();
  return transcript;
}

Buffer signed_by_broker(const crypto::Digest& th1) {
  return labelled("SCACAuth2 B", th1);
}

Buffer signed_by_client(const crypto::Digest& th2) {
  return labelled("SCACAuth2 C", th2);
}

LoginKeys derive_keys(const crypto::KeyExchange& transcript) {
  LoginKeys keys;
  keys.client_mac = transcript.derive("mac C", 32);
  keys.broker_mac = transcript.derive("mac B", 32);
  keys.session = transcript.derive("session", 32);
  return keys;
}

Mac client_mac(const LoginKeys& keys, const crypto::Digest& th2, Bytes signature) {
  Buffer input = to_buffer(th2);
  append(input, signature);
  return crypto::hmac_sha256(keys.client_mac.reveal(), input);
}

Result<Buffer> sign(const Method& method, KeyStore& own, Bytes message) {
  if (method.algorithm == Algorithm::rsa) return own.sign_rsa_pss(message);
  return to_buffer(TRY(own.sign_ecdsa(message)));
}

bool verify(const Method& method, const PublicKeys& of, Bytes message, Bytes signature) {
  if (method.algorithm == Algorithm::rsa) {
    const bool has_key = of.rsa.size() == method.bits / 8;
    const auto key = crypto::rsa::PublicKey::from_modulus(has_key ? of.rsa : nobodys_modulus(method.bits / 8));
    return key && crypto::rsa::verify_pss(*key, message, signature) && has_key;
  }
  const bool has_key = is_there(of.ecdsa);
  const auto key = crypto::ecdsa::VerifyingKey::from_sec1(has_key ? Bytes(of.ecdsa) : Bytes(crypto::generator()));
  crypto::ecdsa::Signature given{};
  if (!key || signature.size() != given.size()) return false;
  std::ranges::copy(signature, given.begin());
  return crypto::ecdsa::verify(*key, message, given) && has_key;
}

}  // namespace sealmq::scacauth
