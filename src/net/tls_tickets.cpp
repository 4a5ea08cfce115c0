#include "net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace sealmq::net {
namespace {

void fill(std::span<std::uint8_t> out) {
  if (RAND_priv_bytes(out.data(), static_cast<int>(out.size())) != 1) throw std::runtime_error("OpenSSL has no random bytes");
}

std::int64_t steady_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

TicketKeys::TicketKeys(std::function<std::int64_t()> seconds) : seconds_(seconds ? std::move(seconds) : steady_seconds) {
  present_ = make(seconds_());
}

TicketKeys::Key TicketKeys::make(std::int64_t now) {
  Key key;
  fill(key.name);
  for (Secret* part : {&key.cipher, &key.mac}) {
    Buffer bytes(32);
    fill(bytes);
    *part = Secret(std::move(bytes));
  }
  key.since = now;
  return key;
}

void TicketKeys::turn(std::int64_t now) {
  if (now - present_.since < life) return;
  // After a long time without anybody the one before is too old as well.
  before_ = now - present_.since < 2 * life ? std::move(present_) : Key();
  present_ = make(now);
}

int TicketKeys::prepare(bool serves_once, unsigned char* key_name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        bool seals) {
  constexpr int failed = -1, unknown = 0, taken = 1, taken_and_replaced = 2;
  const std::lock_guard lock(mutex_);
  turn(seconds_());
  const auto* key = &present_;
  if (seals) {
    std::ranges::copy(key->name, key_name);
    fill({iv, static_cast<std::size_t>(EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()))});
  } else if (std::memcmp(key_name, key->name.data(), key->name.size()) != 0) {
    key = &before_;
    if (key->cipher.empty() || std::memcmp(key_name, key->name.data(), key->name.size()) != 0) return unknown;
  }
  const Bytes mac_key = key->mac.reveal();
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<std::uint8_t*>(mac_key.data()), mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return failed;
  const Bytes cipher_key = key->cipher.reveal();
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, cipher_key.data(), iv, seals ? 1 : 0) != 1) return failed;
  if (seals) return taken;
  return key == &before_ || serves_once ? taken_and_replaced : taken;
}

}  // namespace sealmq::net
