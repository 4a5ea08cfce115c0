#include "schemes/pmqtt/paper_connect.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "mqtt/packet.h"
#include "mqtt/wire.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::uint8_t user_name_flag = 0x80, password_flag = 0x40;
constexpr std::size_t longest_field = 65535;

/// A CONNECT taken apart as far as rewriting needs it.
struct Parts {
  mqtt::Connect packet;
  Bytes body;            ///< behind the fixed header
  std::size_t flags_at;  ///< within the body
  Bytes before_user;     ///< the body up to the user name
};

Result<Parts> take_apart(Bytes connect) {
  const auto header = TRY(mqtt::decode_header(connect, mqtt::Version::v5));  // refuses a length that is not in its shortest form
  if (!header || header->type != mqtt::PacketType::connect || connect.size() != header->size + header->remaining)
    return fail(Blame::peer_misbehaved, "not one whole CONNECT");
  Parts parts;
  parts.body = connect.subspan(header->size);
  parts.packet = TRY(mqtt::decode_connect(parts.body));
  if (!parts.packet.user_name) return fail(Blame::peer_misbehaved, "a CONNECT without a user name");
  // Protocol name, level, flags. User name and password come last.
  const std::size_t name_size = static_cast<std::size_t>(parts.body[0] << 8 | parts.body[1]);
  parts.flags_at = 2 + name_size + 1;
  std::size_t behind = 2 + parts.packet.user_name->size();
  if (parts.packet.password) behind += 2 + parts.packet.password->size();
  parts.before_user = parts.body.first(parts.body.size() - behind);
  return parts;
}

Buffer put_together(const Parts& parts, std::string_view user, std::optional<Bytes> password) {
  Buffer body = to_buffer(parts.before_user);
  std::uint8_t& flags = body[parts.flags_at];
  flags = static_cast<std::uint8_t>(flags | user_name_flag);
  flags = static_cast<std::uint8_t>(password ? flags | password_flag : flags & ~password_flag);
  Writer out(body);
  out.lp16(user);
  if (password) out.lp16(*password);
  Buffer packet{static_cast<std::uint8_t>(static_cast<unsigned>(mqtt::PacketType::connect) << 4)};
  mqtt::write_variable(body.size(), packet);
  append(packet, body);
  wipe(body.data(), body.size());
  return packet;
}

}  // namespace

Result<Buffer> with_signature(Bytes connect, const crypto::ecdsa::Signature& signature) {
  auto parts = take_apart(connect);
  if (!parts || !parts->packet.password) return fail(Blame::caller_misused, "this login signs a user name and a password");
  const std::string user = std::string(*parts->packet.user_name) + signature_mark + to_base64url(signature);
  if (user.size() > longest_field) return fail(Blame::caller_misused, "the user name is too long for this login");
  return put_together(*parts, user, std::nullopt);
}

bool is_paper_name(std::string_view user_name) {
  return user_name.find(signature_mark) != user_name.npos;
}

Result<PaperName> split_paper_name(std::string_view user_name) {
  const auto mark = user_name.rfind(signature_mark);
  if (mark == user_name.npos) return fail(Blame::peer_misbehaved, "a user name without a signature");
  const auto signature = from_base64url(user_name.substr(mark + 1));
  PaperName name;
  if (!signature || signature->size() != name.signature.size())
    return fail(Blame::peer_misbehaved, "the signature in the user name has not 64 bytes");
  name.user = user_name.substr(0, mark);
  std::ranges::copy(*signature, name.signature.begin());
  return name;
}

Result<Buffer> with_password(Bytes connect, std::string_view user, Bytes password) {
  auto parts = TRY(take_apart(connect));
  if (parts.packet.password) return fail(Blame::peer_misbehaved, "a password beside the signature");
  if (user.size() > longest_field || password.size() > longest_field)
    return fail(Blame::peer_misbehaved, "too long for a field of CONNECT");
  return put_together(parts, user, password);
}

}  // namespace sealmq::pmqtt
