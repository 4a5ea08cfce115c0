#include "schemes/payload/cose.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/kdf.h"

namespace sealmq::payload {
namespace {

using cbor::Reader;
using cbor::Writer;

enum Label : std::int64_t {
  label_algorithm = 1,
  label_critical = 2,
  label_content = 3,
  label_key_id = 4,
  label_iv = 5,
  label_partial_iv = 6,
  label_context = 10,
  label_claims = 15,
  label_type = 16,
  label_ephemeral = -1,
};
enum Claim : std::int64_t { claim_expires = 4, claim_issued = 6 };
enum KeyLabel : std::int64_t { key_type = 1, key_curve = -1, key_x = -2, key_y = -3 };
enum KeyType : std::int64_t { octet_pair = 1, two_coordinates = 2 };

constexpr std::size_t longest_partial_iv = 5;
constexpr std::size_t longest_nonce_id = 8;
constexpr std::size_t longest_id = 255;
constexpr std::size_t coordinate = 32;

Failure malformed(const char* what) {
  return fail(Blame::peer_misbehaved, what);
}

void read_claims(Reader& in, Header& header) {
  for (auto left = in.map(); left > 0 && !in.failed(); --left) {
    if (in.next() != Reader::Kind::integer) {
      in.skip();
      in.skip();
      continue;
    }
    const auto claim = in.integer();
    if (claim == claim_issued)
      header.issued = in.number();
    else if (claim == claim_expires)
      header.expires = in.number();
    else
      in.skip();
  }
}

void read_critical(Reader& in, Header& header) {
  if (in.array() != 1 || in.next() != Reader::Kind::integer || in.integer() != label_claims)
    in.fail("something is critical that is not known here");
  header.claims_are_critical = true;
}

std::uint64_t read_partial_iv(Reader& in) {
  const Bytes iv = in.bytes();
  std::uint64_t number = 0;
  for (std::uint8_t byte : iv.first(std::min(iv.size(), longest_partial_iv))) number = number << 8 | byte;
  if (iv.empty() || iv.size() > longest_partial_iv || (iv.size() > 1 && iv[0] == 0)) in.fail("a partial IV that is none");
  return number;
}

Bytes read_id(Reader& in) {
  const Bytes id = in.bytes();
  if (id.empty() || id.size() > longest_id) in.fail("an id of no length that there is");
  return id;
}

EphemeralKey read_ephemeral(Reader& in) {
  EphemeralKey key;
  std::int64_t type = 0;
  std::int64_t curve = 0;
  bool has_y = false;
  for (auto left = in.map(); left > 0 && !in.failed(); --left) {
    const bool is_known = in.next() == Reader::Kind::integer;
    const auto label = is_known ? in.integer() : (in.skip(), std::int64_t{0});
    if (label == key_type) {
      type = in.integer();
    } else if (label == key_curve) {
      curve = in.integer();
    } else if (label == key_x) {
      key.x = in.bytes();
    } else if (label == key_y) {
      has_y = true;
      if (in.next() == Reader::Kind::boolean)
        key.y_is_odd = in.boolean();
      else
        key.y = in.bytes();
    } else {
      in.skip();
    }
  }
  const bool is_p256 = type == two_coordinates && curve == static_cast<int>(Curve::p256) && has_y;
  const bool is_x25519 = type == octet_pair && curve == static_cast<int>(Curve::x25519) && !has_y;
  if (key.x.size() != coordinate || (!key.y.empty() && key.y.size() != coordinate) || (!is_p256 && !is_x25519))
    in.fail("an ephemeral key of no kind that is known here");
  key.curve = is_x25519 ? Curve::x25519 : Curve::p256;
  return key;
}

/// The pairs of a header map, wherever it stands.
void read_header(Reader& in, Header& header, std::optional<EphemeralKey>* ephemeral) {
  for (auto left = in.map(); left > 0 && !in.failed(); --left) {
    if (in.next() != Reader::Kind::integer) {
      in.skip();
      in.skip();
      continue;
    }
    const auto label = in.integer();
    switch (label) {
      case label_algorithm:
        header.algorithm = in.integer();
        if (header.algorithm == 0) in.fail("algorithm 0 is reserved");
        break;
      case label_critical:
        read_critical(in, header);
        break;
      case label_content:
        if (in.next() == Reader::Kind::text)
          in.skip();
        else
          header.content = in.number();
        break;
      case label_key_id:
        header.key_id = read_id(in);
        break;
      case label_iv:
        header.iv = read_id(in);
        break;
      case label_partial_iv:
        header.number = read_partial_iv(in);
        break;
      case label_context:
        header.context = read_id(in);
        break;
      case label_claims:
        read_claims(in, header);
        break;
      case label_type:
        header.has_type = true;
        in.skip();
        break;
      case label_ephemeral:
        if (ephemeral != nullptr)
          *ephemeral = read_ephemeral(in);
        else
          in.skip();
        break;
      default:
        in.skip();
    }
  }
}

/// A protected header: a byte string with a map in it. The empty map may be nothing, and counts as that where it is authenticated
/// (RFC 9052 sections 3 and 4.4).
Bytes read_protected(Reader& in, Header& header) {
  constexpr std::uint8_t empty_map = 0xA0;
  const Bytes encoded = in.bytes();
  if (in.failed() || encoded.empty()) return encoded;
  if (encoded.size() == 1 && encoded[0] == empty_map) return {};
  auto read = decode_header(encoded);
  if (read)
    header = *read;
  else
    in.fail("the protected header is malformed");
  return encoded;
}

Recipient read_recipient(Reader& in) {
  Recipient recipient;
  if (in.array() != 3) in.fail("a recipient has three parts");
  recipient.header_bytes = read_protected(in, recipient.header);
  Header unprotected;
  read_header(in, unprotected, &recipient.ephemeral);
  if (recipient.header.key_id.empty()) recipient.header.key_id = unprotected.key_id;
  if (recipient.header.algorithm == 0) recipient.header.algorithm = unprotected.algorithm;
  recipient.wrapped = in.bytes();
  return recipient;
}

}  // namespace

Buffer encode_header(const Header& header) {
  Buffer map;
  (void)encode_header(header, map);
  return map;
}

Bytes encode_header(const Header& header, Buffer& map) {
  const bool has_claims = header.issued || header.expires;
  const std::size_t pairs = 1 + (has_claims ? 2 : 0) + (header.content ? 1 : 0) + (header.key_id.empty() ? 0 : 1) +
                            (header.iv.empty() ? 0 : 1) + (header.number ? 1 : 0) + (header.context.empty() ? 0 : 1);
  map.clear();
  map.reserve(64);
  Writer out(map);
  out.map(pairs).integer(label_algorithm).integer(header.algorithm);
  if (has_claims) out.integer(label_critical).array(1).integer(label_claims);
  if (header.content) out.integer(label_content).integer(static_cast<std::int64_t>(*header.content));
  if (!header.key_id.empty()) out.integer(label_key_id).bytes(header.key_id);
  if (!header.iv.empty()) out.integer(label_iv).bytes(header.iv);
  if (header.number) {
    std::size_t size = 1;
    while (size < 8 && *header.number >> (8 * size) != 0) ++size;
    out.integer(label_partial_iv).bytes_of(size);
    for (std::size_t i = size; i-- > 0;) map.push_back(static_cast<std::uint8_t>(*header.number >> (8 * i)));
  }
  if (!header.context.empty()) out.integer(label_context).bytes(header.context);
  if (has_claims) {
    out.integer(label_claims).map((header.expires ? 1 : 0) + (header.issued ? 1 : 0));
    if (header.expires) out.integer(claim_expires).integer(static_cast<std::int64_t>(*header.expires));
    if (header.issued) out.integer(claim_issued).integer(static_cast<std::int64_t>(*header.issued));
  }
  return map;
}

Result<Header> decode_header(Bytes map) {
  Reader in = TRY(Reader::over(map));
  Header header;
  read_header(in, header, nullptr);
  return in.finish(header);
}

std::optional<Structure> structure_of(Bytes payload) {
  if (payload.empty()) return std::nullopt;
  if (payload[0] == 0xD0) return Structure::encrypt0;
  if (payload[0] == 0xD1) return Structure::mac0;
  if (payload[0] == 0xD2) return Structure::sign1;
  if (payload.size() > 1 && payload[0] == 0xD8 && payload[1] == 0x60) return Structure::encrypt;
  return std::nullopt;
}

Result<Message> decode_message(Bytes payload) {
  Reader in = TRY(Reader::over(payload));
  Message message;
  const auto tag = in.tag();
  if (tag != 16 && tag != 17 && tag != 18 && tag != 96) return malformed("not one of the four structures");
  message.structure = static_cast<Structure>(tag);
  const std::size_t parts = message.structure == Structure::encrypt0 ? 3 : 4;
  if (in.array() != parts) return malformed("a structure with a part too many or too few");
  message.header_bytes = read_protected(in, message.header);
  Reader ahead = in;
  message.has_unprotected = ahead.map() != 0;
  read_header(in, message.unprotected, nullptr);
  message.body = in.bytes();
  if (message.structure == Structure::sign1 || message.structure == Structure::mac0) {
    message.seal = in.bytes();
    if (message.seal.empty()) in.fail("there is no signature");
  }
  if (message.structure == Structure::encrypt) {
    const auto count = in.array();
    if (count == 0 || count > most_recipients) in.fail("no recipients, or too many");
    for (std::size_t i = 0; i < count && !in.failed(); ++i) message.recipients.push_back(read_recipient(in));
  }
  return in.finish(std::move(message));
}

bool is_container(Bytes payload) {
  if (!structure_of(payload)) return false;
  const auto message = decode_message(payload);
  return !message || !message->header.has_type;
}

bool has_listed_algorithms(const Message& message) {
  const auto is_one_of = [](std::int64_t its, std::initializer_list<std::int64_t> listed) {
    return std::ranges::find(listed, its) != listed.end();
  };
  switch (message.structure) {
    case Structure::mac0:
      return message.header.algorithm == algorithm::hmac256;
    case Structure::sign1:
      return is_one_of(message.header.algorithm, {algorithm::es256, algorithm::eddsa, algorithm::ps256});
    case Structure::encrypt0:
    case Structure::encrypt:
      break;
  }
  return is_one_of(message.header.algorithm, {algorithm::a128gcm, algorithm::a256gcm, algorithm::chacha20_poly1305}) &&
         std::ranges::all_of(message.recipients, [&](const Recipient& its) {
           return is_one_of(its.header.algorithm, {algorithm::ecdh_es_a128kw, algorithm::ecdh_es_a256kw, algorithm::rsa_oaep256});
         });
}

void begin_encrypt0(Buffer& out, Bytes header, std::size_t size) {
  Writer(out).tag(16).array(3).bytes(header).map(0).bytes_of(size);
}

Buffer encode_signed(Structure structure, Bytes header, Bytes body, Bytes seal) {
  Buffer out;
  out.reserve(header.size() + body.size() + seal.size() + 16);
  Writer(out).tag(static_cast<std::uint64_t>(structure)).array(4).bytes(header).map(0).bytes(body).bytes(seal);
  return out;
}

Buffer encode_encrypt(Bytes header, Bytes ciphertext, const std::vector<Buffer>& recipients) {
  Buffer out;
  Writer writer(out);
  writer.tag(96).array(4).bytes(header).map(0).bytes(ciphertext).array(recipients.size());
  for (const Buffer& recipient : recipients) writer.encoded(recipient);
  return out;
}

Buffer encode_recipient(const Recipient& recipient) {
  Buffer out;
  Writer writer(out);
  writer.array(3).bytes(recipient.header_bytes);
  if (!recipient.ephemeral) {
    writer.map(0);
  } else {
    const EphemeralKey& key = *recipient.ephemeral;
    const bool is_p256 = key.curve == Curve::p256;
    writer.map(1).integer(label_ephemeral).map(is_p256 ? 4 : 3);
    writer.integer(key_type).integer(is_p256 ? two_coordinates : octet_pair);
    writer.integer(key_curve).integer(static_cast<int>(key.curve));
    writer.integer(key_x).bytes(key.x);
    if (is_p256) writer.integer(key_y).bytes(key.y);
  }
  writer.bytes(recipient.wrapped);
  return out;
}

Buffer to_be_sealed(Structure structure, Bytes header, Bytes external, Bytes body) {
  Buffer out;
  out.reserve(header.size() + external.size() + body.size() + 32);
  Writer(out).array(4).text(structure == Structure::mac0 ? "MAC0" : "Signature1").bytes(header).bytes(external).bytes(body);
  return out;
}

Buffer enc_structure(Structure structure, Bytes header, Bytes external) {
  Buffer out;
  (void)enc_structure(structure, header, external, out);
  return out;
}

Bytes enc_structure(Structure structure, Bytes header, Bytes external, Buffer& out) {
  out.clear();
  out.reserve(header.size() + external.size() + 24);
  Writer(out).array(3).text(structure == Structure::encrypt ? "Encrypt" : "Encrypt0").bytes(header).bytes(external);
  return out;
}

Secret wrapping_key(std::int64_t how, const Secret& agreed, Bytes recipient_header) {
  const bool is_128 = how == algorithm::ecdh_es_a128kw;
  constexpr std::int64_t a128kw = -3;
  constexpr std::int64_t a256kw = -5;
  Buffer context;
  Writer out(context);
  out.array(4).integer(is_128 ? a128kw : a256kw);
  for (int party = 0; party < 2; ++party) out.array(3).null().null().null();
  out.array(2).integer(is_128 ? 128 : 256).bytes(recipient_header);
  return crypto::hkdf(agreed.reveal(), {}, context, is_128 ? 16 : 32);
}

Secret derive_sender(Bytes master, Bytes salt, Bytes id, std::optional<Bytes> context, std::int64_t how, std::string_view type,
                     std::size_t length) {
  Buffer info;
  Writer out(info);
  out.array(5).bytes(id);
  if (context)
    out.bytes(*context);
  else
    out.null();
  out.integer(how).text(type).integer(static_cast<std::int64_t>(length));
  return crypto::hkdf(master, salt, info, length);
}

Buffer sender_nonce(Bytes common_iv, Bytes sender, Bytes partial) {
  Buffer nonce(common_iv.size());
  sender = sender.first(std::min({sender.size(), longest_nonce_id, common_iv.size() - longest_partial_iv - 1}));
  nonce[0] = static_cast<std::uint8_t>(sender.size());
  std::copy(sender.begin(), sender.end(), nonce.end() - static_cast<std::ptrdiff_t>(longest_partial_iv + sender.size()));
  std::copy(partial.begin(), partial.end(), nonce.end() - static_cast<std::ptrdiff_t>(partial.size()));
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] ^= common_iv[i];
  return nonce;
}

Buffer partial_iv(std::uint64_t number) {
  Buffer out;
  for (unsigned i = 8; i-- > 0;)
    if (const auto byte = static_cast<std::uint8_t>(number >> (8 * i)); byte != 0 || !out.empty() || i == 0) out.push_back(byte);
  return out;
}

}  // namespace sealmq::payload
