// What stage 3 of PMQTT adds to a message at each end, beside the AEAD that does the work; the bar is 4 µs. And what a session
// costs before the first message.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "crypto/random.h"
#include "schemes/pmqtt/exchange.h"
#include "sealmq/scheme.h"

using namespace sealmq;

namespace {

constexpr std::size_t message_size = 64;
constexpr std::string_view topic = "pmqtt/e2e/patient1/dr.house/vitals";

struct Pair {
  crypto::OsRandom random;
  Now now{1000, 1'800'000'000'000};
  std::unique_ptr<KeyStore> patient_keys = make_memory_keys("patient1", Kind::device, random);
  std::unique_ptr<KeyStore> doctor_keys = make_memory_keys("dr.house", Kind::person, random);
  std::unique_ptr<ClientScheme> patient = end(*patient_keys, doctor_keys->identity());
  std::unique_ptr<ClientScheme> doctor = end(*doctor_keys, patient_keys->identity());

  Pair() {
    (void)doctor->subscribe("vitals", now);
    agree();
  }
  std::unique_ptr<ClientScheme> end(KeyStore& keys, const PublicIdentity& peer) {
    return find_scheme("pmqtt")->client_side({&keys, std::nullopt, {peer}, random}).value();
  }
  void agree() {
    (void)patient->may_publish(topic, now);
    for (bool again = true; again;) {
      again = false;
      for (auto [from, to] : {std::pair(patient.get(), doctor.get()), std::pair(doctor.get(), patient.get())})
        while (auto request = from->next_request(now).value()) {
          (void)to->unprotect({.topic = request->topic, .payload = request->payload}, now);
          again = true;
        }
    }
  }
};

void require(bool condition, const char* what) {
  if (condition) return;
  std::cerr << "pmqtt_bench: " << what << " failed\n";
  std::exit(1);
}

/// A session lasts for 2^20 messages, fewer than a benchmark takes.
constexpr std::uint64_t messages_of_a_pair = 900'000;

void stage_3_seal(benchmark::State& state) {
  std::optional<Pair> pair;
  Buffer plaintext(message_size, 0x37);
  std::uint64_t left = 0;
  for (auto _ : state) {
    if (left-- == 0) {
      state.PauseTiming();
      pair.emplace();
      left = messages_of_a_pair;
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(pair->patient->protect(topic, plaintext, pair->now));
  }
}
BENCHMARK(stage_3_seal)->Unit(benchmark::kMicrosecond);

void stage_3_open(benchmark::State& state) {
  constexpr std::size_t at_once = 10'000;
  Buffer plaintext(message_size, 0x37);
  std::optional<Pair> pair;
  std::vector<Buffer> frames;
  std::uint64_t left = 0;
  for (auto _ : state) {
    if (frames.empty()) {
      state.PauseTiming();
      if (left < at_once) {
        pair.emplace();
        left = messages_of_a_pair;
      }
      left -= at_once;
      for (std::size_t i = 0; i < at_once; ++i) frames.push_back(pair->patient->protect(topic, plaintext, pair->now).value());
      std::reverse(frames.begin(), frames.end());
      state.ResumeTiming();
    }
    require(pair->doctor->unprotect({.topic = topic, .payload = frames.back()}, pair->now).has_value(), "open");
    frames.pop_back();
  }
}
BENCHMARK(stage_3_open)->Unit(benchmark::kMicrosecond);

void aes_256_gcm_seal(benchmark::State& state) {
  crypto::AesGcm cipher{Secret(Buffer(32, 1))};
  Buffer plaintext(message_size), aad(64), out;
  crypto::Iv iv{};
  for (auto _ : state) {
    ++iv[0];
    out.clear();
    cipher.seal(iv, aad, plaintext, out);
  }
}
BENCHMARK(aes_256_gcm_seal)->Unit(benchmark::kMicrosecond);

void aes_256_gcm_open(benchmark::State& state) {
  crypto::AesGcm cipher{Secret(Buffer(32, 1))};
  Buffer plaintext(message_size), aad(64), sealed;
  cipher.seal(crypto::Iv{}, aad, plaintext, sealed);
  for (auto _ : state) require(cipher.open(crypto::Iv{}, aad, sealed).has_value(), "open");
}
BENCHMARK(aes_256_gcm_open)->Unit(benchmark::kMicrosecond);

/// KX1, KX2 and the first frame, both ends together.
void session_made(benchmark::State& state) {
  Pair pair;
  for (auto _ : state) {
    state.PauseTiming();
    pair.now.steady += 20'000;
    pair.now.wall += 60'000;  // what has been seen may be forgotten
    auto request = pmqtt::make_request(*pair.doctor_keys, "patient1", {}, pair.now).value();
    (void)pair.patient->unprotect({.topic = "pmqtt/kx/dr.house/patient1", .payload = request}, pair.now);
    state.ResumeTiming();
    pair.agree();
  }
}
BENCHMARK(session_made)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
