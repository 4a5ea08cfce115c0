#include "schemes/payload/receiving.h"

#include <algorithm>

#include "base/try.h"
#include "crypto/hash.h"
#include "crypto/identity_digest.h"
#include "schemes/payload/who_may_deal.h"

namespace sealmq::payload {
namespace {

constexpr std::size_t most_shown = 100'000;
constexpr std::size_t most_windows = 4096;  // whose names are kept

Failure as(Cause cause, const Error& error) {
  return refused(cause, error.what);
}

bool is_earlier(const TopicKey* key) {
  return key != nullptr && key->is_earlier;
}

/// The name beside the number of a stamp; in the earlier form there was none.
Result<> check_name_in_stamp(const Header& header, const TopicKey* key) {
  if (header.context.size() == std::tuple_size_v<SenderName> || (header.context.empty() && is_earlier(key))) return {};
  return refused(Cause::malformed, "the stamp names no sender");
}

/// Everything that is said stands in the protected header, and the times in it are marked as critical.
Result<> check_header(const Message& message) {
  const Header& header = message.header;
  if (header.has_type) return refused(Cause::malformed, "it has the type of another scheme");
  if (message.has_unprotected) return refused(Cause::malformed, "something stands in a header that is not protected");
  if (header.algorithm == 0) return refused(Cause::malformed, "no algorithm is named");
  if (header.key_id.empty()) return refused(Cause::malformed, "no sender is named");
  if (!header.issued || !header.claims_are_critical) return refused(Cause::malformed, "no time is named, or it is not critical");
  if (header.number && !header.iv.empty()) return refused(Cause::malformed, "a number and a nonce");
  return {};
}

Result<Message> decode(Bytes payload) {
  auto message = decode_message(payload);
  if (!message) return as(Cause::malformed, message.error());
  TRY(check_header(*message));
  return message;
}

/// A Sign1 whose author is known and whose signature is right.
struct Stamped {
  Message message;
  const Author* author;
};
Result<Stamped> verify_stamp(Message message, Bytes external, KnownAuthors& authors, bool earlier) {
  const auto* author = authors.find(message.header.key_id, earlier);
  if (author == nullptr) return refused(Cause::stamp, "signed by somebody who is not known here");
  if (author->verifier.algorithm() != message.header.algorithm) return refused(Cause::policy, "signed by another algorithm");
  const Buffer sealed = to_be_sealed(Structure::sign1, message.header_bytes, external, message.body);
  if (!author->verifier.verify(sealed, message.seal)) return refused(Cause::stamp, "the stamp does not verify");
  return Stamped{std::move(message), author};
}

Receiving::Opened said_by(const Author& author, Buffer payload) {
  Receiving::Opened opened;
  opened.payload = std::move(payload);
  opened.author = author.name;
  opened.listed = author.listed;
  return opened;
}

/// What stands inside an encrypted message that is to be stamped there.
Result<Stamped> open_stamp_inside(Bytes plaintext, std::string_view topic, const crypto::Digest& outer, KnownAuthors& authors,
                                  bool earlier) {
  Message inner = TRY(decode(plaintext));
  if (inner.structure != Structure::sign1 || inner.header.content) return refused(Cause::policy, "there is no stamp inside");
  return verify_stamp(std::move(inner), external_aad(topic, Place::inside, outer), authors, earlier);
}

}  // namespace

// -- authors

Result<> Authors::add(const PublicIdentity& identity) {
  const auto& key = identity.keys.ecdsa;
  auto verifier = TRY(StampVerifier::make(algorithm::es256, key));
  const StampId id = verifier.id();
  const Author author{identity.name, std::move(verifier), crypto::sha256(key), nullptr, crypto::key_hash(key)};
  const auto [place, is_new] = by_id_.try_emplace(id, author);
  if (!is_new && place->second.digest != author.digest)
    return fail(Blame::caller_misused, place->second.name + " and " + identity.name + " answer to the same id");
  const auto [earlier, is_alone] = by_earlier_id_.try_emplace(earlier_stamp_id(key), id);
  if (!is_alone && earlier->second != id) earlier->second.reset();
  return {};
}

const Author* Authors::find(Bytes id, bool earlier) {
  StampId known{};
  if (EarlierStampId its{}; earlier && id.size() == its.size()) {
    std::ranges::copy(id, its.begin());
    const auto place = by_earlier_id_.find(its);
    return place == by_earlier_id_.end() || !place->second ? nullptr : &by_id_.at(*place->second);
  }
  if (id.size() != known.size()) return nullptr;
  std::ranges::copy(id, known.begin());
  const auto place = by_id_.find(known);
  return place == by_id_.end() ? nullptr : &place->second;
}

// -- receiving

Result<Receiving::Opened> Receiving::open(const From& from, Now now) {
  auto opened = open_checked(from, now);
  if (opened && wanted_.remembers)
    if (auto is_new = check_new(*opened, from); !is_new) opened = Failure(std::move(is_new).error());
  if (!opened) count_refused(opened.error());
  return opened;
}

void Receiving::count_refused(const Error& error) {
  for (std::size_t i = 0; i < cause_names.size(); ++i)
    if (error.what.starts_with(cause_names[i])) ++refused_[i];
}

Result<Receiving::Opened> Receiving::open_checked(const From& from, Now now) {
  // Once a second: somebody may have replaced or revoked a key.
  const std::uint64_t seconds = now.wall / 1000;
  const std::uint64_t heard = wanted_.authority == nullptr ? 0 : wanted_.authority->version();
  if (looked_at_ != seconds || heard_ != heard) usable_.clear();
  heard_ = heard;
  look(looked_at_ != seconds);
  looked_at_ = seconds;
  turn_to(from.topic);
  if (!structure_of(from.payload)) return refused(Cause::policy, "not protected by this scheme");
  const auto decoded = decode_message(from.payload);
  if (!decoded) return as(Cause::malformed, decoded.error());
  const Message& message = *decoded;
  if (message.header.has_type) return refused(Cause::policy, "not protected by this scheme");
  TRY(check_header(message));
  switch (message.structure) {
    case Structure::encrypt0: {
      const TopicKey* key = TRY(symmetric_key(message.header, from.topic));
      if (key->form != TopicKey::Form::inside && key->form != TopicKey::Form::bare)
        return refused(Cause::policy, "this topic takes messages of another form");
      return open_encrypt0(from, message, *key, now);
    }
    case Structure::mac0: {
      const TopicKey* key = TRY(symmetric_key(message.header, from.topic));
      if (key->form != TopicKey::Form::mac) return refused(Cause::policy, "this topic takes messages of another form");
      return open_mac0(from, message, *key, now);
    }
    case Structure::sign1:
      return open_outside(from, message, now);
    case Structure::encrypt:
      break;
  }
  const TopicKey* pair = nullptr;
  const std::string_view filter = topic_.filter;
  for (const TopicKey& key : *among_) {
    if (filter.empty() || key.filter != filter) continue;
    const auto id = reader_id(key.public_half);
    const auto is_for = [&](const Recipient& recipient) { return std::ranges::equal(recipient.header.key_id, id); };
    if (key.kind == TopicKey::Kind::pair && std::ranges::any_of(message.recipients, is_for)) pair = &key;
  }
  if (!filter.empty() && (pair == nullptr || pair->form != TopicKey::Form::inside))
    return refused(Cause::policy, "this topic takes messages of another form, or under another key");
  return open_encrypt(from, message, pair, now);
}

void Receiving::look(bool again) {
  auto present = keys_.all(again);
  if (present == among_) return;
  among_ = std::move(present);
  members_.clear();
  usable_.clear();
  topic_.external.clear();
}

void Receiving::turn_to(std::string_view topic) {
  if (!topic_.external.empty() && topic_.name == topic) return;
  topic_.name = topic;
  topic_.external = external_aad(topic);
  topic_.filter = filter_for(*among_, topic);
  topic_.named = nullptr;
}

void Receiving::count(Opened& opened, std::string_view kind, const Author* author, Bytes sender, const TopicKey* key,
                      const Header& times, std::uint64_t number) {
  const Bytes key_id = key == nullptr ? Bytes() : Bytes(key->id);
  const crypto::Digest digest = author == nullptr ? crypto::Digest{} : author->digest;
  if (topic_.named == nullptr || topic_.kind != kind || topic_.author != digest || !std::ranges::equal(topic_.sender, sender) ||
      !std::ranges::equal(topic_.key, key_id)) {
    const auto name = [&](Bytes its_sender) {
      window_name_.clear();
      cbor::Writer out(window_name_);
      out.array(5).bytes(as_bytes(kind)).bytes(author == nullptr ? Bytes() : Bytes(digest)).bytes(its_sender);
      out.bytes(key_id).text(topic_.name);
    };
    name(sender);
    auto known = windows_.find(as_text(window_name_));
    if (known == windows_.end()) {
      if (windows_.size() >= most_windows) windows_.clear();
      known = windows_.try_emplace(std::string(as_text(window_name_))).first;
      TopicKeys::Seen& seen = known->second.seen;
      seen.window = crypto::sha256(window_name_);
      seen.author = digest;
      if (key != nullptr) seen.key = key->id;
      name({});
      seen.topic = crypto::sha256(window_name_);
    }
    topic_.named = &known->second;
    topic_.kind = kind;
    topic_.author = digest;
    topic_.sender = to_buffer(sender);
    topic_.key = to_buffer(key_id);
  }
  opened.seen = topic_.named->seen;
  opened.seen.number = number;
  opened.seen.time = *times.issued;
  const Window& window = wanted_.window;
  const bool counts_end = times.expires && window.heeds_end;
  opened.fresh_until = 1000 * (counts_end ? *times.expires + 1 : *times.issued + window.behind + window.ahead);
}

Result<const TopicKey*> Receiving::symmetric_key(const Header& header, std::string_view topic) {
  TopicKeyId id{};
  const bool has_earlier_name = header.key_id.size() == earlier_name_size;
  const bool has_name = header.key_id.size() == std::tuple_size_v<SenderName> || has_earlier_name;
  if (header.context.size() != id.size() || !has_name || !header.number)
    return refused(Cause::malformed, "a sender, a topic key or a number is missing");
  std::ranges::copy(header.context, id.begin());
  const auto find = [&]() -> const TopicKey* {
    const auto place = std::ranges::find(*among_, id, &TopicKey::id);
    return place == among_->end() ? nullptr : &*place;
  };
  const TopicKey* key = find();
  if (key == nullptr) {
    look(true);  // it may have been made since
    turn_to(topic);
    key = find();
  }
  if (key == nullptr || key->kind != TopicKey::Kind::symmetric)
    return refused(Cause::policy, "under a key that is not known here");
  if (has_earlier_name && !key->is_earlier) return refused(Cause::policy, "in the earlier form, under a key that is newer");
  if (key->filter != topic_.filter) return refused(Cause::policy, "under a key that is for other topics");
  return key;
}

/// Not revoked, of somebody who may deal it, and not replaced by a deal that the authority's log has and this reader has not:
/// then what was said since is of nobody who was given the new key.
Result<> Receiving::check_usable(const TopicKey& key, const Header& header, Now now) {
  if (key.state == TopicKey::State::revoked) return refused(Cause::policy, "under a key that is revoked");
  auto known = usable_.find(key.id);
  if (known == usable_.end()) {
    Usable usable{may_be_used(keys_, key, now.wall / 1000), {}};
    if (wanted_.authority != nullptr && usable.may) usable.may = may_have_dealt(*wanted_.authority, key.administrator);
    if (wanted_.authority != nullptr) usable.until = end_of_deal(*wanted_.authority, key);
    known = usable_.emplace(key.id, std::move(usable)).first;
  }
  TRY(known->second.may);
  if (known->second.until && *header.issued > *known->second.until)
    return refused(Cause::policy, "under a key that its administrator has replaced, with one that has not come here");
  return {};
}

Result<> Receiving::check_standing(const Author& author) const {
  if (wanted_.authority == nullptr) return {};
  if (const auto serial = wanted_.authority->revoked(author.key))
    return refused(Cause::policy, author.name + " is revoked by order " + std::to_string(*serial) + " of the authority");
  return {};
}

Result<> Receiving::check_time(const Header& header, const From& from, const TopicKey* key, Now now) const {
  const std::uint64_t seconds = now.wall / 1000;
  const std::uint64_t issued = *header.issued;
  if (key != nullptr && (issued + wanted_.window.ahead < key->not_before || issued > key->not_after + wanted_.window.ahead))
    return refused(Cause::stale, "its key was not in use at its time");
  if (issued > seconds + wanted_.window.ahead) return refused(Cause::stale, "its time is in the future");
  if (header.expires && *header.expires < seconds) return refused(Cause::stale, "it has expired");
  if (header.expires && wanted_.window.heeds_end) return {};
  if (!from.may_be_old && issued + wanted_.window.behind < seconds) return refused(Cause::stale, "it is too old");
  return {};
}

Result<> Receiving::check_not_own(const Header& header) {
  SenderName sender{};
  if (header.key_id.size() != sender.size()) return {};  // nothing is sent in the earlier form
  std::ranges::copy(header.key_id, sender.begin());
  if (wanted_.refuses_own && keys_.sends_as(sender)) return refused(Cause::replay, "it was sealed here, and comes back");
  return {};
}

Result<> Receiving::check_new(const Opened& opened, const From& from) {
  bool is_newest = false;
  const Replay replay = TRY(keys_.judge(opened.seen, is_newest));
  if (shown_.size() >= most_shown) shown_.clear();
  const bool is_first_here = !topic_.named->is_shown && shown_.insert(opened.seen.topic).second;
  topic_.named->is_shown = true;
  if (replay == Replay::fresh) return {};
  // A broker keeps the last message of a topic, and a reader that starts anew is shown it again; never anything older.
  if (replay == Replay::repeat && from.is_retained && is_newest && is_first_here) return {};
  return refused(Cause::replay, replay == Replay::repeat ? "a copy of one that came before" : "older than what came before");
}

Result<KnownAuthors*> Receiving::authors_of(const TopicKey* key) {
  if (wanted_.listed != nullptr) return wanted_.listed;
  if (!wanted_.pinned.empty()) return &wanted_.pinned;
  if (key == nullptr) return refused(Cause::policy, "nobody is known here who may write to this topic");
  const auto [place, is_new] = members_.try_emplace(key->id);
  if (is_new) {
    auto added = place->second.add(key->administrator);
    for (const auto& member : key->members)
      if (added) added = place->second.add(member.identity);
    if (added && wanted_.broker) added = place->second.add(*wanted_.broker);
    if (!added) return as(Cause::policy, added.error());
  }
  return &place->second;
}

Result<Receiving::Opened> Receiving::open_encrypt0(const From& from, const Message& message, const TopicKey& key, Now now) {
  const Header& header = message.header;
  TRY(check_usable(key, header, now));
  SenderKeys& sender = senders_.find(key, header.key_id);
  if (header.algorithm != sender.algorithm()) return refused(Cause::policy, "encrypted by another algorithm");
  TRY(check_time(header, from, &key, now));
  const Bytes authenticated = enc_structure(Structure::encrypt0, message.header_bytes, topic_.external, authenticated_);
  auto plaintext = sender.open(*header.number, authenticated, message.body);
  if (!plaintext) return as(Cause::decrypt, plaintext.error());

  Opened opened;
  const Author* author = nullptr;
  if (key.form == TopicKey::Form::bare) {
    TRY(check_not_own(header));
    opened.payload = *std::move(plaintext);
    opened.checked = "encrypted by somebody who has the topic's key; topic, time, not seen before";
  } else {
    KnownAuthors* authors = TRY(authors_of(&key));
    const auto stamped = TRY(open_stamp_inside(*plaintext, from.topic, outer_of(message.header_bytes), *authors, key.is_earlier));
    author = stamped.author;
    TRY(check_standing(*author));
    opened = said_by(*author, to_buffer(stamped.message.body));
    opened.checked = "encrypted under the topic's key, signed by its author; topic, time, not seen before";
  }
  count(opened, "key", author, header.key_id, &key, header, *header.number);
  return opened;
}

Result<Receiving::Opened> Receiving::open_mac0(const From& from, const Message& message, const TopicKey& key, Now now) {
  const Header& header = message.header;
  TRY(check_usable(key, header, now));
  if (header.algorithm != algorithm::hmac256) return refused(Cause::policy, "sealed by another algorithm");
  TRY(check_time(header, from, &key, now));
  const auto checksum = senders_.find(key, header.key_id)
                            .checksum(to_be_sealed(Structure::mac0, message.header_bytes, topic_.external, message.body));
  if (!same(checksum, message.seal)) return refused(Cause::stamp, "the checksum does not match");
  TRY(check_not_own(header));
  Opened opened;
  opened.payload = to_buffer(message.body);
  opened.checked = "sealed by somebody who has the topic's key; topic, time, not seen before";
  count(opened, "mac", nullptr, header.key_id, &key, header, *header.number);
  return opened;
}

Result<Secret> Receiving::content_key(const Message& message, const TopicKey* key) {
  for (const Recipient& recipient : message.recipients) {
    const Bytes id = recipient.header.key_id;
    if (key != nullptr && !key->secret.empty() && std::ranges::equal(id, reader_id(key->public_half))) {
      const auto own = crypto::AgreementKey::from_secret(key->secret);
      if (!own) return as(Cause::decrypt, own.error());
      const ReaderSecret reader{reader_id(key->public_half), [&](const auto& peer) { return crypto::agree(*own, peer); }};
      return unwrap(recipient, reader);
    }
    if (key != nullptr) continue;
    for (const ReaderSecret& reader : wanted_.readers)
      if (std::ranges::equal(id, reader.id)) return unwrap(recipient, reader);
  }
  return fail(Blame::peer_misbehaved, "not encrypted for this reader");
}

Result<Receiving::Opened> Receiving::open_encrypt(const From& from, const Message& message, const TopicKey* key, Now now) {
  const Header& header = message.header;
  if (key != nullptr) TRY(check_usable(*key, header, now));
  const auto cipher = cipher_of(header.algorithm);
  if (!cipher || (key != nullptr && header.algorithm != algorithm_of(key->cipher)))
    return refused(Cause::policy, "encrypted by another algorithm");
  crypto::Iv iv{};
  if (header.iv.size() != iv.size()) return refused(Cause::malformed, "there is no nonce");
  std::ranges::copy(header.iv, iv.begin());
  KnownAuthors* authors = TRY(authors_of(key));
  if (authors->find(header.key_id, is_earlier(key)) == nullptr)
    return refused(Cause::stamp, "from somebody who is not known here");
  TRY(check_time(header, from, key, now));

  const auto unwrapped = content_key(message, key);
  if (!unwrapped) return as(Cause::decrypt, unwrapped.error());
  if (unwrapped->size() != crypto::key_size(*cipher)) return refused(Cause::decrypt, "a content key of another length");
  const auto plaintext = crypto::Aead(*cipher, unwrapped->reveal())
                             .open(iv, enc_structure(Structure::encrypt, message.header_bytes, topic_.external), message.body);
  if (!plaintext) return as(Cause::decrypt, plaintext.error());

  std::vector<Bytes> ids;
  for (const Recipient& recipient : message.recipients) ids.push_back(recipient.header.key_id);
  const auto stamped =
      TRY(open_stamp_inside(*plaintext, from.topic, outer_of(message.header_bytes, ids), *authors, is_earlier(key)));
  const Header& inner = stamped.message.header;
  if (!std::ranges::equal(inner.key_id, header.key_id)) return refused(Cause::stamp, "signed by another than its sender");
  if (!inner.number) return refused(Cause::malformed, "the stamp has no number");
  TRY(check_name_in_stamp(inner, key));
  TRY(check_standing(*stamped.author));
  Opened opened = said_by(*stamped.author, to_buffer(stamped.message.body));
  opened.checked = "encrypted for this reader, signed by its author; topic, time, not seen before";
  count(opened, "sign", stamped.author, inner.context, nullptr, header, *inner.number);
  return opened;
}

Result<Receiving::Opened> Receiving::open_outside(const From& from, const Message& message, Now now) {
  const Header& header = message.header;
  if (!header.number) return refused(Cause::malformed, "the stamp has no number");
  if (!header.content) return open_stamped(from, message, now);
  const auto content = structure_of(message.body);
  if (!content || header.content != static_cast<std::uint64_t>(*content))
    return refused(Cause::policy, "signed, and not encrypted as it should be");
  const Message inner = TRY(decode(message.body));
  const Buffer place = external_aad(from.topic, Place::inside, outer_of(message.header_bytes));

  const TopicKey* key = nullptr;
  if (inner.structure == Structure::encrypt0) {
    key = TRY(symmetric_key(inner.header, from.topic));
  } else if (inner.structure == Structure::encrypt) {
    const std::string_view filter = topic_.filter;
    for (const TopicKey& its : *among_)
      if (!filter.empty() && its.filter == filter && its.kind == TopicKey::Kind::pair && inner.recipients.size() == 1 &&
          std::ranges::equal(inner.recipients[0].header.key_id, reader_id(its.public_half)))
        key = &its;
  }
  if (inner.structure == Structure::encrypt0 && key != nullptr && !(header.context.empty() && key->is_earlier) &&
      (header.number != inner.header.number || !std::ranges::equal(header.context, inner.header.key_id)))
    return refused(Cause::malformed, "the stamp and what is in it have other names or numbers");
  if (key == nullptr || key->form != TopicKey::Form::outside)
    return refused(Cause::policy, "this topic takes messages of another form, or under another key");
  TRY(check_usable(*key, header, now));
  KnownAuthors* authors = TRY(authors_of(key));
  if (authors->find(header.key_id, key->is_earlier) == nullptr)
    return refused(Cause::stamp, "signed by somebody who is not known here");
  TRY(check_name_in_stamp(header, key));
  TRY(check_time(header, from, key, now));
  const auto stamped = TRY(verify_stamp(message, topic_.external, *authors, key->is_earlier));
  TRY(check_standing(*stamped.author));

  if (inner.header.algorithm != algorithm_of(key->cipher)) return refused(Cause::policy, "encrypted by another algorithm");
  Result<Buffer> plaintext = Buffer();
  const Buffer authenticated = enc_structure(inner.structure, inner.header_bytes, place);
  if (inner.structure == Structure::encrypt0) {
    plaintext = senders_.find(*key, inner.header.key_id).open(*inner.header.number, authenticated, inner.body);
  } else {
    crypto::Iv iv{};
    if (inner.header.iv.size() != iv.size()) return refused(Cause::malformed, "there is no nonce");
    std::ranges::copy(inner.header.iv, iv.begin());
    const auto unwrapped = content_key(inner, key);
    if (!unwrapped) return as(Cause::decrypt, unwrapped.error());
    const auto cipher = *cipher_of(inner.header.algorithm);
    if (unwrapped->size() != crypto::key_size(cipher)) return refused(Cause::decrypt, "a content key of another length");
    plaintext = crypto::Aead(cipher, unwrapped->reveal()).open(iv, authenticated, inner.body);
  }
  if (!plaintext) return as(Cause::decrypt, plaintext.error());
  Opened opened = said_by(*stamped.author, *std::move(plaintext));
  opened.checked = "signed by its author, encrypted under the topic's key; topic, time, not seen before";
  if (inner.structure == Structure::encrypt0 && !header.context.empty())
    count(opened, "key", stamped.author, header.context, key, header, *header.number);
  else
    count(opened, "sign", stamped.author, header.context, nullptr, header, *header.number);
  return opened;
}

Result<Receiving::Opened> Receiving::open_stamped(const From& from, const Message& message, Now now) {
  const std::string_view filter = topic_.filter;
  const TopicKey* key = nullptr;
  for (const TopicKey& its : *among_)
    if (!filter.empty() && its.filter == filter && its.form == TopicKey::Form::stamp && its.state != TopicKey::State::revoked &&
        (key == nullptr || its.not_before > key->not_before))
      key = &its;
  if (key == nullptr) return refused(Cause::policy, "this topic takes messages of another form");
  TRY(check_usable(*key, message.header, now));
  KnownAuthors* authors = TRY(authors_of(key));
  if (authors->find(message.header.key_id, key->is_earlier) == nullptr)
    return refused(Cause::stamp, "signed by somebody who is not known here");
  TRY(check_name_in_stamp(message.header, key));
  TRY(check_time(message.header, from, nullptr, now));
  const auto stamped = TRY(verify_stamp(message, topic_.external, *authors, key->is_earlier));
  TRY(check_standing(*stamped.author));
  Opened opened = said_by(*stamped.author, to_buffer(message.body));
  opened.checked = "signed by its author; topic, time, not seen before";
  count(opened, "sign", stamped.author, message.header.context, nullptr, message.header, *message.header.number);
  return opened;
}

}  // namespace sealmq::payload
