// sealmq card bench: the rows of the publication's table, for a card, a token and a key file.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"
#include "cli/ask_pin.h"
#include "cli/card.h"
#include "cli/command.h"
#include "crypto/aes_cbc.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "keystore/apdu_card.h"
#include "keystore/card_applet.h"
#include "keystore/card_commands.h"
#include "keystore/pcsc_reader.h"
#include "keystore/software_card.h"
#include "keystore/token_keys.h"

namespace sealmq::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr const char* who = "bench001";
constexpr std::size_t message_size = 50;

struct Options {
  std::string reader;
  bool uses_reader = false;
  std::string keystore;
  unsigned rounds = 100;
  bool json = false;
};

struct Figures {
  double average, maximum, minimum, deviation;  ///< milliseconds
};

/// Milliseconds of one operation, many times.
class Times {
 public:
  template <class Work>
  Result<> measure(Work work) {
    const auto start = Clock::now();
    TRY(work());
    add(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    return {};
  }
  void add(double one) { all_.push_back(one); }
  bool empty() const { return all_.empty(); }
  Figures figures() const { return {average(), maximum(), minimum(), deviation()}; }
  double average() const {
    double sum = 0;
    for (const double one : all_) sum += one;
    return sum / static_cast<double>(all_.size());
  }
  double maximum() const { return *std::max_element(all_.begin(), all_.end()); }
  double minimum() const { return *std::min_element(all_.begin(), all_.end()); }
  double deviation() const {
    const double middle = average();
    double sum = 0;
    for (const double one : all_) sum += (one - middle) * (one - middle);
    return all_.size() < 2 ? 0 : std::sqrt(sum / static_cast<double>(all_.size() - 1));
  }

 private:
  std::vector<double> all_;
};

struct Row {
  const char* name;
  std::optional<Figures> published{};  ///< table 2: of a Java card, from sending a command to its answer
  Times times{};
};

/// What is measured; a row stays empty where there is no such step.
struct Rows {
  Row pair{"create pair", Figures{8906.0, 23068.0, 3507.0, 4225.30}};  ///< on a card with UID and the broker's key
  Row begin{"cipher init", Figures{349.19, 410.0, 382.0, 7.70}};       // as printed, though the minimum cannot be
  Row login{"authentication", Figures{1265.31, 1279.0, 1250.0, 5.85}};
  Row publish{"publish", Figures{147.58, 151.0, 146.0, 1.09}};
  Row receive{"receive", Figures{190.66, 193.0, 189.0, 5.38}};
  Row path{"APDU path"};  ///< a command without cryptography
};

/// The broker's side, which is not measured.
class Broker {
 public:
  explicit Broker(Random& random) : key_(crypto::rsa::PrivateKey::generate()), random_(random) {}

  const Buffer& modulus() const { return key_.public_key().modulus(); }
  void set_client(Bytes modulus) { client_.emplace(crypto::rsa::PublicKey::from_modulus(modulus).value()); }

  Result<Buffer> answer(Bytes step1) {
    const Buffer opened = TRY(crypto::rsa::open_with_public(*client_, step1.subspan(10), 24));
    keys_ = chance(32);
    Buffer message = to_buffer(as_bytes(std::string_view(who)));
    append(message, keys_);
    Buffer out;
    const Buffer proof = TRY(crypto::rsa::seal_with_private(key_, opened));
    const Buffer keys = TRY(crypto::rsa::encrypt(*client_, message));
    Writer(out).lp16(proof).lp16(keys);
    return out;
  }
  Buffer publish() const {
    Buffer plain = to_buffer(as_bytes(std::string_view(who)));
    Writer(plain).lp16(Buffer(message_size, 'x'));
    return seal(plain);
  }
  Buffer next_key() {
    const Buffer next = chance(16);
    Buffer plain = to_buffer(as_bytes(std::string_view(who)));
    append(plain, next);
    Buffer sealed = seal(plain);
    std::copy(next.begin(), next.end(), keys_.begin() + 16);
    return sealed;
  }

 private:
  Buffer chance(std::size_t size) const {
    Buffer out(size);
    random_.fill(out);
    return out;
  }
  Buffer seal(Buffer plain) const {
    plain.resize((plain.size() + 15) / 16 * 16);
    return crypto::encrypt_blocks(Secret(Bytes(keys_).last(16)), plain);
  }

  crypto::rsa::PrivateKey key_;
  std::optional<crypto::rsa::PublicKey> client_;
  Random& random_;
  Buffer keys_;
};

Result<> measure_session(SmartCard& card, Bytes modulus, Broker& broker, unsigned rounds, Rows& rows) {
  broker.set_client(modulus);
  TRY(card.put_uid(who));
  TRY(card.put_broker_key(broker.modulus()));
  for (unsigned i = 0; i < rounds; ++i) {
    Buffer step1, step2;
    Times whole;  // of three parts, without the broker's between them
    TRY(whole.measure([&]() -> Result<> {
      step1 = TRY(card.auth_step_1());
      return {};
    }));
    step2 = TRY(broker.answer(step1));
    TRY(whole.measure([&]() -> Result<> {
      TRY(card.auth_step_2(step2));
      TRY(card.auth_step_3());
      return {};
    }));
    rows.login.times.add(2 * whole.average());
    TRY(rows.publish.times.measure([&]() -> Result<> {
      TRY(card.make_publish(Buffer(message_size, 'x')));
      TRY(card.make_pubrel());
      return {};
    }));
    const Buffer payload = broker.publish();
    const Buffer next = broker.next_key();
    TRY(rows.receive.times.measure([&]() -> Result<> {
      TRY(card.read_payload(payload));
      return card.check_pubrel(next);
    }));
  }
  return {};
}

Result<Rows> measure_card(const card::OpenChannel& open, const std::string& what, bool makes_keys, const Options& options,
                          Broker& broker, Random&) {
  Rows rows;
  Pins pins(what, "", pin_asker());
  Buffer modulus;
  {
    const auto channel = TRY(open(true));
    auto applet = TRY(card::Applet::select(*channel));
    TRY(applet.verify(pins));
    for (unsigned i = 0; makes_keys && i < std::max(1U, options.rounds / 20); ++i)
      TRY(rows.pair.times.measure([&]() -> Result<> {
        modulus = TRY(applet.create_pair());
        TRY(applet.put_uid(who, true));
        return applet.put_broker_key(broker.modulus());
      }));
    if (!makes_keys) modulus = TRY(applet.rsa_modulus());
    if (modulus.empty()) return fail_with_hint(Blame::caller_misused, what + " has no keys", "sealmq card init NAME makes them");
    for (unsigned i = 0; i < options.rounds; ++i) {
      TRY(rows.begin.times.measure([&]() -> Result<> {
        TRY(applet.ask({card::class_applet, card::ins_init_ciphers, 0, 0}));
        return {};
      }));
      TRY(rows.path.times.measure([&]() -> Result<> {
        TRY(applet.ask({card::class_applet, card::ins_memory, 0, 0, {}, 8}));
        return {};
      }));
    }
  }
  card::ApduCard session(open, CardForm::paper, who, pins);
  TRY(measure_session(session, modulus, broker, options.rounds, rows));
  return rows;
}

/// A simulated card without a reader: what the commands cost beside the cryptography.
class Direct final : public card::CardChannel {
 public:
  explicit Direct(card::CardApplet& applet) : applet_(applet) {}
  Result<Buffer> transmit(Bytes command) override { return applet_.process(command); }

 private:
  card::CardApplet& applet_;
};

Result<Rows> measure_simulated(const Options& options, Broker& broker, Random& random) {
  std::string folder = "/tmp/sealmq-card-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail(Blame::environment, "cannot make a folder for a card");
  auto measured = [&]() -> Result<Rows> {
    auto applet = TRY(card::CardApplet::open(folder, random));
    const auto open = [&applet](bool) -> Result<std::unique_ptr<card::CardChannel>> { return std::make_unique<Direct>(applet); };
    return measure_card(open, "the simulated card", true, options, broker, random);
  }();
  for (const char* file : {"/card", "/card.lock"}) ::unlink((folder + file).c_str());
  ::rmdir(folder.c_str());
  return measured;
}

Result<Rows> measure_token(const Options& options, Broker& broker, Random& random) {
  auto uri = TRY(parse_key_uri(options.keystore));
  auto* token = std::get_if<TokenUri>(&uri);
  if (token == nullptr)
    return fail_with_hint(Blame::caller_misused, "not a token", "--keystore 'pkcs11:token=NAME?module-path=FILE'");
  std::array<std::uint8_t, 4> chance{};
  random.fill(chance);
  token->object = "bench-" + to_hex(chance);  // never a key that serves for something
  const auto asker = pin_asker();
  Rows rows;
  const auto measured = [&]() -> Result<> {
    for (unsigned i = 0; i < std::max(1U, options.rounds / 20); ++i) {
      if (i > 0) TRY(erase_token_keys(*token, asker));
      TRY(rows.pair.times.measure([&]() -> Result<> {
        TRY(create_token_keys(*token, token->object, Kind::device, crypto::rsa::usual_bits, asker));
        return {};
      }));
    }
    const auto keys = TRY(open_keys(to_text(uri), random, asker));
    const auto session = TRY(keys->open_card(CardForm::paper, 16, random));
    return measure_session(*session, keys->identity().keys.rsa, broker, options.rounds, rows);
  }();
  static_cast<void>(erase_token_keys(*token, asker));
  if (!measured) return Failure(measured.error());
  return rows;
}

Result<Rows> measure_file(const Options& options, Broker& broker, Random& random) {
  Rows rows;
  std::unique_ptr<KeyStore> keys;
  for (unsigned i = 0; i < std::max(1U, options.rounds / 20); ++i)
    TRY(rows.pair.times.measure([&]() -> Result<> {
      keys = make_memory_keys(who, Kind::device, random, crypto::rsa::usual_bits);
      return {};
    }));
  const auto session = TRY(keys->open_card(CardForm::paper, 16, random));
  TRY(measure_session(*session, keys->identity().keys.rsa, broker, options.rounds, rows));
  return rows;
}

void print(const char* subject, const char* operation, const Figures& figures, bool json) {
  if (json) {
    std::cout << Json{{"keys", subject},
                      {"operation", operation},
                      {"average_ms", figures.average},
                      {"maximum_ms", figures.maximum},
                      {"minimum_ms", figures.minimum},
                      {"deviation_ms", figures.deviation}}
                     .dump()
              << '\n';
    return;
  }
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%-16s %-16s %12.3f %12.3f %12.3f %12.3f\n", subject, operation, figures.average,
                figures.maximum, figures.minimum, figures.deviation);
  std::cout << text.data() << std::flush;
}

void print(const char* subject, const Rows& rows, bool json) {
  for (const Row* row : {&rows.pair, &rows.begin, &rows.login, &rows.publish, &rows.receive, &rows.path})
    if (!row->times.empty()) print(subject, row->name, row->times.figures(), json);
}

void print_published(bool json) {
  const Rows rows;
  for (const Row* row : {&rows.pair, &rows.begin, &rows.login, &rows.publish, &rows.receive})
    print("published", row->name, *row->published, json);
}

Result<> run(const Options& options) {
  crypto::OsRandom random;
  Broker broker(random);
  if (!options.json) std::cout << "milliseconds     operation             average      maximum      minimum    deviation\n";
  print_published(options.json);
  if (options.uses_reader) {
    const auto open = [&](bool alone) { return card::open_reader(options.reader, alone); };
    print("card in reader", TRY(measure_card(open, "the smart card", false, options, broker, random)), options.json);
  }
  print("simulated card", TRY(measure_simulated(options, broker, random)), options.json);
  if (!options.keystore.empty()) print("token", TRY(measure_token(options, broker, random)), options.json);
  print("key file", TRY(measure_file(options, broker, random)), options.json);
  return {};
}

}  // namespace

void add_card_bench(Command& card, int& exit_code) {
  Command& command = card.add(
      "bench",
      {.summary = "how long SCACAuth takes on cards",
       .text = "How long the steps of SCACAuth take with a card, a token and a key file, beside the publication's figures.",
       .examples = "$ sealmq card bench --rounds 20\n"});
  const auto options = std::make_shared<Options>();  // the callback owns it
  auto* reader = command.option("--reader", options->reader, "READER", "measures the card in it too");
  command.option("--keystore", options->keystore, "URI", "a token to measure too, such as 'pkcs11:token=plant?module-path=FILE'");
  command.option("--rounds", options->rounds, "N", "how often each step is done")
      ->check(within(2, 100'000))
      ->capture_default_str();
  add_json_option(command, options->json);
  command.callback([options, reader, &exit_code] {
    options->uses_reader = reader->count() > 0;
    exit_code = finish(run(*options));
  });
}

}  // namespace sealmq::cli
