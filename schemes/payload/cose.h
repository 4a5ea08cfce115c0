// The COSE structures of the scheme (RFC 9052, algorithms of RFC 9053), as bytes. What belongs in them is decided elsewhere.
//
// Views point into what was decoded.
#pragma once

#include <optional>
#include <vector>

#include "base/cbor.h"
#include "crypto/hash.h"
#include "sealmq/secret.h"

namespace sealmq::payload {

/// By its tag.
enum class Structure : std::uint8_t { encrypt0 = 16, mac0 = 17, sign1 = 18, encrypt = 96 };

namespace algorithm {
inline constexpr std::int64_t a128gcm = 1;
inline constexpr std::int64_t a256gcm = 3;
inline constexpr std::int64_t chacha20_poly1305 = 24;
inline constexpr std::int64_t hmac256 = 5;
inline constexpr std::int64_t es256 = -7;
inline constexpr std::int64_t eddsa = -8;
inline constexpr std::int64_t ps256 = -37;
inline constexpr std::int64_t ecdh_es_a128kw = -29;
inline constexpr std::int64_t ecdh_es_a256kw = -31;
inline constexpr std::int64_t rsa_oaep256 = -41;
}  // namespace algorithm

/// Header parameters by their labels. Empty, zero or nothing: it is not there.
struct Header {
  std::int64_t algorithm = 0;                 ///< 1
  std::optional<std::uint64_t> content = {};  ///< 3: 16 or 96, where a signature is over another structure
  Bytes key_id = {};                          ///< 4
  Bytes iv = {};                              ///< 5
  std::optional<std::uint64_t> number = {};   ///< 6, Partial IV
  Bytes context = {};                         ///< 10, kid context: the topic key's id, or of a stamp the sender's name
  std::optional<std::uint64_t> issued = {};   ///< 15, CWT claims: 6 (iat), seconds
  std::optional<std::uint64_t> expires = {};  ///< 15, CWT claims: 4 (exp)
  bool claims_are_critical = false;           ///< 2: [15]
  bool has_type = false;                      ///< 16: it belongs to another scheme
};
inline constexpr std::uint64_t largest_number = (std::uint64_t{1} << 40) - 1;

/// The map, in deterministic order; claims are marked as critical.
Buffer encode_header(const Header& header);
/// The same in a buffer that is kept, for the path of every message; what was in it goes.
Bytes encode_header(const Header& header, Buffer& place);
/// Any header parameters; those that are not known are passed over, unless they are critical. Errors: peer_misbehaved.
Result<Header> decode_header(Bytes map);

enum class Curve : std::uint8_t { p256 = 1, x25519 = 4 };

/// A key for agreement, as COSE_Key.
struct EphemeralKey {
  Curve curve = Curve::p256;
  Bytes x;
  Bytes y = {};           ///< of P-256, where it is given
  bool y_is_odd = false;  ///< likewise, where only this is given
};

/// Who a content key is wrapped for, and how.
struct Recipient {
  Bytes header_bytes;
  Header header;
  std::optional<EphemeralKey> ephemeral = {};
  Bytes wrapped;
};

struct Message {
  Structure structure = Structure::encrypt0;
  Bytes header_bytes;  ///< protected
  Header header;       ///< what was read from it
  Header unprotected;
  bool has_unprotected = false;
  Bytes body;  ///< ciphertext, or what is signed
  Bytes seal;  ///< the signature or checksum; empty: encrypted
  std::vector<Recipient> recipients;
};
inline constexpr std::size_t most_recipients = 256;

/// By the first bytes alone.
std::optional<Structure> structure_of(Bytes payload);
/// Errors: peer_misbehaved.
Result<Message> decode_message(Bytes payload);
/// Whether it has such first bytes and is no other scheme's, which it would say in its outermost header (16). What begins so and
/// is malformed is ours to refuse.
bool is_container(Bytes payload);
/// Whether its algorithm is one of those for its structure, and those of its recipients too. The list is closed.
bool has_listed_algorithms(const Message& message);

/// For the ones without recipients: everything up to the body, whose `size` bytes the caller appends.
void begin_encrypt0(Buffer& out, Bytes header, std::size_t size);
Buffer encode_signed(Structure structure, Bytes header, Bytes body, Bytes seal);
/// `wrapped` is encoded with encode_recipient().
Buffer encode_encrypt(Bytes header, Bytes ciphertext, const std::vector<Buffer>& recipients);
Buffer encode_recipient(const Recipient& recipient);

// -- what is authenticated

/// Sig_structure or MAC_structure.
Buffer to_be_sealed(Structure structure, Bytes header, Bytes external, Bytes body);
/// Enc_structure.
Buffer enc_structure(Structure structure, Bytes header, Bytes external);
/// In a buffer that is kept, likewise.
Bytes enc_structure(Structure structure, Bytes header, Bytes external, Buffer& place);

// -- keys

/// The key that wraps a content key, from what two have agreed on (RFC 9053 section 5.2): `how` is one of the two ECDH-ES with
/// key wrap.
Secret wrapping_key(std::int64_t how, const Secret& agreed, Bytes recipient_header);

/// RFC 8613 section 3.2.1, with SHA-256: `type` is "Key" or "IV".
Secret derive_sender(Bytes master, Bytes salt, Bytes id, std::optional<Bytes> context, std::int64_t how, std::string_view type,
                     std::size_t length);
/// RFC 8613 section 5.2. As long as the common IV; of a longer sender's id, the first bytes, 6 less than that.
Buffer sender_nonce(Bytes common_iv, Bytes sender, Bytes partial_iv);
/// Big-endian without leading zeros; zero is one byte.
Buffer partial_iv(std::uint64_t number);

}  // namespace sealmq::payload
