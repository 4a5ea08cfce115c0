#include "schemes/payload/paper_keys.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/try.h"
#include "crypto/kdf.h"
#include "schemes/payload/paper_frames.h"

namespace sealmq::payload::paper {
namespace {

constexpr std::size_t most_keys = 8;
constexpr std::size_t symmetric_size = 16, least_mac_size = 16, most_mac_size = 64;

constexpr std::pair<std::string_view, StampKind> stamp_words[] = {{"none", StampKind::none},
                                                                  {"checksum", StampKind::checksum},
                                                                  {"hash", StampKind::hash},
                                                                  {"mac", StampKind::mac},
                                                                  {"signature", StampKind::signature}};

Failure misused(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

/// What stands between the lines of a PEM text, for each of its blocks.
Result<std::vector<Buffer>> read_pem(std::string_view text) {
  std::vector<Buffer> blocks;
  std::string block;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->starts_with("-----BEGIN")) {
      block.clear();
    } else if (line->starts_with("-----END")) {
      while (block.ends_with('=')) block.pop_back();
      const auto decoded = from_base64url(block);
      if (!decoded) return misused("not a PEM file");
      blocks.push_back(*decoded);
    } else {
      for (char c : trimmed(*line)) block.push_back(c == '+' ? '-' : c == '/' ? '_' : c);
    }
  }
  if (blocks.empty() || blocks.size() > most_keys) return misused("a PEM file without a key, or with more than eight");
  return blocks;
}

Result<std::optional<crypto::OtherPrivateKey>> private_key(std::string_view pem) {
  if (pem.empty()) return std::nullopt;
  auto blocks = TRY(read_pem(pem));
  return TRY(crypto::OtherPrivateKey::from_der(crypto::KeyKind::rsa, Secret(std::move(blocks.front()))));
}

}  // namespace

Result<Keys> Keys::read(const SchemeOptions& options, std::string_view prefix) {
  const auto option = [&](std::string_view name) {
    const auto found = options.find(std::string(prefix).append(name));
    return found == options.end() ? std::string_view() : std::string_view(found->second);
  };
  Keys keys;
  LineReader lines(option("topic-key"));
  while (const auto line = lines.next()) {
    auto key = from_hex(trimmed(*line));
    if (!key || key->size() != symmetric_size || keys.symmetric_.size() == most_keys)
      return misused(std::string(prefix) + "topic-key: up to eight keys, each 32 hexadecimal digits on a line");
    keys.symmetric_.emplace_back(std::move(*key));
  }
  if (const auto pem = option("topic-public-key"); !pem.empty()) {
    const auto blocks = TRY(read_pem(pem));
    keys.topic_public_ = TRY(crypto::OtherPublicKey::from_der(crypto::KeyKind::rsa, blocks.front()));
  }
  keys.topic_private_ = TRY(private_key(option("topic-private-key")));
  keys.signing_ = TRY(private_key(option("stamp-key")));
  if (const auto pem = option("stamp-keys"); !pem.empty()) {
    const auto blocks = TRY(read_pem(pem));
    for (const Buffer& block : blocks)
      keys.authors_.push_back(TRY(crypto::OtherPublicKey::from_der(crypto::KeyKind::rsa, block)));
  }
  if (const auto text = trimmed(option("stamp-mac-key")); !text.empty()) {
    auto key = from_hex(text);
    if (!key || key->size() < least_mac_size || key->size() > most_mac_size)
      return misused(std::string(prefix) + "stamp-mac-key: 32 to 128 hexadecimal digits");
    keys.mac_ = Secret(std::move(*key));
  }
  if (auto chosen = keys.choose_stamp(trimmed(option("stamp"))); !chosen)
    return misused(std::string(prefix) + chosen.error().what);
  return keys;
}

/// Without a word it is what there are keys for.
Result<> Keys::choose_stamp(std::string_view word) {
  const bool can_sign = signing_ || !authors_.empty();
  if (word.empty()) {
    stamp_ = can_sign ? StampKind::signature : mac_.empty() ? StampKind::none : StampKind::mac;
    return {};
  }
  const auto* known = std::ranges::find(stamp_words, word, [](const auto& its) { return its.first; });
  if (known == std::end(stamp_words)) return misused("stamp: none, checksum, hash, mac or signature");
  stamp_ = known->second;
  if (stamp_ == StampKind::mac && mac_.empty()) return misused("stamp: mac needs stamp-mac-key");
  if (stamp_ == StampKind::signature && !can_sign) return misused("stamp: signature needs stamp-key or stamp-keys");
  return {};
}

Buffer Keys::stamp_for(Bytes stamped) const {
  const auto as_buffer = [](const auto& bytes) { return Buffer(bytes.begin(), bytes.end()); };
  switch (stamp_) {
    case StampKind::none:
      break;
    case StampKind::checksum:
      return as_buffer(crc32(stamped));
    case StampKind::hash:
      return as_buffer(crypto::sha256(stamped));
    case StampKind::mac:
      return as_buffer(crypto::hmac_sha256(mac_.reveal(), stamped));
    case StampKind::signature:
      if (signing_) return crypto::sign(*signing_, crypto::Signing::rsa_pkcs1, stamped);
  }
  return {};
}

Buffer Keys::seal(std::string_view topic, Bytes plaintext, Random& random) const {
  Buffer body = to_buffer(plaintext);
  if (topic_public_)
    body = encrypt_for(*topic_public_, plaintext, random);
  else if (!symmetric_.empty())
    body = encrypt(symmetric_.front(), plaintext, random);
  return join(stamp_for(stamped(topic, body)), body);
}

Result<> Keys::check(Bytes stamp, Bytes stamped) const {
  if (stamp_ == StampKind::none) return {};
  if (stamp_ != StampKind::signature) {
    if (same(stamp, stamp_for(stamped))) return {};
    return fail(Blame::peer_misbehaved, "stamp: of another topic or payload, or of another kind");
  }
  if (authors_.empty()) return {};
  for (const auto& author : authors_)
    if (crypto::verify(author, crypto::Signing::rsa_pkcs1, stamped, stamp)) return {};
  return fail(Blame::peer_misbehaved, "stamp: by none of the authors for this topic");
}

Result<Buffer> Keys::open(std::string_view topic, Bytes payload) const {
  const auto frame = TRY(split(payload));
  TRY(check(frame.stamp, stamped(topic, frame.body)));
  return decrypt_body(frame.body);
}

Result<Buffer> Keys::decrypt_body(Bytes body) const {
  if (topic_private_) return decrypt_by(*topic_private_, body);
  if (symmetric_.empty()) return to_buffer(body);
  for (const Secret& key : symmetric_)
    if (auto plaintext = decrypt(key, body)) return plaintext;
  return fail(Blame::peer_misbehaved, "decrypt: by none of the keys for this topic");
}

}  // namespace sealmq::payload::paper
