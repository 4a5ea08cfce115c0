// The paper profile's client: encrypts by a key for all its topics, and puts a stamp in front. Keys come as scheme options.
#include "base/text.h"
#include "base/try.h"
#include "schemes/payload/paper_frames.h"
#include "schemes/payload/payload.h"

namespace sealmq::payload {
namespace {

constexpr std::size_t most_keys = 8;

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

std::string_view option(const SchemeOptions& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string_view() : std::string_view(found->second);
}

struct Keys {
  std::vector<Secret> symmetric;
  std::optional<crypto::OtherPublicKey> topic_public;
  std::optional<crypto::OtherPrivateKey> topic_private;
  std::optional<crypto::OtherPrivateKey> stamp;
  std::vector<crypto::OtherPublicKey> authors;

  static Result<Keys> read(const SchemeOptions& options);
};

Result<std::optional<crypto::OtherPrivateKey>> private_key(std::string_view pem) {
  if (pem.empty()) return std::nullopt;
  auto blocks = TRY(read_pem(pem));
  return TRY(crypto::OtherPrivateKey::from_der(crypto::KeyKind::rsa, Secret(std::move(blocks.front()))));
}

Result<Keys> Keys::read(const SchemeOptions& options) {
  Keys keys;
  LineReader lines(option(options, "payload.topic-key"));
  while (const auto line = lines.next()) {
    auto key = from_hex(trimmed(*line));
    if (!key || key->size() != 16 || keys.symmetric.size() == most_keys)
      return misused("payload.topic-key: up to eight keys, each 32 hexadecimal digits on a line");
    keys.symmetric.emplace_back(std::move(*key));
  }
  if (const auto pem = option(options, "payload.topic-public-key"); !pem.empty()) {
    const auto blocks = TRY(read_pem(pem));
    keys.topic_public = TRY(crypto::OtherPublicKey::from_der(crypto::KeyKind::rsa, blocks.front()));
  }
  keys.topic_private = TRY(private_key(option(options, "payload.topic-private-key")));
  keys.stamp = TRY(private_key(option(options, "payload.stamp-key")));
  if (const auto pem = option(options, "payload.stamp-keys"); !pem.empty()) {
    const auto blocks = TRY(read_pem(pem));
    for (const Buffer& block : blocks) keys.authors.push_back(TRY(crypto::OtherPublicKey::from_der(crypto::KeyKind::rsa, block)));
  }
  return keys;
}

class PaperClientSide : public ClientScheme {
 public:
  PaperClientSide(Keys keys, Random& random) : keys_(std::move(keys)), random_(random) {}
  const SchemeInfo& info() const override { return paper_info; }

  Result<Buffer> protect(std::string_view topic, Bytes payload, Now) override {
    Buffer body = to_buffer(payload);
    if (keys_.topic_public)
      body = paper::encrypt_for(*keys_.topic_public, payload, random_);
    else if (!keys_.symmetric.empty())
      body = paper::encrypt(keys_.symmetric.front(), payload, random_);
    Buffer stamp;
    if (keys_.stamp) stamp = crypto::sign(*keys_.stamp, crypto::Signing::rsa_pkcs1, paper::stamped(topic, body));
    return paper::join(stamp, body);
  }

  Result<Checked<Received>> unprotect(const Arrived& message, Now) override {
    const auto frame = TRY(paper::split(message.payload));
    Received received;
    received.topic = message.topic;
    received.checked = "encrypted, as published";
    if (!keys_.authors.empty()) {
      bool is_stamped = false;
      const Buffer sealed = paper::stamped(message.topic, frame.body);
      for (const auto& author : keys_.authors)
        is_stamped = is_stamped || crypto::verify(author, crypto::Signing::rsa_pkcs1, sealed, frame.stamp);
      if (!is_stamped) return fail(Blame::peer_misbehaved, "stamp: by none of the authors for this topic");
      received.checked = "stamped for this topic by one of its authors, as published";
    }
    received.payload = TRY(open_body(frame.body));
    return verified(std::move(received));
  }

 private:
  Result<Buffer> open_body(Bytes body) const {
    if (keys_.topic_private) return paper::decrypt_by(*keys_.topic_private, body);
    if (keys_.symmetric.empty()) return to_buffer(body);
    for (const Secret& key : keys_.symmetric)
      if (auto plaintext = paper::decrypt(key, body)) return plaintext;
    return fail(Blame::peer_misbehaved, "decrypt: by none of the keys for this topic");
  }

  Keys keys_;
  Random& random_;
};

}  // namespace

Result<std::unique_ptr<ClientScheme>> paper_client(ClientPorts ports) {
  auto keys = TRY(Keys::read(ports.options));
  return std::make_unique<PaperClientSide>(std::move(keys), ports.random);
}

}  // namespace sealmq::payload
