#include "crypto/hop.h"

#include <limits>
#include <stdexcept>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/kdf.h"

namespace sealmq::crypto {
namespace {

constexpr std::size_t iv_size = 12;
constexpr std::uint64_t limit = std::uint64_t{1} << 48;  // messages under one key; the nonce has room for more
constexpr std::uint8_t payload_format_invalid = 0x99;

constexpr std::string_view to_broker = "c2b", to_client = "b2c";

std::string_view sent_by(HopEnd end) {
  return end == HopEnd::client ? to_broker : to_client;
}
HopEnd other(HopEnd end) {
  return end == HopEnd::client ? HopEnd::broker : HopEnd::client;
}

/// key || iv of one direction. `suffix` ends both infos.
Secret channel_secret(std::string_view layer, const Secret& session_key, std::string_view direction, Bytes suffix,
                      std::size_t key_size) {
  const Secret root = hkdf_extract(as_bytes(layer), session_key.reveal());
  const auto part = [&](std::string_view what, std::size_t size) {
    Buffer info;
    Writer(info).text(layer).text(what).text(direction).bytes(suffix);
    return hkdf_expand(root.reveal(), info, size);
  };
  const Secret key = part(" key ", key_size), iv = part(" iv ", iv_size);
  Buffer joined;
  joined.reserve(key_size + iv_size);
  append(joined, key.reveal());
  append(joined, iv.reveal());
  return Secret(std::move(joined));
}

Buffer lp16(std::string_view text) {
  Buffer out;
  Writer(out).lp16(text);
  return out;
}

// -- HPP1

constexpr std::uint8_t container = 0x48, version = 0x01;

Buffer payload_aad(std::string_view direction, std::uint64_t number, std::string_view topic) {
  Buffer aad;
  Writer(aad).text("HPP1").text(direction).u64(number).lp16(topic);
  return aad;
}

}  // namespace

HopPayloads::HopPayloads(const Secret& session_key, std::string_view client_id, HopEnd own, std::size_t key_size)
    : own_direction_(sent_by(own)),
      peer_direction_(sent_by(other(own))),
      sealing_(channel_secret("HPP1", session_key, own_direction_, lp16(client_id), key_size), limit),
      opening_(channel_secret("HPP1", session_key, peer_direction_, lp16(client_id), key_size), limit) {}

Result<> HopPayloads::seal(std::string_view topic, Bytes plaintext, Buffer& out) {
  const std::uint64_t number = sealing_.counter();
  Writer(out).u8(container).u8(version).u64(number);
  return sealing_.seal(payload_aad(own_direction_, number, topic), plaintext, out);
}

Result<PayloadGuard::Opened> HopPayloads::open(std::string_view topic, Bytes payload) {
  Reader in(payload);
  const bool is_ours = in.u8() == container && in.u8() == version;
  const std::uint64_t number = in.u64();
  const Bytes sealed = in.rest();
  if (in.failed() || !is_ours || sealed.size() < AesGcm::tag_size)
    return fail(Blame::peer_misbehaved, "not an HPP1 payload", payload_format_invalid);
  auto opened = TRY(opening_.open(number, payload_aad(peer_direction_, number, topic), sealed));
  return Opened{std::move(opened.plaintext), opened.repeat};
}

// -- HRL1

namespace {
constexpr std::uint8_t record_type = 0x17;
}

HopRecords::HopRecords(const Secret& session_key, HopEnd own, std::size_t key_size)
    : sealing_(channel_secret("HRL1", session_key, sent_by(own), {}, key_size), limit),
      opening_(channel_secret("HRL1", session_key, sent_by(other(own)), {}, key_size), limit) {}

Result<> HopRecords::seal(Bytes packets, Buffer& out) {
  if (packets.empty() || packets.size() > most_plaintext) throw std::length_error("not what one record holds");
  Buffer header;
  Writer(header).u8(record_type).u24(static_cast<std::uint32_t>(packets.size() + AesGcm::tag_size));
  append(out, header);
  return sealing_.seal(header, packets, out);
}

Result<std::optional<std::size_t>> HopRecords::size_of(Bytes from_peer) {
  if (!from_peer.empty() && from_peer[0] != record_type) return fail(Blame::peer_misbehaved, "not a record");
  if (from_peer.size() < header_size) return std::nullopt;
  Reader in(from_peer.first(header_size));
  in.u8();
  const std::size_t length = in.u24();
  if (length <= AesGcm::tag_size || length > longest) return fail(Blame::peer_misbehaved, "a record of this length");
  return header_size + length;
}

Result<Buffer> HopRecords::open(Bytes record) {
  const auto size = TRY(size_of(record));
  if (!size || *size != record.size()) return fail(Blame::peer_misbehaved, "not one whole record");
  return opening_.unseal(next_++, record.first(header_size), record.subspan(header_size));
}

}  // namespace sealmq::crypto
