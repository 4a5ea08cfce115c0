#include "schemes/pmqtt/exchange.h"

#include "base/try.h"
#include "base/writer.h"

namespace sealmq::pmqtt {
namespace {

Failure refused(std::string why) {
  return fail(Blame::peer_misbehaved, std::move(why));
}

/// What is signed: who speaks to whom as what, then `context`, then the frame up to its signature.
Buffer statement(std::string_view tag, std::string_view from, std::string_view to, Bytes context, Bytes signed_part) {
  Buffer text;
  Writer(text).text(tag).lp16(from).lp16(to).bytes(context).bytes(signed_part);
  return text;
}

constexpr std::string_view offer_tag = "PMQTT-2 KX1";
constexpr std::string_view answer_tag = "PMQTT-2 KX2";
constexpr std::string_view request_tag = "PMQTT-2 KXR";

Failure not_signed(const Pinned& partner) {
  return refused("not signed by " + partner.name + " for this: somebody on the way changed it or put in a key of their own, or " +
                 partner.name + ".pub is not the right one");
}

Result<> check_time(std::uint64_t time, const Pinned& partner, Now now) {
  if (is_fresh(time, now)) return {};
  if (time < now.wall)
    return refused("is " + std::to_string((now.wall - time) / 1000) + " s old: held back or sent again, or a clock is wrong");
  return refused("is " + std::to_string((time - now.wall) / 1000) + " s ahead of our clock: is that of " + partner.name +
                 " right?");
}

Result<Buffer> finish_signed(Buffer frame, Bytes to_sign, KeyStore& key) {
  const auto signature = TRY(key.sign_ecdsa(to_sign));
  append(frame, signature);
  return frame;
}

std::array<std::uint8_t, 32> fresh_nonce(Random& random) {
  std::array<std::uint8_t, 32> nonce;
  random.fill(nonce);
  return nonce;
}

/// Both frames, and what both points lead to.
Result<crypto::KeyExchange> exchange_of(Bytes offer, Bytes answer, const crypto::AgreementKey& own,
                                        const crypto::Sec1Compressed& other) {
  crypto::KeyExchange exchange;
  exchange.see(offer).see(answer).step();
  exchange.share(TRY(crypto::agree(own, other)));
  return exchange;
}

}  // namespace

// -- the side that begins

Result<Offer> Offer::make(KeyStore& key, std::string_view to, Random& random, Now now) {
  Offer offer(key.identity().name, crypto::AgreementKey::generate(random));
  Buffer frame = begin_exchange(type_offer, now.wall, fresh_nonce(random), offer.ephemeral_.public_key());
  const Buffer to_sign = statement(offer_tag, offer.from_, to, {}, frame);
  offer.frame_ = TRY(finish_signed(std::move(frame), to_sign, key));
  return offer;
}

Result<Session> Offer::take(Bytes bytes, const Pinned& partner, Now now, const SessionLimits& limits) const {
  const auto answer = TRY(decode_exchange(bytes, type_answer));
  const auto context = crypto::sha256(frame_);
  if (!crypto::ecdsa::verify(partner.key, statement(answer_tag, partner.name, from_, context, answer.signed_part),
                             answer.signature))
    return not_signed(partner);
  TRY(check_time(answer.time, partner, now));
  const auto exchange = TRY(exchange_of(frame_, bytes, ephemeral_, answer.point));
  return Session(Side::offering, {from_, partner.name}, exchange, now, limits);
}

// -- the side that answers

Result<Invitation> Invitation::read(Bytes bytes, const Pinned& partner, std::string_view to, Now now) {
  const auto offer = TRY(decode_exchange(bytes, type_offer));
  const Buffer signed_text = statement(offer_tag, partner.name, to, {}, offer.signed_part);
  if (!crypto::ecdsa::verify(partner.key, signed_text, offer.signature)) return not_signed(partner);
  TRY(check_time(offer.time, partner, now));
  Invitation invitation;
  invitation.from_ = partner.name;
  invitation.frame_ = to_buffer(bytes);
  invitation.point_ = offer.point;
  invitation.mark_ = crypto::sha256(signed_text);  // without the signature, which has a second form that verifies as well
  return invitation;
}

Result<Invitation::Accepted> Invitation::accept(KeyStore& key, Random& random, Now now, const SessionLimits& limits) const {
  const std::string& own = key.identity().name;
  const auto ephemeral = crypto::AgreementKey::generate(random);
  Buffer frame = begin_exchange(type_answer, now.wall, fresh_nonce(random), ephemeral.public_key());
  const Buffer to_sign = statement(answer_tag, own, from_, crypto::sha256(frame_), frame);
  frame = TRY(finish_signed(std::move(frame), to_sign, key));
  const auto exchange = TRY(exchange_of(frame_, frame, ephemeral, point_));
  return Accepted{Session(Side::answering, {from_, own}, exchange, now, limits), std::move(frame)};
}

// -- asking for a new beginning

Result<Buffer> make_request(KeyStore& key, std::string_view to, const SessionId& unknown, Now now) {
  Buffer frame = begin_request(now.wall, unknown);
  const Buffer to_sign = statement(request_tag, key.identity().name, to, {}, frame);
  return finish_signed(std::move(frame), to_sign, key);
}

Result<ReadRequest> read_request(Bytes bytes, const Pinned& partner, std::string_view to, Now now) {
  const auto request = TRY(decode_request(bytes));
  const Buffer signed_text = statement(request_tag, partner.name, to, {}, request.signed_part);
  if (!crypto::ecdsa::verify(partner.key, signed_text, request.signature)) return not_signed(partner);
  TRY(check_time(request.time, partner, now));
  return ReadRequest{request.session, crypto::sha256(signed_text)};
}

}  // namespace sealmq::pmqtt
