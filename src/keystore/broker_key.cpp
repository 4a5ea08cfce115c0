#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"
#include "base/try.h"
#include "crypto/rsa.h"
#include "keystore/file_access.h"
#include "keystore/file_keys.h"
#include "keystore/fingerprint.h"
#include "keystore/key_proof.h"
#include "keystore/key_reference.h"
#include "registry/data_folder.h"

namespace sealmq {
namespace {

using PublicKey = std::array<std::uint8_t, 33>;

constexpr std::string_view id_word = "broker";
constexpr std::string_view ecdsa_word = "ecdsa-p256";
constexpr std::string_view agreement_word = "ecdh-p256";
constexpr std::string_view rsa_word = "rsa";
constexpr std::string_view proof_word = "keys-2-proof";
constexpr std::string_view parameters_word = "malina-parameters";

std::string key_line(std::string_view word, Bytes key) {
  return std::string(word) + " " + to_base64url(key) + " " + fingerprint_of(key) + "\n";
}

/// Without what stands there: it may be of a file that was named by mistake.
Failure refuse(std::string what) {
  return fail(Blame::caller_misused, "not a broker's public keys: " + std::move(what));
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const auto end = line.find(' ');
    words.push_back(line.substr(0, end));
    if (end == line.npos) return words;
    line.remove_prefix(end + 1);
  }
}

Result<PublicKey> parse_key(const std::vector<std::string_view>& words) {
  if (words.size() != 3) return refuse(std::string(words[0]) + " needs a key and its fingerprint");
  const auto value = from_base64url(words[1]);
  PublicKey key{};
  if (!value || value->size() != key.size()) return refuse(std::string(words[0]) + " is not 33 bytes in base64url");
  std::copy(value->begin(), value->end(), key.begin());
  if (words[2] != fingerprint_of(key)) return refuse("the fingerprint of " + std::string(words[0]) + " does not match the key");
  return key;
}

Result<Buffer> parse_rsa(const std::vector<std::string_view>& words) {
  auto modulus = words.size() == 3 ? from_base64url(words[1]) : std::nullopt;
  if (!modulus || !crypto::rsa::PublicKey::from_modulus(*modulus)) return refuse("rsa is not a modulus and its fingerprint");
  if (words[2] != fingerprint_of(*modulus)) return refuse("the fingerprint of rsa does not match the key");
  return *std::move(modulus);
}

/// What has been read so far; each line may stand once.
struct Found {
  std::optional<std::string> id;
  std::optional<PublicKey> ecdsa;
  std::optional<PublicKey> agreement;
  std::optional<Buffer> rsa;
  std::optional<Buffer> proof;       ///< likewise
  std::optional<Buffer> parameters;  ///< looked into when the keys are known

  Result<> read(std::string_view line) {
    const auto words = words_of(line);
    if (words[0] == id_word) {
      if (words.size() != 2 || !is_identity_name(words[1])) return refuse("malformed broker id");
      return set(id, std::string(words[1]), id_word);
    }
    if (words[0] == ecdsa_word) return set(ecdsa, TRY(parse_key(words)), ecdsa_word);
    if (words[0] == agreement_word) return set(agreement, TRY(parse_key(words)), agreement_word);
    if (words[0] == rsa_word) return set(rsa, TRY(parse_rsa(words)), rsa_word);
    for (const auto& [word, slot] : {std::pair(proof_word, &proof), std::pair(parameters_word, &parameters)}) {
      if (words[0] != word) continue;
      auto value = words.size() == 2 ? from_base64url(words[1]) : std::nullopt;
      if (!value || value->empty()) return refuse(std::string(word) + " is not base64url");
      return set(*slot, *std::move(value), word);
    }
    return refuse("unknown line");
  }

 private:
  template <class T>
  static Result<> set(std::optional<T>& slot, T value, std::string_view word) {
    if (slot) return refuse(std::string(word) + " stands twice");
    slot = std::move(value);
    return {};
  }
};

std::string new_broker_id(Random& random) {
  std::array<std::uint8_t, 4> chance{};
  random.fill(chance);
  return "broker-" + to_hex(chance);
}

}  // namespace

BrokerIdentity broker_identity(const PublicIdentity& identity) {
  return {identity.name, identity.keys.ecdsa, identity.keys.agreement, std::nullopt, identity.keys.rsa};
}

std::string to_text(const BrokerIdentity& broker) {
  std::string text = "# public keys of a sealmq broker: give this file to devices (--broker-key)\n";
  text.append(id_word).append(" ").append(broker.id).append("\n");
  text.append(key_line(ecdsa_word, broker.ecdsa)).append(key_line(agreement_word, broker.agreement));
  if (!broker.rsa.empty()) text.append(key_line(rsa_word, broker.rsa));
  if (!broker.proof.empty()) text.append(proof_word).append(" ").append(to_base64url(broker.proof)).append("\n");
  if (broker.parameters)
    text.append(parameters_word).append(" ").append(to_base64url(encode(*broker.parameters, broker))).append("\n");
  return text;
}

Result<BrokerIdentity> parse_broker_identity(std::string_view text) {
  Found found;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (!line->starts_with('#'))
      TRY(found.read(*line).map_error([&lines](const Error& error) {
        return Error{error.blame, error.what + ", line " + std::to_string(lines.number())};
      }));
  }
  if (!found.id) return refuse("the line broker is missing");
  if (!found.ecdsa) return refuse("the line ecdsa-p256 is missing");
  if (!found.agreement) return refuse("the line ecdh-p256 is missing");
  BrokerIdentity broker{*found.id, *found.ecdsa, *found.agreement};
  if (found.rsa) broker.rsa = *std::move(found.rsa);
  if (found.proof) {
    broker.proof = *std::move(found.proof);
    if (const auto verified = verify_broker_keys(broker); !verified) return refuse(verified.error().what);
  }
  if (found.parameters) {
    auto parameters = parse_parameters(*found.parameters, broker);
    if (!parameters) return refuse("malina-parameters: " + parameters.error().what);
    broker.parameters = *std::move(parameters);
  }
  return broker;
}

Result<BrokerIdentity> read_broker_identity(const std::string& path, bool unproved) {
  const auto text = TRY(read_public_file(path, wants_broker_identity));
  auto broker = TRY(parse_broker_identity(text).map_error([&path](const Error& error) {
    return Error{error.blame, path + ": " + error.what};
  }));
  if (!broker.proof.empty() || unproved) return broker;
  return fail(Blame::caller_misused, path + " does not prove that its maker holds the keys of " + broker.id +
                                         "\nhint: the broker writes the proof into its broker.pub at its next start: take that "
                                         "file; --unproved takes this one as it is");
}

namespace {

/// What broker.pub says, if it is as this broker would write it.
std::optional<BrokerIdentity> published(const DataFolder& folder, const BrokerIdentity& broker) {
  const auto text = read_public_file(folder.broker_pub(), wants_broker_identity);
  if (!text) return std::nullopt;
  auto found = parse_broker_identity(*text);
  if (!found || to_text(*found) != *text) return std::nullopt;
  const bool same_keys =
      found->id == broker.id && found->ecdsa == broker.ecdsa && found->agreement == broker.agreement && found->rsa == broker.rsa;
  return same_keys ? std::optional(*std::move(found)) : std::nullopt;
}

}  // namespace

namespace {

constexpr unsigned token_rsa_bits = 2048;

Result<> create_broker_key(const DataFolder& folder, Random& random, const std::string& keystore, const PinAsker& asker) {
  if (keystore.empty()) {
    TRY(create_private_key_file(new_broker_id(random), Kind::broker, folder.broker_key(), random));
    return {};
  }
  // With an RSA key, because one cannot be added to a token unseen later.
  NewKeys wanted{new_broker_id(random), Kind::broker, folder.broker_key(), "", token_rsa_bits, keystore};
  if (TRY(parse_key_uri(keystore)).index() != KeyUri(TokenUri()).index())
    return fail(Blame::caller_misused,
                "a broker's keys live in a file or in a PKCS#11 token, not on a card: it has to agree on keys");
  TRY(create_keys(wanted, random, asker));
  return {};
}

}  // namespace

Result<> add_broker_rsa_key(const std::string& data_folder, unsigned bits, Random& random) {
  const auto folder = TRY(open_data_folder(data_folder));
  const auto text = TRY(read_private_file(folder.broker_key(), wants_private_keys));
  if (is_key_reference(as_text(text.reveal()))) {
    if (!TRY(parse_key_reference(as_text(text.reveal()))).identity.keys.rsa.empty()) return {};
    return fail(Blame::caller_misused,
                "the broker's token holds no RSA key for it\nhint: sealmq broker --keystore makes one with new keys");
  }
  auto file = TRY(parse_key_file(as_text(text.reveal())));
  if (file.find(Purpose::rsa) != nullptr) return {};
  file.keys.push_back({Purpose::rsa, crypto::rsa::PrivateKey::generate(bits).export_secret()});
  const auto keys = TRY(PrivateKeys::load(file));
  const auto changed = encode_key_file(file, fingerprint(keys.public_keys()));
  TRY(replace_file(folder.broker_key(), as_text(changed.reveal()), Audience::owner));
  TRY(open_or_create_broker_key(data_folder, random));  // which writes broker.pub
  return {};
}

Result<std::unique_ptr<KeyStore>> open_or_create_broker_key(const std::string& data_folder, Random& random,
                                                            const std::string& keystore, const PinAsker& asker) {
  const auto folder = TRY(open_data_folder(data_folder));
  if (!exists(folder.broker_key())) TRY(create_broker_key(folder, random, keystore, asker));

  auto keys = TRY(open_keys(folder.broker_key(), random, asker));
  if (keys->identity().kind != Kind::broker)
    return fail(Blame::caller_misused, folder.broker_key() + " is not the key of a broker");
  if (!is_there(keys->identity().keys.ecdsa) || !is_there(keys->identity().keys.agreement))
    return fail(Blame::caller_misused, folder.broker_key() + " lacks keys that a broker needs, to sign and to agree on keys");

  // broker.pub follows from the key: made again when it was lost or belongs to another key. What it says besides the keys stays.
  auto identity = broker_identity(keys->identity());
  auto found = published(folder, identity);
  if (found && !found->proof.empty()) return keys;
  if (found) identity = *std::move(found);
  identity.proof = TRY(prove_broker_keys(*keys));
  TRY(replace_file(folder.broker_pub(), to_text(identity), Audience::everybody));
  return keys;
}

Result<BrokerIdentity> publish_parameters(const std::string& data_folder, KeyStore& broker, BrokerParameters wanted) {
  const auto folder = TRY(open_data_folder(data_folder));
  auto identity = broker_identity(broker.identity());
  if (auto found = published(folder, identity); found) {
    if (found->parameters) {
      wanted.signature = found->parameters->signature;
      if (*found->parameters == wanted && !found->proof.empty()) return *std::move(found);
    }
    identity.proof = std::move(found->proof);
  }
  if (identity.proof.empty()) identity.proof = TRY(prove_broker_keys(broker));
  identity.parameters = TRY(sign_parameters(broker, std::move(wanted)));
  TRY(replace_file(folder.broker_pub(), to_text(identity), Audience::everybody));
  return identity;
}

}  // namespace sealmq
