#include "crypto/hop.h"

#include <limits>
#include <stdexcept>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/kdf.h"

namespace sealmq::crypto {
namespace {

constexpr std::size_t iv_size = 12, update_size = 32;
constexpr std::uint8_t payload_format_invalid = 0x99;

constexpr std::string_view to_broker = "c2b", to_client = "b2c";

std::string_view sent_by(HopEnd end) {
  return end == HopEnd::client ? to_broker : to_client;
}
HopEnd other(HopEnd end) {
  return end == HopEnd::client ? HopEnd::broker : HopEnd::client;
}

/// Of one direction. `suffix` ends all infos.
FirstEpoch first_epoch(std::string_view layer, const Secret& session_key, std::string_view direction, Bytes suffix,
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
  return {Secret(std::move(joined)), EpochKeys(std::string(layer), part(" update ", update_size), key_size)};
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

HopPayloads::HopPayloads(const Secret& session_key, std::string_view client_id, HopEnd own, std::size_t key_size,
                         const EpochLimits& limits, std::uint64_t most_forgeries)
    : own_direction_(sent_by(own)),
      peer_direction_(sent_by(other(own))),
      sealing_(first_epoch("HPP1", session_key, own_direction_, lp16(client_id), key_size), limits, OpeningEpochs::spread),
      opening_(first_epoch("HPP1", session_key, peer_direction_, lp16(client_id), key_size), most_forgeries) {}

Result<> HopPayloads::seal(std::string_view topic, Bytes plaintext, Now now, Buffer& out) {
  if (sealing_.is_due(now.steady)) TRY(sealing_.go_on());
  const std::uint64_t number = sealing_.counter();
  Writer(out).u8(container).u8(version).u64(number);
  return sealing_.seal(payload_aad(own_direction_, number, topic), plaintext, now.steady, out);
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

constexpr std::uint8_t packets_record = 0x17, update_record = 0x18;
constexpr std::uint8_t goes_on = 0x00, goes_on_mixed = 0x01;

Buffer record_header(std::uint8_t type, std::size_t plaintext) {
  Buffer header;
  Writer(header).u8(type).u24(static_cast<std::uint32_t>(plaintext + AesGcm::tag_size));
  return header;
}

std::string mixed_info(std::string_view direction) {
  return "HRL1 mixed " + std::string(direction);
}

FirstEpoch first_of_records(const Secret& session_key, HopEnd sender, std::size_t key_size) {
  return first_epoch("HRL1", session_key, sent_by(sender), {}, key_size);
}

}  // namespace

HopRecords::HopRecords(const Secret& session_key, HopEnd own, std::size_t key_size, const EpochLimits& limits)
    : own_direction_(sent_by(own)),
      peer_direction_(sent_by(other(own))),
      limits_(limits),
      sealing_(first_of_records(session_key, own, key_size), limits, 0),
      opening_keys_(first_of_records(session_key, other(own), key_size).others) {
  opening_.emplace(first_of_records(session_key, other(own), key_size).key_and_iv, limits_.most_received());
}

Result<> HopRecords::seal(Bytes packets, std::uint64_t steady, Buffer& out) {
  if (packets.empty() || packets.size() > most_plaintext) throw std::length_error("not what one record holds");
  if (sealing_.is_due(steady)) {
    TRY(end_epoch(goes_on, steady, out));
    TRY(sealing_.go_on());
  }
  const Buffer header = record_header(packets_record, packets.size());
  append(out, header);
  return sealing_.seal(header, packets, steady, out);
}

Result<> HopRecords::mix(const Secret& session_key, std::uint64_t steady, Buffer& out) {
  if (expected_) return fail(Blame::peer_misbehaved, "logs in again before its keys follow the last login");
  TRY(end_epoch(goes_on_mixed, steady, out));
  TRY(sealing_.mix(session_key, mixed_info(own_direction_)));
  expected_.emplace(session_key.reveal());
  return {};
}

Result<> HopRecords::end_epoch(std::uint8_t what, std::uint64_t steady, Buffer& out) {
  const Buffer header = record_header(update_record, sizeof what);
  append(out, header);
  return sealing_.seal(header, Bytes(&what, sizeof what), steady, out);
}

Result<std::optional<std::size_t>> HopRecords::size_of(Bytes from_peer) {
  const bool is_update = !from_peer.empty() && from_peer[0] == update_record;
  if (!from_peer.empty() && !is_update && from_peer[0] != packets_record) return fail(Blame::peer_misbehaved, "not a record");
  if (from_peer.size() < header_size) return std::nullopt;
  Reader in(from_peer.first(header_size));
  in.u8();
  const std::size_t length = in.u24();
  if (length <= AesGcm::tag_size || length > (is_update ? AesGcm::tag_size + 1 : longest))
    return fail(Blame::peer_misbehaved, "a record of this length");
  return header_size + length;
}

Result<Buffer> HopRecords::open(Bytes record) {
  const auto size = TRY(size_of(record));
  if (!size || *size != record.size()) return fail(Blame::peer_misbehaved, "not one whole record");
  if (opening_->is_retired()) return fail(Blame::peer_misbehaved, "its key has protected more than it may");
  auto opened = TRY(opening_->open(next_++, record.first(header_size), record.subspan(header_size)));
  if (record[0] == packets_record) return std::move(opened.plaintext);
  TRY(follow(opened.plaintext));
  return Buffer{};
}

Result<> HopRecords::follow(Bytes update) {
  if (update[0] == goes_on_mixed) {
    if (!expected_) return fail(Blame::peer_misbehaved, "its keys follow a login that has not been");
    opening_keys_.mix(*expected_, mixed_info(peer_direction_));
    expected_.reset();
  } else if (update[0] != goes_on) {
    return fail(Blame::peer_misbehaved, "an update of keys of an unknown kind");
  }
  opening_.emplace(opening_keys_.next(), limits_.most_received());
  next_ = 0;
  return {};
}

}  // namespace sealmq::crypto
