#include "schemes/pmqtt/partner.h"

#include <algorithm>

#include "base/text.h"
#include "base/try.h"

namespace sealmq::pmqtt {
namespace {

constexpr std::uint64_t between_offers = 10'000;    // milliseconds, while nobody answers
constexpr std::uint64_t between_requests = 10'000;  // at most one request in so long a time
constexpr std::size_t former_offers_kept = 3;       // an answer may take as long as three of them
constexpr std::size_t offered_kept = 3;             // the newest and what may still be on its way in older ones
constexpr std::size_t confirmed_kept = 8;           // a partner may have so many programs running
constexpr std::size_t unconfirmed_kept = 4;         // offers of which nothing more was heard
constexpr std::size_t marks_kept = 10'000;          // of a partner that has gone mad; they are signed
constexpr std::size_t answers_kept = 16;
constexpr std::uint64_t safely_within_window = crypto::ReplayWindow::size - 4;

Failure refused(std::string why) {
  return fail(Blame::peer_misbehaved, std::move(why));
}

constexpr std::uint64_t delivery_of(std::uint32_t session, std::uint64_t number) {
  return std::uint64_t{session} << 32 | number;
}
constexpr std::uint32_t session_of(std::uint64_t delivery) {
  return static_cast<std::uint32_t>(delivery >> 32);
}
constexpr std::uint64_t number_of(std::uint64_t delivery) {
  return delivery & 0xFFFFFFFF;
}

}  // namespace

Partner::Partner(std::uint32_t place, Pinned pinned, const Topics& topics, KeyStore& key, Random& random, SessionLimits limits)
    : pinned_(std::move(pinned)),
      own_name_(key.identity().name),
      exchange_topic_(topics.exchange(own_name_, pinned_.name)),
      message_topic_(topics.messages(own_name_, pinned_.name)),
      topic_to_us_(topics.messages(pinned_.name, own_name_)),
      key_(key),
      random_(random),
      limits_(limits),
      first_number_(place << 20),
      last_number_(first_number_) {}

void Partner::connected() {
  // What was under way may be lost. Messages are not: their authors send them again.
  next_offer_ = 0;
  if (!offered_.empty()) greets_ = true;
  if (!listens_ || is_written_to()) return;
  has_to_request_ = true;
  unknown_ = {};
}

bool Partner::is_written_to() const {
  return std::ranges::any_of(answered_, [](const Kept& kept) { return kept.session.is_confirmed(); });
}

void Partner::listen() {
  if (std::exchange(listens_, true)) return;
  has_to_request_ = true;
  unknown_ = {};
}

// -- publishing

bool Partner::may_publish(Now now) {
  if (!offered_.empty() && !was_lost_ && !offered_.back().session.is_over(now)) return true;
  wants_session_ = true;
  return false;
}

Result<Buffer> Partner::protect(std::string_view address, Bytes payload, Now now) {
  if (!may_publish(now)) return fail(Blame::caller_misused, "there is no session with " + pinned_.name);
  Kept& kept = offered_.back();
  Buffer frame;
  delivery_ = delivery_of(kept.number, TRY(kept.session.seal(type_message, address, payload, now, frame)));
  return frame;
}

bool Partner::is_current(std::uint64_t delivery, Now now) const {
  return !offered_.empty() && !was_lost_ && offered_.back().number == session_of(delivery) &&
         !offered_.back().session.is_over(now) && number_of(delivery) + safely_within_window >= offered_.back().session.sealed();
}

// -- what is to be sent next

Result<std::optional<Request>> Partner::next_request(Now now) {
  if (!answers_.empty()) {
    Request request{exchange_topic_, std::move(answers_.front())};
    answers_.pop_front();
    return request;
  }
  if (greets_ && !offered_.empty() && !offered_.back().session.is_over(now)) {
    greets_ = false;
    Request request{message_topic_, {}};
    TRY(offered_.back().session.seal(type_message, message_topic_, {}, now, request.payload));
    return request;
  }
  for (auto* list : {&answered_, &offered_})
    for (Kept& kept : *list) {
      if (kept.receipts.empty() || kept.session.is_over(now)) continue;
      const auto count = std::min(kept.receipts.size(), most_receipts);
      const auto end = kept.receipts.begin() + static_cast<std::ptrdiff_t>(count);
      const Buffer body = encode(std::vector<Receipt>(kept.receipts.begin(), end));
      kept.receipts.erase(kept.receipts.begin(), end);
      Request request{message_topic_, {}};
      TRY(kept.session.seal(type_receipt, message_topic_, body, now, request.payload));
      return request;
    }
  if (has_to_request_ && now.steady >= next_request_) {
    has_to_request_ = false;
    next_request_ = now.steady + between_requests;
    auto request = TRY(make_request(key_, pinned_.name, unknown_, now));
    return Request{exchange_topic_, std::move(request)};
  }
  if (!offered_.empty() && offered_.back().session.must_be_renewed(now)) wants_session_ = true;
  if (wants_session_ && now.steady >= next_offer_) {
    next_offer_ = now.steady + between_offers;
    replace_offer(TRY(Offer::make(key_, pinned_.name, random_, now)));
    return Request{exchange_topic_, offer_->frame()};
  }
  return std::nullopt;
}

void Partner::request_refused() {
  wants_session_ = false;
}

// -- agreeing on a session

bool Partner::is_new(const Mark& mark, Now now) {
  std::erase_if(seen_, [&](const auto& entry) { return entry.second < now.wall; });
  if (seen_.contains(mark)) return false;
  if (seen_.size() >= marks_kept) return false;
  seen_.emplace(mark, now.wall + accepted_behind + accepted_ahead + 5'000);
  return true;
}

Result<> Partner::take_exchange(Bytes frame, Now now) {
  if (begins(frame, type_offer)) return take_offer(frame, now);
  if (begins(frame, type_answer)) return take_answer(frame, now);
  if (begins(frame, type_request)) return take_request(frame, now);
  return refused("not a frame of this scheme");
}

Result<> Partner::take_offer(Bytes frame, Now now) {
  const auto invitation = TRY(Invitation::read(frame, pinned_, own_name_, now));
  if (!listens_) return {};  // for another program of the same identity
  if (!is_new(invitation.mark(), now)) return refused("a copy of an offer that came before");
  if (answers_.size() >= answers_kept) return refused("more offers than can be answered");
  auto accepted = TRY(invitation.accept(key_, random_, now, limits_));
  answers_.push_back(std::move(accepted.frame));
  answered_.push_back(Kept{++last_number_, std::move(accepted.session)});
  drop_surplus();
  return {};
}

/// Old sessions give way, those that nobody ever wrote in first.
void Partner::drop_surplus() {
  for (const bool confirmed : {false, true}) {
    const auto counts = [&](const Kept& kept) { return kept.session.is_confirmed() == confirmed; };
    const std::size_t most = confirmed ? confirmed_kept : unconfirmed_kept;
    while (static_cast<std::size_t>(std::ranges::count_if(answered_, counts)) > most)
      answered_.erase(std::ranges::find_if(answered_, counts));
  }
}

Result<> Partner::take_answer(Bytes frame, Now now) {
  if (!taken_answer_.empty() && std::ranges::equal(frame, taken_answer_)) return {};  // a broker may bring it twice
  if (answers_former_offer(frame, now)) return {};
  if (!offer_) {
    // Another program of the same identity may have asked.
    return offered_.empty() ? Result<>() : refused("an answer to nothing that was asked here");
  }
  auto session = TRY(offer_->take(frame, pinned_, now, limits_));
  replace_offer(std::nullopt);
  taken_answer_ = to_buffer(frame);
  wants_session_ = false;
  offered_.push_back(Kept{++last_number_, std::move(session)});
  if (std::exchange(was_lost_, false))
    delivered_.push_back({delivery_of(first_number_, 0), delivery_of(last_number_, 0) - 1, Delivered::Outcome::lost});
  if (offered_.size() > offered_kept) offered_.pop_front();
  greets_ = true;
  return {};
}

bool Partner::answers_former_offer(Bytes frame, Now now) const {
  return std::ranges::any_of(former_offers_, [&](const Offer& offer) { return offer.take(frame, pinned_, now).has_value(); });
}

void Partner::replace_offer(std::optional<Offer> next) {
  if (offer_) former_offers_.push_back(std::move(*offer_));
  if (former_offers_.size() > former_offers_kept) former_offers_.pop_front();
  offer_ = std::move(next);
}

Result<> Partner::take_request(Bytes frame, Now now) {
  const auto request = TRY(read_request(frame, pinned_, own_name_, now));
  if (!is_new(request.mark, now)) return refused("a copy of a request that came before");
  const bool is_about_all = request.unknown == SessionId{};
  const bool is_about_ours = !offered_.empty() && offered_.back().session.id() == request.unknown;
  if (!offered_.empty() && (is_about_all || is_about_ours)) {
    was_lost_ = true;
    wants_session_ = true;
  }
  if (is_about_all || is_about_ours) next_offer_ = 0;  // if one is wanted, now is the time
  return {};
}

// -- messages and receipts

Partner::Kept* Partner::find(const SessionId& id) {
  for (auto* list : {&answered_, &offered_})
    for (Kept& kept : *list)
      if (kept.session.id() == id) return &kept;
  return nullptr;
}

Partner::Kept* Partner::find_by(std::uint64_t delivery) {
  for (auto* list : {&answered_, &offered_})
    for (Kept& kept : *list)
      if (kept.number == session_of(delivery)) return &kept;
  return nullptr;
}

Result<FromPartner> Partner::take_frame(std::string_view topic, Bytes frame, bool at_least_once, Now now) {
  const std::uint8_t type = begins(frame, type_receipt) ? type_receipt : type_message;
  const auto sealed = TRY(decode_sealed(frame, type));
  Kept* kept = find(sealed.session);
  if (kept == nullptr) {
    if (!listens_ || type == type_receipt) return FromPartner{};  // for another program of the same identity
    has_to_request_ = true;
    unknown_ = is_written_to() ? sealed.session : SessionId{};
    return refused("sealed for a session that is not known here (any more); " + pinned_.name + " is asked for a new one");
  }
  const bool was_confirmed = kept->session.is_confirmed();
  auto taken = kept->session.open(type, topic, frame, now);
  if (!taken) {
    answered_.remove_if([](const Kept& its) { return its.session.has_too_many_forgeries(); });  // the next frame asks for another
    return Failure(std::move(taken).error());
  }
  auto& opened = *taken;
  if (!was_confirmed) {
    has_to_request_ = false;  // not before: an old offer, sent again, must not silence us
    const auto place = std::ranges::find_if(answered_, [&](const Kept& its) { return &its == kept; });
    if (place != answered_.end()) answered_.splice(answered_.end(), answered_, place);
    drop_surplus();  // never the last one
  }
  if (type == type_receipt) {
    if (opened.repeat) return refused("a copy of a receipt that came before");
    TRY(take_receipts(opened.plaintext, *kept));
    return FromPartner{};
  }
  const std::uint64_t delivery = at_least_once ? delivery_of(kept->number, opened.number) : 0;
  if (opened.repeat) {
    if (kept->not_taken.contains(opened.number)) return FromPartner{};  // its author is impatient, and the application slow
    if (delivery != 0)
      kept->receipts.push_back({opened.number, kept->refused.contains(opened.number) ? Verdict::unwanted : Verdict::taken});
    return refused("a copy of a message that came before");
  }
  if (opened.plaintext.empty() && topic == topic_to_us_) return FromPartner{};  // a greeting
  if (delivery != 0) kept->not_taken.insert(opened.number);
  return FromPartner{std::move(opened), delivery};
}

void Partner::answer(std::uint64_t delivery, Verdict verdict) {
  Kept* kept = find_by(delivery);
  if (kept == nullptr || kept->not_taken.erase(number_of(delivery)) == 0) return;
  kept->receipts.push_back({number_of(delivery), verdict});
  if (verdict == Verdict::unwanted) {
    kept->refused.insert(number_of(delivery));
    if (kept->refused.size() > crypto::ReplayWindow::size) kept->refused.erase(kept->refused.begin());
  }
}

Result<> Partner::take_receipts(Bytes body, const Kept& kept) {
  for (const Receipt& receipt : TRY(decode_receipts(body))) {
    if (receipt.number > 0xFFFFFFFF) return refused("a receipt for a number that no session has");
    const std::uint64_t delivery = delivery_of(kept.number, receipt.number);
    delivered_.push_back(
        {delivery, delivery, receipt.verdict == Verdict::taken ? Delivered::Outcome::taken : Delivered::Outcome::unwanted});
  }
  return {};
}

}  // namespace sealmq::pmqtt
