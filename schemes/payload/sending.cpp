#include "schemes/payload/sending.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "schemes/payload/causes.h"
#include "schemes/payload/who_may_deal.h"

namespace sealmq::payload {
namespace {

constexpr std::size_t most_topics = 10'000;

Failure misused(std::string what) {
  return fail(Blame::caller_misused, std::move(what));
}

}  // namespace

Stamper stamper(KeyStore& key) {
  return {algorithm::es256, stamp_id(key.identity().keys.ecdsa), [&key](Bytes message) -> Result<Buffer> {
            const auto signature = TRY(key.sign_ecdsa(message));
            return Buffer(signature.begin(), signature.end());
          }};
}

Result<Buffer> encode_encrypt_for(const std::vector<ReaderKey>& readers, Header header, Bytes external,
                                  const std::function<Result<Buffer>(const Encrypted&)>& plaintext_of, Random& random) {
  const auto cipher = cipher_of(header.algorithm);
  if (!cipher) return misused("not a cipher of this scheme");
  Buffer drawn(crypto::key_size(*cipher));
  random.fill(drawn);
  const Secret content_key(std::move(drawn));
  crypto::Iv iv{};
  random.fill(iv);
  header.iv = iv;
  Encrypted around{encode_header(header), {}};
  std::vector<Buffer> recipients;
  for (const ReaderKey& reader : readers) {
    around.reader_ids.emplace_back(reader.id);
    recipients.push_back(TRY(wrap_for(reader, content_key, random)));
  }
  const Buffer plaintext = TRY(plaintext_of(around));
  Buffer ciphertext;
  // A key that was drawn above and is used for nothing else: whatever the nonce, it cannot repeat.
  crypto::Aead(*cipher, content_key.reveal())
      .seal(iv, enc_structure(Structure::encrypt, around.header, external), plaintext, ciphertext);
  return encode_encrypt(around.header, ciphertext, recipients);
}

Sending::Sending(TopicKeys& keys, KeyStore* key, std::vector<ReaderKey> readers, Random& random,
                 std::shared_ptr<const AuthorityView> authority)
    : keys_(keys), key_(key), readers_(std::move(readers)), random_(random), authority_(std::move(authority)) {
  if (key != nullptr) stamper_ = stamper(*key);
}

Result<> Sending::need_key() const {
  if (key_ == nullptr) return misused("signing needs a private key\nhint: --key NAME.key");
  return {};
}

Sending::Topic& Sending::topic_state(std::string_view topic, std::uint64_t seconds) {
  if (topics_.size() > most_topics) topics_.clear();
  auto place = topics_.find(topic);
  if (place == topics_.end()) place = topics_.try_emplace(std::string(topic)).first;
  Topic& its = place->second;
  if (its.external.empty()) its.external = external_aad(topic);
  const std::uint64_t heard = authority_ == nullptr ? 0 : authority_->version();
  if (its.chosen_at == seconds && its.heard == heard && its.among != nullptr) return its;
  its.heard = heard;
  its.among = keys_.all(true);
  its.key = key_to_send(*its.among, topic, seconds);
  its.refused.reset();
  if (auto may = its.key == nullptr ? Result<>() : may_send_with(*its.key, seconds); !may) {
    its.key = nullptr;
    its.refused = std::move(may).error();
  }
  its.chosen_at = seconds;
  return its;
}

Result<> Sending::may_send_with(const TopicKey& key, std::uint64_t seconds) {
  TRY(may_be_used(keys_, key, seconds));
  if (authority_ == nullptr) return {};
  TRY(may_have_dealt(*authority_, key.administrator));
  if (end_of_deal(*authority_, key))
    return refused(Cause::policy, key.administrator.name + " has replaced the key of " + printable(key.filter, 200) +
                                      ", and the new one has not come here");
  return {};
}

bool Sending::has_key(std::string_view topic, Now now) {
  if (!readers_.empty()) return true;
  const Topic& its = topic_state(topic, now.wall / 1000);
  return its.key != nullptr || its.refused;
}

Result<Buffer> Sending::seal(std::string_view topic, Bytes payload, Now now, std::optional<std::uint64_t> expires) {
  const std::uint64_t seconds = now.wall / 1000;
  const Topic& its = topic_state(topic, seconds);
  const Header times{.issued = seconds, .expires = expires};
  if (!readers_.empty()) {
    if (!filter_for(*its.among, topic).empty())
      return misused("this topic has a key, and messages to it take no other form\nhint: leave out --to");
    return seal_for(readers_, TopicKey::Form::inside, algorithm::a128gcm, topic, payload, times);
  }
  if (its.refused) return misused(its.refused->what);
  if (its.key == nullptr)
    return misused("there is no key for " + printable(topic, 200) +
                   "\nhint: sealmq key new FILTER, or name readers with --to NAME.pub");
  const bool signs = its.key->form != TopicKey::Form::bare && its.key->form != TopicKey::Form::mac;
  if (signs) TRY(need_key());
  if (its.key->kind == TopicKey::Kind::symmetric) return seal_symmetric(its, topic, payload, times);
  const auto reader = ReaderKey::of(its.key->public_half);
  return seal_for({reader}, its.key->form, algorithm_of(its.key->cipher), topic, payload, times);
}

Result<Buffer> Sending::seal_symmetric(const Topic& its, std::string_view topic, Bytes payload, Header header) {
  const TopicKey& key = *its.key;
  if (key.form == TopicKey::Form::stamp) {
    const auto numbered = TRY(next_signed(payload));
    return encode_sign1(*stamper_, outer_stamp(header, std::nullopt, numbered), its.external, payload);
  }
  const auto numbered = TRY(keys_.next(key.id, payload.size()));
  SenderKeys& sender = senders_.find(key, numbered.sender);
  header.algorithm = sender.algorithm();
  header.key_id = numbered.sender;
  header.context = key.id;
  header.number = numbered.number;

  if (key.form == TopicKey::Form::mac) {
    header.algorithm = algorithm::hmac256;
    const Buffer encoded = encode_header(header);
    const auto checksum = sender.checksum(to_be_sealed(Structure::mac0, encoded, its.external, payload));
    return encode_signed(Structure::mac0, encoded, payload, checksum);
  }
  Buffer inside;
  Bytes plaintext = payload;
  Header stamp;
  Buffer stamp_header;
  Buffer inner_external;
  Bytes external = its.external;
  if (key.form == TopicKey::Form::outside) {
    stamp = outer_stamp(header, Structure::encrypt0, numbered);
    stamp_header = encode_header(stamp);
    inner_external = external_aad(topic, Place::inside, outer_of(stamp_header));
    external = inner_external;
  }
  const Bytes encoded = encode_header(header, header_);
  if (key.form == TopicKey::Form::inside) {
    const Header inner{.issued = header.issued};
    const auto outer = outer_of(encoded);
    inside = TRY(encode_sign1(*stamper_, inner, external_aad(topic, Place::inside, outer), payload));
    plaintext = inside;
  }
  Buffer out;
  const std::size_t sealed_size = plaintext.size() + crypto::Aead::tag_size;
  out.reserve(encoded.size() + sealed_size + 16);
  begin_encrypt0(out, encoded, sealed_size);
  // The store has never answered this number before, and the key is this sender's alone.
  sender.seal(*header.number, enc_structure(Structure::encrypt0, encoded, external, authenticated_), plaintext, out);
  if (key.form != TopicKey::Form::outside) return out;
  return encode_sign1(*stamper_, stamp, its.external, out);
}

Header Sending::outer_stamp(const Header& times, std::optional<Structure> content, const TopicKeys::Numbered& numbered) const {
  Header stamp{.algorithm = stamper_->algorithm, .key_id = stamper_->id};
  if (content) stamp.content = static_cast<std::uint64_t>(*content);
  stamp.number = numbered.number;
  stamp.context = numbered.sender;
  stamp.issued = times.issued;
  stamp.expires = times.expires;
  return stamp;
}

Result<Buffer> Sending::seal_for(const std::vector<ReaderKey>& readers, TopicKey::Form form, std::int64_t algorithm,
                                 std::string_view topic, Bytes payload, Header header) {
  TRY(need_key());
  header.algorithm = algorithm;
  header.key_id = stamper_->id;
  if (form == TopicKey::Form::outside) {
    const auto numbered = TRY(next_signed(payload));
    const Header stamp = outer_stamp(header, Structure::encrypt, numbered);
    const auto outer = outer_of(encode_header(stamp));
    const Buffer sealed = TRY(encode_encrypt_for(
        readers, header, external_aad(topic, Place::inside, outer),
        [&](const Encrypted&) -> Result<Buffer> { return to_buffer(payload); }, random_));
    return encode_sign1(*stamper_, stamp, external_aad(topic), sealed);
  }
  const auto numbered = TRY(next_signed(payload));
  return encode_encrypt_for(
      readers, header, external_aad(topic),
      [&](const Encrypted& around) -> Result<Buffer> {
        const Header inner{.number = numbered.number, .context = numbered.sender, .issued = header.issued};
        const auto outer = outer_of(around.header, around.reader_ids);
        return encode_sign1(*stamper_, inner, external_aad(topic, Place::inside, outer), payload);
      },
      random_);
}

}  // namespace sealmq::payload
