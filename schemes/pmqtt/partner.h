// Everything one end keeps about one partner: the sessions that either has begun, what is being asked, and which messages the
// other end still has to be told about.
//
// Whoever publishes offers sessions; whoever has subscribed answers offers. An end that does both has sessions of both kinds at a
// time. A session that is replaced is kept for what is still on its way in it.
//
// One thread.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <set>

#include "schemes/pmqtt/exchange.h"
#include "schemes/pmqtt/topics.h"

namespace sealmq::pmqtt {

/// What a frame was good for.
struct FromPartner {
  std::optional<Session::Opened> message;  ///< for the application; nothing: a matter between the ends
  std::uint64_t delivery = 0;              ///< of a message whose author wants to know what becomes of it
};

class Partner {
 public:
  /// `place` tells the deliveries of several partners apart: below 4096, each its own.
  Partner(std::uint32_t place, Pinned pinned, const Topics& topics, KeyStore& key, Random& random, SessionLimits limits = {});

  const std::string& name() const { return pinned_.name; }
  /// Of the partner that a delivery belongs to.
  static constexpr std::size_t place_of(std::uint64_t delivery) { return delivery >> 52; }
  /// The other end may have lost what it knew, or never was told.
  void connected();
  /// From now on offers are answered, and the partner learns that somebody listens.
  void listen();

  // -- publishing

  /// False: a session is needed, and will be offered.
  bool may_publish(Now now);
  Result<Buffer> protect(std::string_view address, Bytes payload, Now now);
  /// Of the last protect(): the session's number here above the message's number in it.
  std::uint64_t delivery() const { return delivery_; }
  /// The other end could still tell it from a copy of itself.
  bool is_current(std::uint64_t delivery, Now now) const;

  // -- what is to be sent next

  Result<std::optional<Request>> next_request(Now now);
  void request_refused();

  // -- what arrives. Errors: malformed, peer_misbehaved; in words, for the user.

  Result<> take_exchange(Bytes frame, Now now);
  Result<FromPartner> take_frame(std::string_view topic, Bytes frame, bool at_least_once, Now now);
  /// A message that was received under this number has been taken, or nobody here wants it.
  void answer(std::uint64_t delivery, Verdict verdict);
  /// What receipts have told. Moves it out.
  std::vector<Delivered> deliveries() { return std::exchange(delivered_, {}); }

 private:
  struct Kept {
    std::uint32_t number;  ///< of this session, here
    Session session;
    std::set<std::uint64_t> not_taken{};  ///< messages that the application has not been given yet
    std::vector<Receipt> receipts{};      ///< to be sent
    std::set<std::uint64_t> refused{};    ///< numbers that nobody here wanted
  };

  Result<> take_offer(Bytes frame, Now now);
  Result<> take_answer(Bytes frame, Now now);
  bool answers_former_offer(Bytes frame, Now now) const;
  void replace_offer(std::optional<Offer> next);
  Result<> take_request(Bytes frame, Now now);
  Result<> take_receipts(Bytes body, const Kept& kept);
  bool is_written_to() const;  ///< in a session that the partner has offered
  Kept* find(const SessionId& id);
  Kept* find_by(std::uint64_t delivery);
  void drop_surplus();
  bool is_new(const Mark& mark, Now now);

  Pinned pinned_;
  std::string own_name_;
  std::string exchange_topic_;  ///< to the partner
  std::string message_topic_;   ///< to the partner, without the application's part
  std::string topic_to_us_;     ///< likewise, from it
  KeyStore& key_;
  Random& random_;
  SessionLimits limits_;

  std::list<Kept> offered_;   ///< sessions that we offered, the newest last: that one is published in
  std::list<Kept> answered_;  ///< sessions that the partner offered; the last confirmed stand last
  std::uint32_t first_number_;
  std::uint32_t last_number_;
  std::uint64_t delivery_ = 0;
  std::vector<Delivered> delivered_;

  std::optional<Offer> offer_;
  std::deque<Offer> former_offers_;  ///< answered or replaced, whose answers may still come
  Buffer taken_answer_;              ///< the answer that made the newest session, which may come twice
  bool wants_session_ = false;       ///< there is something to send, or the session is getting old
  bool was_lost_ = false;            ///< the other end could not read what was sent
  std::uint64_t next_offer_ = 0;     ///< steady
  bool greets_ = false;              ///< a first frame is due, by which the other end knows that the session is real

  bool listens_ = false;
  bool has_to_request_ = false;
  SessionId unknown_{};
  std::uint64_t next_request_ = 0;  ///< steady
  std::deque<Buffer> answers_;      ///< KX2 to be sent

  std::map<Mark, std::uint64_t> seen_;  ///< signed frames, until when they are remembered (wall)
};

}  // namespace sealmq::pmqtt
