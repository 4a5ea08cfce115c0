#include "server/message_record.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "sealmq/scheme.h"

namespace sealmq::server {
namespace {

constexpr std::uint8_t version = 2, without_login = 1;

/// Empty: none.
std::string_view name_of(broker::LoginMark mark) {
  const auto login = mark.login();
  if (!login) return {};
  if (*login == broker::login_by_password) return broker::password_login;
  return *login == broker::login_by_transport ? broker::transport_login : all_schemes()[*login].info->name;
}

/// Nothing: this build has no such login.
std::optional<broker::LoginMark> login_of(std::string_view name) {
  if (name.empty()) return broker::LoginMark();
  if (name == broker::password_login) return broker::LoginMark(broker::login_by_password);
  if (name == broker::transport_login) return broker::LoginMark(broker::login_by_transport);
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr) return std::nullopt;
  return broker::LoginMark(static_cast<std::size_t>(scheme - all_schemes().data()));
}

}  // namespace

std::uint64_t wall_of(std::uint64_t steady, Now now) {
  if (steady == UINT64_MAX) return 0;
  if (steady < now.steady) return now.wall - std::min(now.wall - 1, now.steady - steady);
  return now.wall + (steady - now.steady);
}

std::uint64_t steady_of(std::uint64_t wall, Now now) {
  if (wall == 0) return UINT64_MAX;
  return wall <= now.wall ? now.steady : now.steady + (wall - now.wall);
}

Buffer encode_record(const broker::Message& message, Now now) {
  const broker::MessageView& view = message.view();
  mqtt::Publish packet;
  packet.qos = view.qos;
  packet.packet_id = view.qos == mqtt::QoS::at_most_once ? 0 : 1;
  packet.retain = view.retain;
  packet.topic = view.topic;
  packet.payload = view.payload;
  if (view.properties != nullptr) packet.properties = *view.properties;
  Buffer encoded;
  mqtt::encode(packet, mqtt::Version::v5, encoded);

  Buffer record;
  Writer out(record);
  out.u8(version).lp8(as_bytes(all_schemes()[view.scheme].info->name)).lp8(as_bytes(name_of(view.login)));
  out.lp16(view.author).lp16(view.publisher);
  out.u64(wall_of(view.expires, now)).u64(view.stamp);
  const bool wrapped = view.wire.data() != view.payload.data() || view.wire.size() != view.payload.size();
  out.u8(wrapped ? 1 : 0);
  if (wrapped) out.lp32(view.wire);
  out.lp32(encoded);
  return record;
}

Result<std::shared_ptr<const broker::Message>> decode_record(Bytes record, std::uint64_t number, Now now) {
  Reader in(record);
  broker::MessageView view;
  const std::uint8_t its_version = in.u8();
  if (its_version != version && its_version != without_login) in.fail("unknown version of a record");
  const Scheme* scheme = find_scheme(as_text(in.lp8()));
  if (scheme == nullptr) in.fail("a scheme that this build does not have");
  const auto login = login_of(its_version == version ? as_text(in.lp8()) : std::string_view());
  if (!login) in.fail("a login that this build does not have");
  view.login = login.value_or(broker::LoginMark());
  view.author = as_text(in.lp16());
  view.publisher = as_text(in.lp16());
  view.expires = steady_of(in.u64(), now);
  view.stamp = in.u64();
  const std::uint8_t wrapped = in.u8();
  if (wrapped > 1) in.fail("neither wrapped nor not");
  if (wrapped == 1) view.wire = in.lp32();
  const Bytes encoded = TRY(in.finish(in.lp32()));

  const auto header = TRY(mqtt::decode_header(encoded, mqtt::Version::v5));
  if (!header || header->type != mqtt::PacketType::publish || encoded.size() - header->size != header->remaining)
    return fail(Blame::peer_misbehaved, "not a PUBLISH");
  const mqtt::Publish packet = TRY(mqtt::decode_publish(header->flags, encoded.subspan(header->size), mqtt::Version::v5));
  if (packet.topic.empty()) return fail(Blame::peer_misbehaved, "a record without a topic");
  view.topic = packet.topic;
  view.payload = packet.payload;
  if (wrapped == 0) view.wire = packet.payload;
  view.qos = packet.qos;
  view.retain = packet.retain;
  view.scheme = static_cast<std::uint8_t>(scheme - all_schemes().data());
  view.properties = &packet.properties;
  return std::make_shared<const broker::Message>(view, number);
}

}  // namespace sealmq::server
