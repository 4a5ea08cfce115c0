// Retained messages for a new subscription. They are not queued: the subscription walks through the table as fast as its client
// takes them, a slice at a time. What is stored meanwhile comes as an ordinary message. If that one is dropped, another walk
// follows, for what was stored since. A walk begins behind what waited in the queue then, which may hold older messages of the
// same topics, and goes on beside what comes later. If the broker ends meanwhile, the walk begins again.
#include <algorithm>

#include "broker/connections/link.h"
#include "broker/sessions/session_delivery.h"
#include "mqtt/topic.h"

namespace sealmq::broker {

using mqtt::QoS;

namespace {
constexpr std::size_t steps_of_a_slice = 1024;          // entries that are looked at
constexpr std::size_t steps_of_a_message = 16;          // what sending one costs
constexpr std::size_t retained_unwritten = 256 * 1024;  // bytes: live messages find room in the outbox
}  // namespace

void SessionDelivery::owe_retained(Subscription& subscription, Now now) {
  Session& session = *subscription.session;
  const bool was_owed = subscription.retained.has_value(), was_saved = was_owed && subscription.retained->is_saved;
  if (!was_owed) session.retained.push_back(&subscription);
  subscription.retained = RetainedOwed{
      .from = {}, .until = its_.retained.latest(), .behind = session.left_queue + session.queue.size(), .is_saved = was_saved};
  if (!session.is_in_line) send_retained(session, now);
  if (!subscription.retained || was_saved) return;
  subscription.retained->is_saved = true;
  its_.durability.save(subscription);
}

void SessionDelivery::forget_retained(Subscription& subscription) {
  if (!subscription.retained) return;
  std::erase(subscription.session->retained, &subscription);
  subscription.retained.reset();
}

void SessionDelivery::misses(Session& session, const MessageView& view) {
  if (!view.retain) return;
  for (Subscription* subscription : session.retained) {
    auto& missed = subscription->retained->missed;
    if (mqtt::matches(subscription->filter, view.topic))
      missed = std::min(missed.value_or(UINT64_MAX), its_.retained.latest() - 1);
  }
}

bool SessionDelivery::takes_retained(const Session& session, const Subscription& subscription) const {
  if (session.link == nullptr || session.link->ended || !sendable(session)) return false;
  if (!session.queue.empty() && session.left_queue < subscription.retained->behind) return false;
  if (session.link->connection.unwritten() >= retained_unwritten) return false;
  const bool needs_quota = session.exactly_once || subscription.options.qos != QoS::at_most_once;
  return !needs_quota || session.in_flight < quota(*session.link);
}

void SessionDelivery::send_retained(Session& session, Now now) {
  std::size_t left = steps_of_a_slice;
  walk_retained(session, left, now);
  its_.steps.add(steps_of_a_slice - left);
}

void SessionDelivery::walk_retained(Session& session, std::size_t& steps, Now now) {
  while (!session.retained.empty()) {
    Subscription& subscription = *session.retained.front();
    if (!takes_retained(session, subscription)) return;  // until it has taken some, or is back
    RetainedOwed& owed = *subscription.retained;
    const bool is_done =
        its_.retained.walk(subscription.filter, owed.from, now.steady, steps, [&](const auto& message, auto order) {
          if (order > owed.until || order <= owed.since) return true;
          steps -= std::min(steps, steps_of_a_message);
          send_retained(subscription, message, now);
          return takes_retained(session, subscription);
        });
    if (is_done && owed.missed) {
      owed = {.from = {},
              .since = *owed.missed,
              .until = its_.retained.latest(),
              .behind = session.left_queue + session.queue.size(),
              .is_saved = owed.is_saved};
    } else if (is_done) {
      const bool is_saved = owed.is_saved;
      forget_retained(subscription);
      if (is_saved) its_.durability.save(subscription);
    }
    if (steps == 0) return line_up(session);
  }
}

void SessionDelivery::send_retained(const Subscription& subscription, const std::shared_ptr<const Message>& message, Now now) {
  Session& session = *subscription.session;
  Delivery delivery{message,
                    0,
                    0,
                    Entitlement::qos_for(session, message->view().qos, subscription.options.qos),
                    true,
                    subscription.scheme,
                    subscription.subscriber,
                    {}};
  if (subscription.identifier != 0) delivery.identifiers.push_back(subscription.identifier);
  const auto most = its_.entitlement.still(session, delivery, now);
  if (!most || message->view().expires <= now.steady) return drop(Drop::not_entitled);
  lower(session, delivery, *most);
  its_.encoder.begin_message();
  start(session, std::move(delivery), now);
}

void SessionDelivery::line_up(Session& session) {
  if (!std::exchange(session.is_in_line, true)) in_line_.push_back(session.number);
}

Number SessionDelivery::take_from_line() {
  const Number first = in_line_.front();
  in_line_.pop_front();
  return first;
}

}  // namespace sealmq::broker
