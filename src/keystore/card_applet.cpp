#include "keystore/card_applet.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/card_commands.h"
#include "keystore/file_access.h"
#include "keystore/secret_text.h"
#include "keystore/software_card.h"
#include "keystore/software_keys.h"
#include "registry/data_folder.h"

namespace sealmq::card {
namespace {

constexpr std::string_view mark = "SEALMQ-CARD-";
constexpr std::size_t applet_key_size = 16;  // AES-128 is all the applet knows

struct Refused {
  std::uint16_t status;
};
using Reply = tl::expected<Buffer, Refused>;

tl::unexpected<Refused> refuse(std::uint16_t status) {
  return tl::unexpected(Refused{status});
}

/// What a step of the software card answers, with the status words of the applet.
template <class T>
std::uint16_t status_of(const Result<T>& result, std::uint16_t misbehaved) {
  switch (result.error().blame) {
    case Blame::peer_misbehaved:
      return misbehaved;
    case Blame::caller_misused:
      return status_check_error;
    default:
      return status_unknown_error;
  }
}

Reply with_length(const Result<Buffer>& ciphertext, std::uint16_t misbehaved) {
  if (!ciphertext) return refuse(status_of(ciphertext, misbehaved));
  Buffer out;
  Writer(out).lp16(*ciphertext);
  return out;
}

Reply done(const Result<>& result, std::uint16_t misbehaved) {
  if (!result) return refuse(status_of(result, misbehaved));
  return Buffer();
}

Reply whole(Result<Buffer> answer, std::uint16_t misbehaved) {
  if (!answer) return refuse(status_of(answer, misbehaved));
  return *std::move(answer);
}

// u16 length of the exponent | u16 length of the modulus | exponent | modulus
Buffer public_pair(Bytes modulus) {
  const Buffer exponent{1, 0, 1};
  Buffer out;
  Writer(out).u16(3).u16(static_cast<std::uint16_t>(modulus.size())).bytes(exponent).bytes(modulus);
  return out;
}

std::optional<Bytes> read_public_pair(Bytes data) {
  Reader in(data);
  if (in.u16() != 3) in.fail("exponent");
  const auto size = in.u16();
  in.expect(Bytes(std::array<std::uint8_t, 3>{1, 0, 1}));
  const Bytes modulus = in.bytes(size);
  const auto read = in.finish(modulus);
  return read ? std::optional(*read) : std::nullopt;
}

/// The keys of the card, as the software card wants them.
class CardOwnKeys final : public KeyStore {
 public:
  explicit CardOwnKeys(Random& random) : random_(random) {}

  const PublicIdentity& identity() const override { return identity_; }
  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes>) override {
    return fail(Blame::caller_misused, "a card makes no Schnorr signatures");
  }
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override {
    if (!ecdsa) return fail(Blame::caller_misused, "the card has no key");
    return crypto::ecdsa::sign(*ecdsa, message);
  }
  Result<Secret> agree(const std::array<std::uint8_t, 33>&) override { return fail(Blame::caller_misused, "a card only signs"); }
  Result<Buffer> sign_rsa_pss(Bytes message) override {
    if (!rsa) return KeyStore::sign_rsa_pss(message);
    return crypto::rsa::sign_pss(*rsa, message);
  }
  Result<Buffer> seal_rsa(Bytes message) override {
    if (!rsa) return KeyStore::seal_rsa(message);
    return crypto::rsa::seal_with_private(*rsa, message);
  }
  Result<Secret> decrypt_rsa(Bytes ciphertext, std::size_t length) override {
    if (!rsa) return KeyStore::decrypt_rsa(ciphertext, length);
    return crypto::rsa::decrypt(*rsa, ciphertext, length, random_);
  }
  SequenceCounter& sequence() override { throw std::logic_error("a card counts nothing"); }

  void set_rsa(crypto::rsa::PrivateKey key) {
    identity_.keys.rsa = key.public_key().modulus();
    rsa.emplace(std::move(key));
  }

  std::optional<crypto::rsa::PrivateKey> rsa;
  std::optional<crypto::ecdsa::SigningKey> ecdsa;

 private:
  PublicIdentity identity_;
  Random& random_;
};

Result<> make_folder(const std::string& folder) {
  if (!sealmq::make_folder(folder)) return fail(Blame::environment, "cannot make " + folder + ": " + error_text(errno));
  struct stat found {};
  if (::stat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode))
    return fail(Blame::environment, folder + " is not a folder");
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return fail(Blame::caller_misused, "the card in " + folder + " can be read by other users\nhint: chmod 700 " + folder);
  return {};
}

}  // namespace

Secret encode_kept(const Kept& kept) {
  Buffer body;
  body.reserve(16 + kept.uid.size() + kept.broker_modulus.size() + kept.pin.size() + kept.rsa.size() + kept.ecdsa.size());
  Writer(body)
      .lp8(as_bytes(kept.uid))
      .lp16(kept.broker_modulus)
      .lp8(kept.pin.reveal())
      .u8(kept.tries)
      .lp16(kept.rsa.reveal())
      .lp8(kept.ecdsa.reveal());
  const Secret whole(std::move(body));
  return encode_secret_text("# sealmq: what a simulated smart card holds; keep this file secret\n", mark, whole);
}

Result<Kept> parse_kept(std::string_view text) {
  const Secret body = TRY(parse_secret_text(text, mark));
  Reader in(body.reveal());
  Kept kept;
  kept.uid = as_text(in.lp8());
  kept.broker_modulus = to_buffer(in.lp16());
  kept.pin = Secret(in.lp8());
  kept.tries = in.u8();
  kept.rsa = Secret(in.lp16());
  kept.ecdsa = Secret(in.lp8());
  if (!kept.uid.empty() && !is_scac_uid(kept.uid)) in.fail("malformed UID");
  if (kept.pin.size() > longest_pin || kept.tries > pin_tries) in.fail("malformed PIN");
  return in.finish(std::move(kept)).map_error([](const Error& error) {
    return Error{Blame::caller_misused, "the card is damaged: " + error.what};
  });
}

struct CardApplet::State {
  State(std::string folder_, Kept kept_, Random& random)
      : folder(std::move(folder_)),
        kept(std::move(kept_)),
        keys(random),
        session(keys, CardForm::applet, applet_key_size, random),
        random_(random) {}

  Result<> load() {
    if (!kept.rsa.empty()) keys.set_rsa(TRY(crypto::rsa::PrivateKey::from_secret(kept.rsa)));
    if (!kept.ecdsa.empty()) keys.ecdsa.emplace(TRY(crypto::ecdsa::SigningKey::from_secret(kept.ecdsa)));
    if (!kept.broker_modulus.empty()) TRY(session.put_broker_key(kept.broker_modulus));
    return {};
  }
  bool save() const {
    const Secret text = encode_kept(kept);
    return replace_file(folder + "/card", as_text(text.reveal()), Audience::owner).has_value();
  }
  void forget() {
    session.reset();
    selected = verified = begun = false;
    uid_is_set = !kept.uid.empty();
    if (uid_is_set) static_cast<void>(session.put_uid(kept.uid));
  }

  Reply answer(const Command& command);
  Reply of_iso(const Command& command);
  Reply verify(Bytes pin);
  Reply change_pin(Bytes pin);
  Reply create_pair();
  Reply put_broker_key(Bytes data);
  Reply put_uid(Bytes data, bool stays);
  Reply sign(const Command& command);
  Reply of_session(const Command& command);
  bool is_open() const { return kept.pin.empty() || verified; }

  std::string folder;
  Kept kept;
  CardOwnKeys keys;
  SoftwareCard session;
  Random& random_;
  std::optional<DataFolderLock> lock;
  bool selected = false;
  bool verified = false;
  bool begun = false;  ///< the ciphers are initialised
  bool uid_is_set = false;
};

CardApplet::CardApplet(std::unique_ptr<State> state) : state_(std::move(state)) {}
CardApplet::CardApplet(CardApplet&&) noexcept = default;
CardApplet& CardApplet::operator=(CardApplet&&) noexcept = default;
CardApplet::~CardApplet() = default;

Result<CardApplet> CardApplet::open(const std::string& folder, Random& random) {
  TRY(make_folder(folder));
  auto lock = TRY(lock_file(folder + "/card.lock", "this card is in a reader already"));
  Kept kept;
  if (const std::string path = folder + "/card"; exists(path)) {
    const Secret text = TRY(read_private_file(path, wants_card));
    kept = TRY(parse_kept(as_text(text.reveal())));
  }
  auto state = std::make_unique<State>(folder, std::move(kept), random);
  state->lock.emplace(std::move(lock));
  TRY(state->load());
  state->forget();
  return CardApplet(std::move(state));
}

void CardApplet::power_off() {
  state_->forget();
}

Buffer CardApplet::process(Bytes bytes) {
  const auto command = decode_command(bytes);
  if (!command) return encode(Answer{{}, status_wrong_length});
  auto reply = state_->answer(*command);
  return encode(reply ? Answer{*std::move(reply), status_done} : Answer{{}, reply.error().status});
}

Reply CardApplet::State::answer(const Command& command) {
  if (command.cla == class_iso) return of_iso(command);
  if (command.cla != class_applet) return refuse(status_wrong_class);
  if (!selected) return refuse(status_out_of_turn);
  if (command.p2 != 0) return refuse(status_wrong_parameters);
  switch (command.ins) {
    case ins_create_pair:
      return is_open() ? create_pair() : refuse(status_not_verified);
    case ins_public_key:
      return keys.rsa ? public_pair(keys.rsa->public_key().modulus()) : Buffer();
    case ins_put_broker_key:
      return is_open() ? put_broker_key(command.data) : refuse(status_not_verified);
    case ins_put_uid:
      return put_uid(command.data, command.p1 == 1);
    case ins_get_uid:
      return uid_is_set ? Reply(to_buffer(as_bytes(session.uid().value()))) : Reply(Buffer(scac_uid_size));
    case ins_init_ciphers:
      begun = true;
      return Buffer();
    case ins_memory:
      return Buffer{0x7F, 0xFF, 0x7F, 0xFF, 0, 0, 0x7F, 0xFF};
    case ins_sign:
      return is_open() ? sign(command) : refuse(status_not_verified);
    case ins_ecdsa_public:
      return keys.ecdsa ? to_buffer(keys.ecdsa->public_key()) : Buffer();
    case ins_create_ecdsa: {
      if (!is_open()) return refuse(status_not_verified);
      keys.ecdsa.emplace(crypto::ecdsa::SigningKey::generate(random_));
      kept.ecdsa = keys.ecdsa->export_secret();
      if (!save()) return refuse(status_unknown_error);
      return to_buffer(keys.ecdsa->public_key());
    }
    default:
      return of_session(command);
  }
}

Reply CardApplet::State::of_iso(const Command& command) {
  if (command.ins == ins_select) {
    if (command.p1 != 4) return refuse(status_wrong_parameters);
    forget();
    selected = Bytes(command.data).size() == applet_id.size() && same(command.data, applet_id);
    return selected ? Reply(Buffer()) : refuse(status_not_found);
  }
  if (!selected) return refuse(status_wrong_ins);
  if (command.ins == ins_verify && command.p1 == 0 && command.p2 == 1) return verify(command.data);
  if (command.ins == ins_change_pin && command.p1 == 1 && command.p2 == 1) return change_pin(command.data);
  return refuse(status_wrong_ins);
}

Reply CardApplet::State::verify(Bytes pin) {
  if (kept.pin.empty()) return refuse(status_no_pin);
  if (kept.tries == 0) return refuse(status_pin_blocked);
  if (pin.empty()) return refuse(static_cast<std::uint16_t>(status_tries_left | kept.tries));
  // The try is used up on the disk before the PIN is looked at: pulling the power gives none back.
  --kept.tries;
  if (!save()) return refuse(status_unknown_error);
  verified = same(pin, kept.pin.reveal());
  if (!verified) return refuse(kept.tries == 0 ? status_pin_blocked : static_cast<std::uint16_t>(status_tries_left | kept.tries));
  kept.tries = pin_tries;
  if (!save()) return refuse(status_unknown_error);
  return Buffer();
}

Reply CardApplet::State::change_pin(Bytes pin) {
  if (!is_open()) return refuse(status_not_verified);
  if (pin.size() < 4 || pin.size() > longest_pin) return refuse(status_wrong_length);
  kept.pin = Secret(pin);
  kept.tries = pin_tries;
  verified = false;
  if (!save()) return refuse(status_unknown_error);
  return Buffer();
}

Reply CardApplet::State::create_pair() {
  keys.set_rsa(crypto::rsa::PrivateKey::generate());
  kept.rsa = keys.rsa->export_secret();
  session.reset();
  if (!save()) return refuse(status_unknown_error);
  return public_pair(keys.rsa->public_key().modulus());
}

Reply CardApplet::State::put_broker_key(Bytes data) {
  const auto modulus = read_public_pair(data);
  if (!modulus) return refuse(status_wrong_length);
  if (!session.put_broker_key(*modulus)) return refuse(status_no_key);
  session.reset();
  kept.broker_modulus = to_buffer(*modulus);
  if (!save()) return refuse(status_unknown_error);
  return Buffer();
}

Reply CardApplet::State::put_uid(Bytes data, bool stays) {
  if (data.size() != scac_uid_size) return refuse(status_wrong_length);
  if (stays && !is_open()) return refuse(status_not_verified);
  if (!session.put_uid(as_text(data))) return refuse(status_check_error);
  uid_is_set = true;
  if (stays) {
    kept.uid = as_text(data);
    if (!save()) return refuse(status_unknown_error);
  }
  return Buffer();
}

Reply CardApplet::State::sign(const Command& command) {
  if (command.p1 == p1_ecdsa) {
    const auto signature = keys.sign_ecdsa(command.data);
    return signature ? Reply(to_buffer(*signature)) : refuse(status_no_key);
  }
  if (command.p1 != p1_rsa_pss) return refuse(status_wrong_parameters);
  auto signature = keys.sign_rsa_pss(command.data);
  return signature ? Reply(*std::move(signature)) : refuse(status_no_key);
}

/// What the published protocol does, step by step.
Reply CardApplet::State::of_session(const Command& command) {
  if (command.p1 > 1) return refuse(status_wrong_parameters);
  session.set_form(command.p1 == 1 ? CardForm::paper : CardForm::applet);
  const auto read_length = [&](auto use) -> Reply {
    Reader in(command.data);
    const Bytes ciphertext = in.lp16();
    if (!in.finish(0)) return refuse(status_wrong_length);
    return use(ciphertext);
  };
  switch (command.ins) {
    case ins_auth_step_1:
      if (!is_open()) return refuse(status_not_verified);
      if (!keys.rsa) return refuse(status_no_key);
      if (!begun) return refuse(status_not_begun);
      if (!uid_is_set) return refuse(status_check_error);
      return whole(session.auth_step_1(), status_auth_error);
    case ins_auth_step_2:
      return done(session.auth_step_2(command.data), status_auth_error);
    case ins_auth_step_3:
      return whole(session.auth_step_3(), status_auth_error);
    case ins_make_publish:
      // The answer must fit: UID, length, data, RNp and padding.
      if (command.data.size() > 0xFF00) return refuse(status_wrong_length);
      return with_length(session.make_publish(command.data), status_crypt_error);
    case ins_check_pubrel:
      return read_length([&](Bytes ciphertext) { return done(session.check_pubrel(ciphertext), status_crypt_error); });
    case ins_read_rn1:
      return session.rn1().empty() ? refuse(status_check_error) : Reply(to_buffer(session.rn1()));
    case ins_read_payload:
      return read_length([&](Bytes ciphertext) { return whole(session.read_payload(ciphertext), status_crypt_error); });
    case ins_make_pubrel:
      return with_length(session.make_pubrel(), status_crypt_error);
    default:
      return refuse(status_wrong_ins);
  }
}

}  // namespace sealmq::card
