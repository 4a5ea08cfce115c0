// sealmq bench ciphers: what the ciphers and signatures that payload encryption may use cost, side by side.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/bench.h"
#include "cli/command.h"
#include "crypto/aes_cbc.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "keystore/file_access.h"
#include "schemes/payload/receiving.h"
#include "schemes/payload/sending.h"

namespace sealmq::cli {
namespace {

constexpr About about{
    .summary = "compare what payload encryption may use",
    .text =
        R"(Compares, without a broker, the ciphers and the stamps that protect payloads, from 16 bytes to 64 KiB: microseconds to
seal and to open (of a stamp: to sign and to verify), bytes added, and megabytes a second for both together. AES-CBC
with HMAC is what the publication suggests, made safe. Then the whole scheme beside its cipher.)",
    .examples = "$ sealmq bench ciphers --svg ciphers.svg\n",
};

using Clock = std::chrono::steady_clock;
constexpr std::size_t sizes[] = {16, 64, 256, 1024, 4096, 16384, 65536};

struct Options {
  unsigned milliseconds = 50;
  std::string svg;
  bool json = false;
};

/// One cipher or signature: `seal` answers what travels, `open` whether it was taken.
struct Contender {
  std::string name;
  bool is_stamp;
  std::function<Buffer(Bytes)> seal;
  std::function<bool(Bytes sealed, Bytes plaintext)> open;
};

struct Figure {
  std::string name;
  bool is_stamp;
  std::size_t size;
  double seal;  ///< microseconds
  double open;
  std::size_t added;
};

double median(std::vector<double> each) {
  const auto middle = each.begin() + static_cast<std::ptrdiff_t>(each.size() / 2);
  std::ranges::nth_element(each, middle);
  return *middle;
}

/// The median of several runs: one that was interrupted does not count.
double microseconds(unsigned milliseconds, const std::function<void()>& work) {
  constexpr int runs = 5;
  std::vector<double> each;
  std::uint64_t batch = 1;
  for (;; batch *= 2) {
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < batch; ++i) work();
    if (Clock::now() - start > std::chrono::microseconds(1000 * milliseconds / (2 * runs)) || batch > 1u << 24) break;
  }
  for (int run = 0; run < runs; ++run) {
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < batch; ++i) work();
    each.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count() / static_cast<double>(batch));
  }
  return median(std::move(each));
}

crypto::Iv iv_of(std::uint64_t number) {
  crypto::Iv iv{};
  for (std::size_t i = 0; i < 8; ++i) iv[11 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return iv;
}

Contender aead(const char* name, crypto::AeadName which, Random& random) {
  Buffer key(crypto::key_size(which));
  random.fill(key);
  auto cipher = std::make_shared<crypto::Aead>(which, key);
  auto number = std::make_shared<std::uint64_t>(0);  // the key is used here alone, and the number counts up
  return {name, false,
          [cipher, number](Bytes plaintext) {
            Buffer out;
            cipher->seal(iv_of(++*number), {}, plaintext, out);
            return out;
          },
          [cipher, number](Bytes sealed, Bytes) { return cipher->open(iv_of(*number), {}, sealed).has_value(); }};
}

Contender cbc_and_hmac(Random& random) {
  Buffer drawn(16);
  random.fill(drawn);
  auto key = std::make_shared<Secret>(std::move(drawn));
  auto mac = std::make_shared<Buffer>(32);
  random.fill(*mac);
  return {"aes-128-cbc + hmac", false,
          [key, mac, &random](Bytes plaintext) {
            crypto::CbcIv iv{};
            random.fill(iv);
            Buffer out(iv.begin(), iv.end());
            crypto::encrypt_cbc(*key, iv, plaintext, out);
            append(out, crypto::hmac_sha256(*mac, out));
            return out;
          },
          [key, mac](Bytes sealed, Bytes) {
            const Bytes covered = sealed.first(sealed.size() - 32);
            if (!same(crypto::hmac_sha256(*mac, covered), sealed.last(32))) return false;
            crypto::CbcIv iv{};
            std::ranges::copy(covered.first(iv.size()), iv.begin());
            return crypto::decrypt_cbc(*key, iv, covered.subspan(iv.size())).has_value();
          }};
}

Contender es256(Random& random) {
  auto key = std::make_shared<crypto::ecdsa::SigningKey>(crypto::ecdsa::SigningKey::generate(random));
  auto verifying = std::make_shared<crypto::ecdsa::VerifyingKey>(*crypto::ecdsa::VerifyingKey::from_sec1(key->public_key()));
  return {"es256", true,
          [key](Bytes message) {
            const auto signature = crypto::ecdsa::sign(*key, message);
            return Buffer(signature.begin(), signature.end());
          },
          [verifying](Bytes sealed, Bytes message) {
            crypto::ecdsa::Signature signature{};
            std::ranges::copy(sealed, signature.begin());
            return crypto::ecdsa::verify(*verifying, message, signature);
          }};
}

Contender other_signature(const char* name, crypto::KeyKind kind, crypto::Signing how) {
  auto key = std::make_shared<crypto::OtherPrivateKey>(crypto::OtherPrivateKey::generate(kind));
  return {name, true, [key, how](Bytes message) { return crypto::sign(*key, how, message); },
          [key, how](Bytes sealed, Bytes message) { return crypto::verify(key->public_key(), how, message, sealed); }};
}

std::string shortened(std::size_t size) {
  return size < 1024 ? std::to_string(size) : std::to_string(size / 1024) + " Ki";
}

double megabytes_a_second(const Figure& figure) {
  return static_cast<double>(figure.size) / (figure.seal + figure.open);
}

void print(const Figure& figure, bool json) {
  if (json) {
    std::cout << nlohmann::json{{"name", figure.name},
                                {"kind", figure.is_stamp ? "stamp" : "cipher"},
                                {"size", figure.size},
                                {"seal_microseconds", figure.seal},
                                {"open_microseconds", figure.open},
                                {"bytes_added", figure.added},
                                {"megabytes_per_second", megabytes_a_second(figure)}}
              << '\n';
    return;
  }
  std::cout << std::left << std::setw(20) << figure.name << std::right << std::setw(8) << shortened(figure.size) << std::fixed
            << std::setprecision(2) << std::setw(12) << figure.seal << std::setw(12) << figure.open << std::setw(8)
            << figure.added << std::setprecision(1) << std::setw(12) << megabytes_a_second(figure) << '\n';
}

// -- the plot: both axes logarithmic, one line for each contender

constexpr const char* colours[] = {"#1b6ca8", "#2a9d8f", "#e9a23b", "#8d5a97", "#c8553d", "#6c757d", "#3d405b"};

std::string plot(const std::vector<Figure>& figures) {
  constexpr double left = 70;
  constexpr double right = 560;
  constexpr double top = 30;
  constexpr double bottom = 420;
  const auto x_of = [&](double size) { return left + (right - left) * (std::log2(size) - 4) / 12; };
  double least = 1e9;
  double most = 0;
  for (const Figure& figure : figures) {
    least = std::min(least, figure.seal + figure.open);
    most = std::max(most, figure.seal + figure.open);
  }
  const double low = std::floor(std::log10(least));
  const double high = std::ceil(std::log10(most));
  const auto y_of = [&](double time) { return bottom - (bottom - top) * (std::log10(time) - low) / (high - low); };
  std::ostringstream svg;
  svg << std::fixed << std::setprecision(1);
  svg << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 480\" font-family=\"sans-serif\" font-size=\"12\">\n"
      << "<rect width=\"760\" height=\"480\" fill=\"white\"/>\n"
      << "<text x=\"" << left << "\" y=\"18\">microseconds to seal and open, or to sign and verify</text>\n";
  for (int power = static_cast<int>(low); power <= static_cast<int>(high); ++power) {
    const double y = y_of(std::pow(10, power));
    svg << "<line x1=\"" << left << "\" x2=\"" << right << "\" y1=\"" << y << "\" y2=\"" << y << "\" stroke=\"#ddd\"/>\n"
        << "<text x=\"" << left - 8 << "\" y=\"" << y + 4 << "\" text-anchor=\"end\">" << std::setprecision(power < 0 ? 1 : 0)
        << std::pow(10, power) << std::setprecision(1) << "</text>\n";
  }
  for (const std::size_t size : sizes)
    svg << "<text x=\"" << x_of(static_cast<double>(size)) << "\" y=\"" << bottom + 20 << "\" text-anchor=\"middle\">"
        << shortened(size) << "</text>\n";
  svg << "<text x=\"" << (left + right) / 2 << "\" y=\"" << bottom + 42 << "\" text-anchor=\"middle\">bytes of payload</text>\n";
  std::size_t line = 0;
  for (std::size_t first = 0; first < figures.size(); ++line) {
    const std::string& name = figures[first].name;
    const char* const colour = colours[line % std::size(colours)];
    svg << "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" << colour << "\""
        << (figures[first].is_stamp ? " stroke-dasharray=\"6 4\"" : "") << " points=\"";
    double y = 0;
    for (; first < figures.size() && figures[first].name == name; ++first) {
      y = y_of(figures[first].seal + figures[first].open);
      svg << x_of(static_cast<double>(figures[first].size)) << ',' << y << ' ';
    }
    const double legend = top + 20 + 22 * static_cast<double>(line);
    svg << "\"/>\n<line x1=\"580\" x2=\"604\" y1=\"" << legend << "\" y2=\"" << legend << "\" stroke-width=\"2\" stroke=\""
        << colour << "\"/>\n<text x=\"612\" y=\"" << legend + 4 << "\">" << name << "</text>\n";
  }
  svg << "</svg>\n";
  return svg.str();
}

// -- the scheme beside its cipher

struct Whole {
  double bare;    ///< the two calls of AES-128-GCM
  double sealed;  ///< the scheme's seal and open
  std::size_t added;
};

Result<Whole> measure_whole(TopicKey::Form form, unsigned milliseconds, const Contender& bare, Random& random) {
  const auto own = make_memory_keys("boiler-7", Kind::device, random);
  const auto keys = make_memory_topic_keys(random);
  const Now now{0, wall_milliseconds()};
  const Buffer plaintext(64, 0x37);
  TRY(keys->put(make_topic_key("plant/7/temp", TopicKey::Kind::symmetric, form, TopicKey::Cipher::aes128_gcm, now, 3600,
                               own->identity(), random)));
  payload::Sending sending(*keys, own.get(), {}, random);
  payload::Receiving receiving(*keys, {});
  Whole whole{};
  bool all_opened = true;
  whole.added = TRY(sending.seal("plant/7/temp", plaintext, now)).size() - plaintext.size();
  std::vector<double> sealed_times, bare_times;
  for (int turn = 0; turn < 5; ++turn) {  // by turns, so that a slow moment is one for both
    sealed_times.push_back(microseconds(milliseconds, [&] {
      const auto sealed = sending.seal("plant/7/temp", plaintext, now);
      all_opened = all_opened && sealed && receiving.open({"plant/7/temp", *sealed}, now).has_value();
    }));
    bare_times.push_back(microseconds(milliseconds, [&] {
      const Buffer sealed = bare.seal(plaintext);
      all_opened = all_opened && bare.open(sealed, plaintext);
    }));
  }
  whole.sealed = median(std::move(sealed_times));
  whole.bare = median(std::move(bare_times));
  if (!all_opened) return fail(Blame::environment, "a message that was just sealed did not open");
  return whole;
}

Result<> run(const Options& options) {
  crypto::OsRandom random;
  std::vector<Contender> contenders;
  contenders.push_back(aead("aes-128-gcm", crypto::AeadName::aes128_gcm, random));
  contenders.push_back(aead("aes-256-gcm", crypto::AeadName::aes256_gcm, random));
  contenders.push_back(aead("chacha20-poly1305", crypto::AeadName::chacha20_poly1305, random));
  contenders.push_back(cbc_and_hmac(random));
  contenders.push_back(es256(random));
  contenders.push_back(other_signature("ed25519", crypto::KeyKind::ed25519, crypto::Signing::ed25519));
  contenders.push_back(other_signature("rsa-2048-pss", crypto::KeyKind::rsa, crypto::Signing::rsa_pss));

  std::vector<Figure> figures;
  if (!options.json) std::cout << "                       bytes     seal µs     open µs   added      MB/s\n";
  for (const Contender& contender : contenders) {
    for (const std::size_t size : sizes) {
      const Buffer plaintext(size, 0x37);
      const Buffer sealed = contender.seal(plaintext);
      if (!contender.open(sealed, plaintext)) return fail(Blame::environment, contender.name + " does not open what it sealed");
      Figure figure{contender.name, contender.is_stamp, size, 0, 0, sealed.size() - (contender.is_stamp ? 0 : size)};
      figure.open = microseconds(options.milliseconds, [&] { (void)contender.open(sealed, plaintext); });
      figure.seal = microseconds(options.milliseconds, [&] { (void)contender.seal(plaintext); });
      print(figure, options.json);
      figures.push_back(figure);
    }
  }
  for (const auto form : {TopicKey::Form::bare, TopicKey::Form::mac, TopicKey::Form::inside, TopicKey::Form::outside}) {
    const Whole whole = TRY(measure_whole(form, options.milliseconds, contenders.front(), random));
    const double ratio = whole.sealed / whole.bare;
    if (options.json)
      std::cout << nlohmann::json{{"name", "scheme"},
                                  {"form", name(form)},
                                  {"size", 64},
                                  {"seal_and_open_microseconds", whole.sealed},
                                  {"aes_128_gcm_microseconds", whole.bare},
                                  {"ratio", ratio},
                                  {"bytes_added", whole.added}}
                << '\n';
    else
      std::cout << "payload, 64 bytes, " << std::left << std::setw(8) << name(form) << std::right << std::setprecision(2)
                << whole.sealed << " µs to seal and open, " << ratio << " times the two calls of aes-128-gcm (" << whole.bare
                << " µs); " << whole.added << " bytes added\n";
  }
  if (!options.svg.empty()) return write_new_file(options.svg, plot(figures), Audience::everybody);
  return {};
}

}  // namespace

void add_bench_ciphers(Command& bench, int& exit_code) {
  Command& command = bench.add("ciphers", about);
  const auto options = std::make_shared<Options>();  // the callback owns it
  command.option("--milliseconds", options->milliseconds, "N", "for each figure")
      ->check(within(1, 10'000))
      ->capture_default_str();
  command.option("--svg", options->svg, "FILE", "a plot of time over size, in a new file");
  add_json_option(command, options->json);
  command.callback([options, &exit_code] { exit_code = finish(run(*options)); });
}

}  // namespace sealmq::cli
