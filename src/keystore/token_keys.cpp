#include "keystore/token_keys.h"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/try.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "keystore/pkcs11_module.h"

namespace sealmq {
namespace {

using pkcs11::KeyKind;
using pkcs11::Session;

constexpr std::string_view ecdsa_ending = "-ecdsa";
constexpr std::string_view agreement_ending = "-ecdh";
constexpr std::string_view rsa_ending = "-rsa";

std::string label(const TokenUri& uri, std::string_view ending) {
  return uri.object + std::string(ending);
}

std::string module_of(const TokenUri& uri) {
  return uri.module_path.empty() ? pkcs11::default_module : uri.module_path;
}

std::string in_words(const TokenUri& uri) {
  return "the token " + (uri.token.empty() ? uri.serial : uri.token);
}

/// A key of each kind that is there.
struct Handles {
  std::optional<std::uint64_t> ecdsa;
  std::optional<std::uint64_t> agreement;
  std::optional<std::uint64_t> rsa;
};

Result<std::array<std::uint8_t, 33>> point_of(Session& session, std::string_view name) {
  const auto key = TRY(session.find_public(KeyKind::ec, name));
  if (!key) return fail(Blame::environment, "the token has no public key " + std::string(name));
  return session.read_point(*key);
}

Result<Handles> find_keys(Session& session, const TokenUri& uri, PublicKeys& keys) {
  Handles found;
  found.ecdsa = TRY(session.find_private(KeyKind::ec, label(uri, ecdsa_ending)));
  found.agreement = TRY(session.find_private(KeyKind::ec, label(uri, agreement_ending)));
  found.rsa = TRY(session.find_private(KeyKind::rsa, label(uri, rsa_ending)));
  if (found.ecdsa) keys.ecdsa = TRY(point_of(session, label(uri, ecdsa_ending)));
  if (found.agreement) keys.agreement = TRY(point_of(session, label(uri, agreement_ending)));
  if (found.rsa) {
    const auto key = TRY(session.find_public(KeyKind::rsa, label(uri, rsa_ending)));
    if (!key) return fail(Blame::environment, "the token has no public RSA key");
    keys.rsa = TRY(session.read_modulus(*key));
  }
  if (!found.ecdsa && !found.rsa)
    return fail(Blame::environment, in_words(uri) + " has no keys " + uri.object + "-ecdsa or " + uri.object + "-rsa");
  return found;
}

Failure cannot(std::string what, std::string hint) {
  return fail(Blame::caller_misused, std::move(what) + "\nhint: " + std::move(hint));
}

class TokenKeys final : public KeyStore {
 public:
  TokenKeys(std::shared_ptr<pkcs11::Module> module, TokenUri uri, std::unique_ptr<SequenceCounter> sequence, Random& random,
            PinAsker asker)
      : module_(std::move(module)),
        uri_(std::move(uri)),
        pins_(in_words(uri_), uri_.pin_source, std::move(asker)),
        sequence_(std::move(sequence)),
        random_(random),
        most_(sessions_of(uri_).value_or(1)) {}

  Result<> begin(const std::optional<PublicIdentity>& expected) {
    if (expected) {
      identity_ = *expected;
    } else {
      if (!is_identity_name(uri_.object))
        return fail(Blame::caller_misused, "the address of the keys names no object, or not an identity");
      identity_.name = uri_.object;
    }
    rested_.push_back(TRY(connect()));
    open_ = 1;
    return {};
  }

  const PublicIdentity& identity() const override { return identity_; }
  bool may_be_lost() const override { return true; }

  Result<> check() override {
    return with([&](Place& place) -> Result<> {
      PublicKeys keys;
      place.handles = TRY(find_keys(place.session, uri_, keys));
      return {};
    });
  }

  Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes>) override {
    return cannot("a PKCS#11 token cannot make Schnorr signatures",
                  "scacauth and pmqtt need none; or keep the keys in a file: sealmq identity new NAME");
  }
  Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) override {
    const auto digest = crypto::sha256(message);
    return with([&](Place& place) -> Result<std::array<std::uint8_t, 64>> {
      if (!place.handles.ecdsa) return cannot(identity_.name + " has no ECDSA key in its token", "sealmq identity new makes one");
      return place.session.sign_ecdsa(*place.handles.ecdsa, digest);
    });
  }
  Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) override {
    const auto point = crypto::uncompressed(TRY(crypto::Point::decode(peer)));
    return with([&](Place& place) -> Result<Secret> {
      if (!place.handles.agreement)
        return cannot(identity_.name + " has no key to agree with in its token", "sealmq identity new makes one");
      return place.session.agree(*place.handles.agreement, point);
    });
  }
  Result<Buffer> sign_rsa_pss(Bytes message) override {
    return with_rsa<Buffer>(
        [&](Place& place) { return place.session.sign_rsa_pss(*place.handles.rsa, message, identity_.keys.rsa.size()); },
        [&] { return KeyStore::sign_rsa_pss(message); });
  }
  Result<Buffer> seal_rsa(Bytes message) override {
    if (message.size() + crypto::rsa::padding_overhead > identity_.keys.rsa.size())
      return identity_.keys.rsa.empty() ? KeyStore::seal_rsa(message)
                                        : Result<Buffer>(fail(Blame::caller_misused, "the message is too long for the RSA key"));
    return with_rsa<Buffer>(
        [&](Place& place) { return place.session.sign_rsa_raw(*place.handles.rsa, message, identity_.keys.rsa.size()); },
        [&] { return KeyStore::seal_rsa(message); });
  }
  /// The token takes no padding off, because its answer would tell whether there was one.
  Result<Secret> decrypt_rsa(Bytes ciphertext, std::size_t length) override {
    if (identity_.keys.rsa.empty()) return KeyStore::decrypt_rsa(ciphertext, length);
    TRY(crypto::rsa::check_ciphertext(TRY(crypto::rsa::PublicKey::from_modulus(identity_.keys.rsa)), ciphertext));
    const Secret block = TRY(with_rsa<Secret>(
        [&](Place& place) { return place.session.decrypt_rsa_raw(*place.handles.rsa, ciphertext, identity_.keys.rsa.size()); },
        [&] { return KeyStore::decrypt_rsa(ciphertext, length); }));
    return crypto::rsa::open_block(block, length, random_);
  }
  SequenceCounter& sequence() override { return *sequence_; }

 private:
  /// One session, and where it finds the keys.
  struct Place {
    Session session;
    Handles handles;
  };

  Result<Place> connect() {
    auto connected = try_to_connect();
    if (connected || connected.error().blame != Blame::environment) return connected;
    // A module may have made up its mind about which tokens there are, and what is in them, when it began.
    TRY(pkcs11::begin_anew(*module_));
    return try_to_connect();
  }
  Result<Place> try_to_connect() {
    auto session = TRY(Session::open(module_, uri_, pins_));
    PublicKeys keys;
    const Handles handles = TRY(find_keys(session, uri_, keys));
    if (identity_.keys == PublicKeys()) identity_.keys = keys;  // begin() alone
    if (identity_.keys != keys)
      return fail(Blame::environment, in_words(uri_) + " has other keys than those of " + identity_.name);
    return Place{std::move(session), handles};
  }

  /// A session that rests, or nothing: then one may be opened, which counts already.
  std::optional<Place> take() {
    std::unique_lock lock(mutex_);
    is_free_.wait(lock, [&] { return !rested_.empty() || open_ < most_; });
    if (rested_.empty()) {
      ++open_;
      return std::nullopt;
    }
    std::optional<Place> taken(std::move(rested_.front()));
    rested_.pop_front();
    return taken;
  }
  void give_back(std::optional<Place> place) {
    {
      const std::lock_guard lock(mutex_);
      if (place)
        rested_.push_back(std::move(*place));
      else
        --open_;
    }
    is_free_.notify_one();
  }

  /// Twice at most: what fails for a reason of the environment may work with a new session.
  template <class Work>
  auto with(Work work) -> decltype(work(std::declval<Place&>())) {
    std::optional<Place> place = take();
    if (place) {
      auto answer = work(*place);
      if (answer || answer.error().blame != Blame::environment) {
        give_back(std::move(place));
        return answer;
      }
      place.reset();
    }
    auto connected = connect();
    if (!connected) {
      give_back(std::nullopt);
      return Failure(connected.error());
    }
    auto answer = work(*connected);
    give_back(std::move(*connected));
    return answer;
  }
  template <class T, class Work, class Otherwise>
  Result<T> with_rsa(Work work, Otherwise otherwise) {
    return with([&](Place& place) -> Result<T> {
      if (!place.handles.rsa) return otherwise();
      return work(place);
    });
  }

  std::shared_ptr<pkcs11::Module> module_;
  TokenUri uri_;
  PublicIdentity identity_;
  Pins pins_;
  std::unique_ptr<SequenceCounter> sequence_;
  Random& random_;
  const std::size_t most_;  // sessions
  std::mutex mutex_;
  std::condition_variable is_free_;
  std::deque<Place> rested_;  // the one that has rested longest first
  std::size_t open_ = 0;      // with those at work
};

Result<> erase(Session& session, const TokenUri& uri) {
  TRY(session.destroy(KeyKind::ec, label(uri, ecdsa_ending)));
  TRY(session.destroy(KeyKind::ec, label(uri, agreement_ending)));
  return session.destroy(KeyKind::rsa, label(uri, rsa_ending));
}

Result<> make(Session& session, const TokenUri& uri, unsigned rsa_bits) {
  TRY(session.generate_ec(label(uri, ecdsa_ending), false));
  TRY(session.generate_ec(label(uri, agreement_ending), true));
  if (rsa_bits != 0) TRY(session.generate_rsa(label(uri, rsa_ending), rsa_bits));
  return {};
}

}  // namespace

Result<std::unique_ptr<KeyStore>> open_token_keys(const TokenUri& uri, const std::optional<PublicIdentity>& expected,
                                                  std::unique_ptr<SequenceCounter> sequence, Random& random, PinAsker asker) {
  auto module = TRY(pkcs11::open_module(module_of(uri)));
  auto keys = std::make_unique<TokenKeys>(std::move(module), uri, std::move(sequence), random, std::move(asker));
  TRY(keys->begin(expected));
  return keys;
}

Result<PublicIdentity> create_token_keys(const TokenUri& uri, std::string_view name, Kind kind, unsigned rsa_bits,
                                         PinAsker asker) {
  Pins pins(in_words(uri), uri.pin_source, std::move(asker));
  auto module = TRY(pkcs11::open_module(module_of(uri)));
  auto session = TRY(Session::open(std::move(module), uri, pins));
  for (const auto& [key, ending] :
       {std::pair(KeyKind::ec, ecdsa_ending), std::pair(KeyKind::ec, agreement_ending), std::pair(KeyKind::rsa, rsa_ending)}) {
    if (TRY(session.find_private(key, label(uri, ending))))
      return fail(Blame::caller_misused,
                  in_words(uri) + " has a key " + label(uri, ending) + " already, which is not overwritten");
  }
  PublicIdentity identity{std::string(name), kind, {}};
  auto made = make(session, uri, rsa_bits);
  if (made) {
    const auto found = find_keys(session, uri, identity.keys);
    if (!found) made = Failure(found.error());
  }
  if (!made) {
    static_cast<void>(erase(session, uri));
    return Failure(made.error());
  }
  return identity;
}

Result<> erase_token_keys(const TokenUri& uri, PinAsker asker) {
  Pins pins(in_words(uri), uri.pin_source, std::move(asker));
  auto module = TRY(pkcs11::open_module(module_of(uri)));
  auto session = TRY(Session::open(std::move(module), uri, pins));
  return erase(session, uri);
}

}  // namespace sealmq
