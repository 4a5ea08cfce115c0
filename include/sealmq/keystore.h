// KeyStore: where one identity's private keys live, and what can be done with them without ever seeing them.
//
// Calls may block (a card, a token, a file lock). Any thread; a store that can do one thing at a time makes its callers wait.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "sealmq/identity.h"
#include "sealmq/ports.h"
#include "sealmq/secret.h"
#include "sealmq/smart_card.h"

#pragma GCC visibility push(default)
namespace sealmq {

class KeyStore {
 public:
  virtual ~KeyStore() = default;

  /// Which keys there are: one that is missing in identity().keys cannot be used, and its calls answer caller_misused with a
  /// hint.
  virtual const PublicIdentity& identity() const = 0;

  /// Schnorr on P-256 over a list of elements (crypto/schnorr.h): z (32) || e (32).
  virtual Result<std::array<std::uint8_t, 64>> sign_schnorr(std::span<const Bytes> elements) = 0;
  /// ECDSA P-256 with SHA-256: r (32) || s (32).
  virtual Result<std::array<std::uint8_t, 64>> sign_ecdsa(Bytes message) = 0;
  /// The same with SHA-1 and the nonce of RFC 6979, for a published protocol. Error: caller_misused, where a store cannot.
  virtual Result<std::array<std::uint8_t, 64>> sign_ecdsa_sha1(Bytes message);
  /// ECDH P-256: the x coordinate. An error if `peer` is not a point of the curve.
  virtual Result<Secret> agree(const std::array<std::uint8_t, 33>& peer) = 0;

  /// RSA-PSS with SHA-256 and 32 octets of salt, as long as the modulus (crypto/rsa.h).
  virtual Result<Buffer> sign_rsa_pss(Bytes message);
  /// PKCS#1 v1.5, block type 01 over the bare message, for a published protocol.
  virtual Result<Buffer> seal_rsa(Bytes message);
  /// PKCS#1 v1.5, block type 02, for a published protocol: always `length` octets, random ones if this was no encryption of
  /// `length` octets. Compare them with what is expected; nothing else may depend on them.
  virtual Result<Secret> decrypt_rsa(Bytes ciphertext, std::size_t length);

  /// The card that this identity logs in with by a published protocol: a smart card, or one in software over the RSA key of this
  /// store, which then outlives it. `key_size`: of the block cipher, 16 for real cards.
  virtual Result<std::unique_ptr<SmartCard>> open_card(CardForm form, std::size_t key_size, Random& random);

  /// Whether the keys live in something that can be pulled out or lost.
  virtual bool may_be_lost() const { return false; }
  /// Whether the keys can be used now; looks for a token or card that was away. Errors: environment.
  virtual Result<> check() { return {}; }

  /// The number of this identity's next signed message.
  virtual SequenceCounter& sequence() = 0;
};

/// New keys on this machine: NAME.key (0600, never over an existing file) and NAME.pub.
/// `rsa_bits`: an RSA key besides, of 2048, 3072 or 4096 bits; 0: none.
Result<PublicIdentity> create_key_files(std::string_view name, Kind kind, const std::string& key_path,
                                        const std::string& pub_path, Random& random, unsigned rsa_bits = 0);

/// Asks a person for a PIN. Errors: caller_misused if there is nobody to ask, or who is asked declines.
using PinAsker = std::function<Result<Secret>(const std::string& question)>;

/// `where`: NAME.key, or the address of the keys: `file:PATH`, `pkcs11:token=…;object=NAME?module-path=…`, `pcsc:READER`
/// (keystore/key_uri.h). NAME.key of a token or card is a small file with that address. A PIN comes from the file that the
/// address names (pin-source), the variable SEALMQ_PIN, or `asker`. Refuses a file that others can read.
Result<std::unique_ptr<KeyStore>> open_keys(const std::string& where, Random& random, const PinAsker& asker = {});

struct NewKeys {
  std::string name;
  Kind kind = Kind::device;
  std::string key_path;
  std::string pub_path;    ///< empty: none
  unsigned rsa_bits = 0;   ///< an RSA key besides, of 2048, 3072 or 4096 bits
  std::string keystore{};  ///< the address of a token or card; empty or `file`: the keys are in the file at key_path
};
Result<PublicIdentity> create_keys(const NewKeys& wanted, Random& random, const PinAsker& asker = {});

/// open_keys() where nobody can be asked.
Result<std::unique_ptr<KeyStore>> open_key_file(const std::string& path, Random& random);
/// Keys that live only as long as the process; for tests and the tour.
std::unique_ptr<KeyStore> make_memory_keys(std::string_view name, Kind kind, Random& random, unsigned rsa_bits = 0);

/// What NAME.pub holds.
struct IdentityFile {
  PublicIdentity identity;
  std::string proof;  ///< its second line (keystore/key_proof.h), which has been verified; empty: it has none
};
/// Errors: caller_misused, also for a proof that is wrong; environment.
Result<IdentityFile> read_identity_file(const std::string& path);
/// The text of such a file. Keys that sign nothing but logins are not proved: then it has no second line.
Result<std::string> identity_file(KeyStore& keys);
/// Its identity. Without a proof it is refused, with a hint, unless `unproved`: its maker may have put another's keys into it.
Result<PublicIdentity> read_public_identity(const std::string& path, bool unproved = false);
/// The same for a revocation authority, which can sign orders; a proof that is missing is nobody's harm. Errors: also
/// caller_misused: somebody else's keys.
Result<PublicIdentity> read_authority(const std::string& path);

/// `SHA256:` and base64 of the SHA-256 of all public keys.
std::string fingerprint(const PublicKeys& keys);

/// A broker's own keys live in the same kind of file (Kind::broker, the name is the broker id).
BrokerIdentity broker_identity(const PublicIdentity& identity);
/// Text, one line per key with its fingerprint, and one for the parameters if there are any.
std::string to_text(const BrokerIdentity& broker);
/// A proof that stands there is verified.
Result<BrokerIdentity> parse_broker_identity(std::string_view text);
/// `unproved`: takes a file without a proof, too, as brokers made them before; they write it anew at their next start.
Result<BrokerIdentity> read_broker_identity(const std::string& path, bool unproved = false);
/// Opens DATA/broker.key, or makes it and broker.pub; a new id is `broker-` and eight hexadecimal digits. `keystore`: the address
/// of a token for keys that are to be made. A card cannot hold a broker's keys: caller_misused.
Result<std::unique_ptr<KeyStore>> open_or_create_broker_key(const std::string& data_folder, Random& random,
                                                            const std::string& keystore = {}, const PinAsker& asker = {});
/// Gives the broker an RSA key of `bits` besides, if it has none; then open it again. caller_misused if its keys live in a token,
/// where they are made together.
Result<> add_broker_rsa_key(const std::string& data_folder, unsigned bits, Random& random);

/// `wanted` with the broker's signature. Errors: those of the key store.
Result<BrokerParameters> sign_parameters(KeyStore& broker, BrokerParameters wanted);
/// Signed parameters as they go over the network.
Buffer encode(const BrokerParameters& parameters, const BrokerIdentity& broker);
/// peer_misbehaved unless they are well formed, meant for `broker` and signed by it. The caller compares not-after with its
/// clock.
Result<BrokerParameters> parse_parameters(Bytes bytes, const BrokerIdentity& broker);
/// Signs `wanted` and writes it into DATA/broker.pub, unless it stands there already. The identity with its parameters.
Result<BrokerIdentity> publish_parameters(const std::string& data_folder, KeyStore& broker, BrokerParameters wanted);

}  // namespace sealmq
#pragma GCC visibility pop
