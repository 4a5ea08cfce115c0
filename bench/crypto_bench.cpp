// What the cryptographic steps of a message cost, and how ours compare with the crypto library's own: a check of a message with
// its signature check, a Rabin decapsulation with its RSA private operation. Run it on one core: taskset -c 0 crypto_bench
#include <benchmark/benchmark.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <vector>

#include "crypto/aead.h"
#include "crypto/ecdsa.h"
#include "crypto/hash.h"
#include "crypto/rabin.h"
#include "crypto/random.h"
#include "crypto/schnorr.h"
#include "schemes/sl1/sl1.h"
#include "sealmq/keystore.h"
#include "sealmq/registry.h"

namespace {

using namespace sealmq;
namespace schnorr = sealmq::crypto::schnorr;

void require(bool succeeded, const char* what) {
  if (succeeded) return;
  std::fprintf(stderr, "crypto_bench: %s failed\n", what);
  std::exit(1);
}

/// An SL1 message of ordinary size, signed.
struct Sl1 {
  crypto::OsRandom random;
  schnorr::SigningKey key = schnorr::SigningKey::generate(random);
  schnorr::VerifyingKey verifier = *schnorr::VerifyingKey::from_id(key.id());
  Buffer payload = Buffer(100, 0x20);
  Buffer time = Buffer(8, 1);
  std::array<Bytes, 5> list = {as_bytes("SL1_2"), as_bytes("plant/7/temp"), key.id(), payload, time};
  schnorr::Signature signature = *schnorr::sign(key, list, random);

  bool check() const { return schnorr::verify(verifier, list, signature); }
};

/// A broker that knows the publisher, and a message of SL1 as it comes in.
class Sl1Broker {
 public:
  Sl1Broker() {
    ClientPorts ports{device_.get(), broker_identity(own_->identity()), {}, random_};
    auto device = sl1::hardened_client(std::move(ports));
    require(device.has_value(), "sl1 client");
    frame_ = (*device)->protect(topic, Buffer(100, 0x20), now_).value();
    require(check(), "sl1 open");  // now its key is decoded
  }

  bool check() {
    auto opened = broker_->open({topic, frame_}, {now_, directory_});
    return opened && (*opened)->author != nullptr;
  }

 private:
  static constexpr std::string_view topic = "plant/7/temp";

  static std::vector<Identity> list_of(const PublicIdentity& device) {
    Identity identity;
    static_cast<PublicIdentity&>(identity) = device;
    identity.publish = {std::string(topic)};
    return {identity};
  }

  crypto::OsRandom random_;
  Now now_{0, 1'767'225'600'000};
  std::unique_ptr<KeyStore> own_ = make_memory_keys("broker-1", Kind::broker, random_);
  std::unique_ptr<KeyStore> device_ = make_memory_keys("boiler-7", Kind::device, random_);
  Directory directory_{list_of(device_->identity())};
  std::unique_ptr<BrokerScheme> broker_ = sl1::hardened_broker(BrokerPorts{*own_, random_});
  Buffer frame_;
};

/// OpenSSL alone: key and context made once, the digest given, so nothing but the signature check is timed.
class OpensslEcdsa {
 public:
  OpensslEcdsa() : key_(EVP_EC_gen("P-256")) {
    EVP_PKEY_CTX* signer = EVP_PKEY_CTX_new(key_, nullptr);
    std::size_t size = sizeof signature_;
    require(EVP_PKEY_sign_init(signer) == 1 && EVP_PKEY_sign(signer, signature_, &size, digest_.data(), digest_.size()) == 1,
            "sign");
    size_ = size;
    EVP_PKEY_CTX_free(signer);
    verifier_ = EVP_PKEY_CTX_new(key_, nullptr);
    require(EVP_PKEY_verify_init(verifier_) == 1, "verify_init");
  }
  ~OpensslEcdsa() {
    EVP_PKEY_CTX_free(verifier_);
    EVP_PKEY_free(key_);
  }
  OpensslEcdsa(const OpensslEcdsa&) = delete;
  OpensslEcdsa& operator=(const OpensslEcdsa&) = delete;

  bool check() const { return EVP_PKEY_verify(verifier_, signature_, size_, digest_.data(), digest_.size()) == 1; }

 private:
  EVP_PKEY* key_;
  EVP_PKEY_CTX* verifier_ = nullptr;
  crypto::Digest digest_ = crypto::sha256(as_bytes("a message"));
  unsigned char signature_[80];
  std::size_t size_ = 0;
};

/// OpenSSL alone: the private operation of RSA-4096 without padding.
class OpensslRsa {
 public:
  OpensslRsa() : key_(EVP_RSA_gen(4096)) {
    EVP_PKEY_CTX* encrypter = EVP_PKEY_CTX_new(key_, nullptr);
    std::size_t size = ciphertext_.size();
    Buffer plaintext(size, 0x20);
    require(EVP_PKEY_encrypt_init(encrypter) == 1 && EVP_PKEY_CTX_set_rsa_padding(encrypter, RSA_NO_PADDING) == 1 &&
                EVP_PKEY_encrypt(encrypter, ciphertext_.data(), &size, plaintext.data(), plaintext.size()) == 1,
            "rsa encrypt");
    EVP_PKEY_CTX_free(encrypter);
    decrypter_ = EVP_PKEY_CTX_new(key_, nullptr);
    require(EVP_PKEY_decrypt_init(decrypter_) == 1 && EVP_PKEY_CTX_set_rsa_padding(decrypter_, RSA_NO_PADDING) == 1,
            "rsa decrypt_init");
  }
  ~OpensslRsa() {
    EVP_PKEY_CTX_free(decrypter_);
    EVP_PKEY_free(key_);
  }
  OpensslRsa(const OpensslRsa&) = delete;
  OpensslRsa& operator=(const OpensslRsa&) = delete;

  bool decrypt() {
    std::size_t size = plaintext_.size();
    return EVP_PKEY_decrypt(decrypter_, plaintext_.data(), &size, ciphertext_.data(), ciphertext_.size()) == 1;
  }

 private:
  EVP_PKEY* key_;
  EVP_PKEY_CTX* decrypter_ = nullptr;
  Buffer ciphertext_ = Buffer(512);
  Buffer plaintext_ = Buffer(512);
};

/// A Rabin key of the usual size, and something encapsulated for it.
struct Rabin {
  crypto::OsRandom random;
  crypto::rabin::PrivateKey key = crypto::rabin::PrivateKey::generate();
  crypto::rabin::Encapsulated made = crypto::rabin::encapsulate(key.public_key(), random);

  bool decapsulate() const { return same(crypto::rabin::decapsulate(key, made.ciphertext).reveal(), made.key.reveal()); }
};

void schnorr_sign(benchmark::State& state) {
  Sl1 sl1;
  for (auto _ : state) benchmark::DoNotOptimize(schnorr::sign(sl1.key, sl1.list, sl1.random));
}
BENCHMARK(schnorr_sign);

void schnorr_verify(benchmark::State& state) {
  Sl1 sl1;
  for (auto _ : state) require(sl1.check(), "schnorr verify");
}
BENCHMARK(schnorr_verify);

void schnorr_verify_with_key_decoding(benchmark::State& state) {
  Sl1 sl1;
  for (auto _ : state) require(schnorr::verify(*schnorr::VerifyingKey::from_id(sl1.key.id()), sl1.list, sl1.signature), "verify");
}
BENCHMARK(schnorr_verify_with_key_decoding);

void sl1_open_by_the_broker(benchmark::State& state) {
  Sl1Broker sl1;
  for (auto _ : state) require(sl1.check(), "sl1 open");
}
BENCHMARK(sl1_open_by_the_broker);

void ecdsa_sign(benchmark::State& state) {
  crypto::OsRandom random;
  auto key = crypto::ecdsa::SigningKey::generate(random);
  for (auto _ : state) benchmark::DoNotOptimize(crypto::ecdsa::sign(key, as_bytes("a message")));
}
BENCHMARK(ecdsa_sign);

void ecdsa_verify(benchmark::State& state) {
  crypto::OsRandom random;
  auto key = crypto::ecdsa::SigningKey::generate(random);
  auto verifier = *crypto::ecdsa::VerifyingKey::from_sec1(key.public_key());
  auto signature = crypto::ecdsa::sign(key, as_bytes("a message"));
  for (auto _ : state) require(crypto::ecdsa::verify(verifier, as_bytes("a message"), signature), "ecdsa verify");
}
BENCHMARK(ecdsa_verify);

void ecdsa_verify_by_openssl(benchmark::State& state) {
  OpensslEcdsa openssl;
  for (auto _ : state) require(openssl.check(), "openssl verify");
}
BENCHMARK(ecdsa_verify_by_openssl);

void aes_128_gcm_seal_64_bytes(benchmark::State& state) {
  crypto::AesGcm cipher{Secret(Buffer(16, 1))};
  Buffer plaintext(64), aad(20), out;
  crypto::Iv iv{};
  for (auto _ : state) {
    ++iv[0];
    out.clear();
    cipher.seal(iv, aad, plaintext, out);
  }
}
BENCHMARK(aes_128_gcm_seal_64_bytes);

void aes_128_gcm_open_64_bytes(benchmark::State& state) {
  crypto::AesGcm cipher{Secret(Buffer(16, 1))};
  Buffer plaintext(64), aad(20), sealed;
  cipher.seal(crypto::Iv{}, aad, plaintext, sealed);
  for (auto _ : state) require(cipher.open(crypto::Iv{}, aad, sealed).has_value(), "open");
}
BENCHMARK(aes_128_gcm_open_64_bytes);

void sha3_256_of_200_bytes(benchmark::State& state) {
  Buffer message(200);
  for (auto _ : state) benchmark::DoNotOptimize(crypto::sha3_256(message));
}
BENCHMARK(sha3_256_of_200_bytes);

void rabin_4096_encapsulate(benchmark::State& state) {
  Rabin rabin;
  for (auto _ : state) benchmark::DoNotOptimize(crypto::rabin::encapsulate(rabin.key.public_key(), rabin.random));
}
BENCHMARK(rabin_4096_encapsulate);

void rabin_4096_decapsulate(benchmark::State& state) {
  Rabin rabin;
  for (auto _ : state) require(rabin.decapsulate(), "rabin decapsulate");
}
BENCHMARK(rabin_4096_decapsulate);

void rsa_4096_private_by_openssl(benchmark::State& state) {
  OpensslRsa openssl;
  for (auto _ : state) require(openssl.decrypt(), "rsa decrypt");
}
BENCHMARK(rsa_4096_private_by_openssl);

/// Of this thread's CPU time, so that a shared machine disturbs it less.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double per_second(const std::function<bool()>& check, int times) {
  double start = cpu_seconds();
  for (int i = 0; i < times; ++i) require(check(), "check");
  return times / (cpu_seconds() - start);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Both in turn, many times, so that a busy moment of the machine hits both.
void compare(const char* what, const std::function<bool()>& ours, const std::function<bool()>& theirs, int rounds, int times) {
  std::vector<double> our_rates, their_rates;
  for (int round = 0; round < rounds; ++round) {
    our_rates.push_back(per_second(ours, times));
    their_rates.push_back(per_second(theirs, times));
  }
  std::printf("%s: %.0f per second / %.0f per second = %.3f\n", what, median(our_rates), median(their_rates),
              median(our_rates) / median(their_rates));
}

void compare_with_ecdsa() {
  Sl1 sl1;
  Sl1Broker broker;
  OpensslEcdsa openssl;
  const auto theirs = [&] { return openssl.check(); };
  compare(
      "sl1 check / ECDSA P-256 verify", [&] { return sl1.check(); }, theirs, 61, 250);
  compare(
      "sl1 broker, known publisher / ECDSA P-256 verify", [&] { return broker.check(); }, theirs, 61, 250);
}

void compare_with_rsa() {
  Rabin rabin;
  OpensslRsa openssl;
  compare(
      "rabin 4096 decapsulate / RSA-4096 private", [&] { return rabin.decapsulate(); }, [&] { return openssl.decrypt(); }, 31,
      16);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  compare_with_ecdsa();
  compare_with_rsa();
}
