#include "schemes/pmqtt/session.h"

#include <algorithm>

#include "base/try.h"
#include "base/writer.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::size_t key_and_iv_size = 44;  // AES-256-GCM

constexpr std::string_view from_offering = "pc>dr";
constexpr std::string_view from_answering = "dr>pc";

std::string_view outwards(Side side) {
  return side == Side::offering ? from_offering : from_answering;
}
std::string_view inwards(Side side) {
  return side == Side::offering ? from_answering : from_offering;
}

Secret direction_key(const crypto::KeyExchange& exchange, std::string_view direction, const Ends& ends) {
  Buffer label;
  Writer(label).text("PMQTT-2 e2e ").text(direction).lp16(ends.offering).lp16(ends.answering);
  return exchange.derive(as_text(label), key_and_iv_size);
}

SessionId id_of(const crypto::KeyExchange& exchange) {
  SessionId id;
  std::copy_n(exchange.hash().begin(), id.size(), id.begin());
  return id;
}

}  // namespace

Session::Session(Side side, const Ends& ends, const crypto::KeyExchange& exchange, Now now, SessionLimits limits)
    : side_(side),
      id_(id_of(exchange)),
      limits_(limits),
      started_(now.steady),
      outwards_(direction_key(exchange, outwards(side), ends), limits.channel()),
      inwards_(direction_key(exchange, inwards(side), ends), limits.channel()),
      is_confirmed_(side == Side::offering) {}

bool Session::must_be_renewed(Now now) const {
  return now.steady - started_ >= limits_.age - limits_.age / 16 || outwards_.use().is_nearly_over();
}

bool Session::is_over(Now now) const {
  return now.steady - started_ >= limits_.age || outwards_.is_retired() || has_too_many_forgeries();
}

void Session::begin_aad(std::uint8_t type, std::string_view direction, std::uint64_t number, std::string_view topic) {
  aad_.clear();
  Writer(aad_).text(type == type_message ? "PMQTT-2 E2E" : "PMQTT-2 receipt").text(direction).bytes(id_).u64(number).lp16(topic);
}

Result<std::uint64_t> Session::seal(std::uint8_t type, std::string_view topic, Bytes plaintext, Now now, Buffer& out) {
  if (!is_confirmed_) return fail(Blame::caller_misused, "the other end has not shown yet that it has the key");
  if (is_over(now)) return fail(Blame::caller_misused, "the session is over");
  const std::uint64_t number = outwards_.counter();
  begin_aad(type, outwards(side_), number, topic);
  out.reserve(out.size() + 18 + plaintext.size() + crypto::AesGcm::tag_size);
  begin_sealed(type, id_, number, out);
  TRY(outwards_.seal(aad_, plaintext, out));
  return number;
}

Result<Session::Opened> Session::open(std::uint8_t type, std::string_view topic, Bytes bytes, Now now) {
  const auto frame = TRY(decode_sealed(bytes, type));
  if (frame.session != id_) return fail(Blame::peer_misbehaved, "sealed for another session");
  if (now.steady - started_ >= limits_.age) return fail(Blame::peer_misbehaved, "its session is over");
  begin_aad(type, inwards(side_), frame.number, topic);
  auto opened = inwards_.open(frame.number, aad_, frame.sealed);
  if (!opened) return Failure(std::move(opened).error());
  is_confirmed_ = true;
  Opened result;
  result.plaintext = std::move(opened->plaintext);
  result.number = frame.number;
  result.repeat = opened->repeat;
  if (frame.number >= next_in_) {
    result.missing = frame.number - next_in_;
    next_in_ = frame.number + 1;
  } else {
    result.late = true;
  }
  return result;
}

}  // namespace sealmq::pmqtt
