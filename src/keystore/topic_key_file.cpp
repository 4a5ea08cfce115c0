#include "keystore/topic_key_file.h"

#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/secret_text.h"

namespace sealmq {
namespace {

constexpr std::string_view mark = "SEALMQ-TOPIC-KEY-";
constexpr std::size_t secret_size = 32;
constexpr std::uint8_t flag_undealt = 1, flag_earlier = 2;

void write_identity(Writer& out, const PublicIdentity& identity) {
  out.lp8(as_bytes(identity.name)).u8(static_cast<std::uint8_t>(identity.kind));
  out.bytes(identity.keys.schnorr).bytes(identity.keys.ecdsa).bytes(identity.keys.agreement);
}

PublicIdentity read_identity(Reader& in) {
  PublicIdentity identity;
  identity.name = as_text(in.lp8());
  const auto kind = in.u8();
  if (kind > static_cast<std::uint8_t>(Kind::authority)) in.fail("unknown kind");
  identity.kind = static_cast<Kind>(kind);
  identity.keys.schnorr = in.array<32>();
  identity.keys.ecdsa = in.array<33>();
  identity.keys.agreement = in.array<33>();
  return identity;
}

template <class Enum>
Enum read_enum(Reader& in, Enum last) {
  const auto value = in.u8();
  if (value > static_cast<std::uint8_t>(last)) in.fail("an unknown value");
  return static_cast<Enum>(value);
}

}  // namespace

Secret encode_topic_key(const TopicKey& key) {
  Buffer body;
  body.reserve(512 + key.filter.size() + key.members.size() * 256);  // a Buffer that grows leaves copies
  Writer out(body);
  out.bytes(key.id).lp16(key.filter);
  out.u8(static_cast<std::uint8_t>(key.kind)).u8(static_cast<std::uint8_t>(key.form)).u8(static_cast<std::uint8_t>(key.cipher));
  out.u8(static_cast<std::uint8_t>(key.state)).u64(key.not_before).u64(key.not_after);
  out.lp8(key.secret.reveal()).bytes(key.public_half).u64(key.dealt);
  write_identity(out, key.administrator);
  out.u16(static_cast<std::uint16_t>(key.members.size()));
  for (const auto& member : key.members) {
    write_identity(out, member.identity);
    out.u8(member.reads ? 1 : 0);
  }
  out.u8(static_cast<std::uint8_t>((key.is_undealt ? flag_undealt : 0) | (key.is_earlier ? flag_earlier : 0)));
  std::string head = "# sealmq topic key of " + printable(key.filter, 1000) + "\n";
  head.append("# keep this file secret: whoever has it can read what is sent there\n");
  return encode_secret_text(head, mark, Secret(std::move(body)));
}

Result<TopicKey> parse_topic_key(std::string_view text) {
  const auto body = TRY(parse_secret_text(text, mark));
  Reader in(body.reveal());
  TopicKey key;
  key.id = in.array<8>();
  key.filter = as_text(in.lp16());
  key.kind = read_enum(in, TopicKey::Kind::pair);
  key.form = read_enum(in, TopicKey::Form::stamp);
  key.cipher = read_enum(in, TopicKey::Cipher::chacha20_poly1305);
  key.state = read_enum(in, TopicKey::State::revoked);
  key.not_before = in.u64();
  key.not_after = in.u64();
  key.secret = Secret(in.lp8());
  if (!key.secret.empty() && key.secret.size() != secret_size) in.fail("a key of another length");
  if (key.secret.empty() && key.kind == TopicKey::Kind::symmetric) in.fail("there is no key");
  key.public_half = in.array<33>();
  key.dealt = in.u64();
  key.administrator = read_identity(in);
  for (auto left = in.u16(); left > 0 && !in.failed(); --left) {
    TopicKey::Member member;
    member.identity = read_identity(in);
    member.reads = in.u8() != 0;
    key.members.push_back(std::move(member));
  }
  const auto flags = in.remaining() == 0 ? flag_earlier : in.u8();  // files of that time end here
  key.is_undealt = (flags & flag_undealt) != 0;
  key.is_earlier = (flags & flag_earlier) != 0;
  return in.finish(std::move(key)).map_error([](const Error& error) {
    return Error{Blame::caller_misused, "the topic key is malformed: " + error.what};
  });
}

}  // namespace sealmq
