#include "broker/sessions/session_table.h"

#include <algorithm>

namespace sealmq::broker {
namespace {

constexpr std::uint32_t never = UINT32_MAX;
constexpr std::size_t steps_of_an_end = 5;  // of a subscription, or of a message that is owed

std::uint64_t seconds_from(Now now, std::uint32_t seconds) {
  return seconds == never ? UINT64_MAX : now.steady + std::uint64_t{1000} * seconds;
}

}  // namespace

Session* SessionTable::find(Number session) const {
  auto at = by_number_.find(session);
  return at == by_number_.end() ? nullptr : at->second;
}

std::string session_name(std::string_view owner, std::string_view client_id) {
  std::string name;
  name.reserve(owner.size() + 1 + client_id.size());
  return name.append(owner).append("/").append(client_id);
}

std::pair<Session*, bool> SessionTable::take(std::string_view client_id, std::string_view identity, bool clean_start,
                                             std::string_view party, Now now) {
  const std::string name = session_name(identity, client_id);
  auto at = by_name_.find(name);
  const bool had_one = at != by_name_.end();  // and has its place, whatever becomes of that one
  if (had_one && at->second->link != nullptr) {
    // [MQTT-3.1.4-3]
    its_.connections.end_connection(*at->second, mqtt::Reason::session_taken_over, Ending::taken_over, true, now);
    at = by_name_.find(name);
  }
  if (at != by_name_.end() && clean_start) {
    destroy(*at->second, now);  // [MQTT-3.1.2-4]
    at = by_name_.end();
  }
  if (at != by_name_.end()) {
    Session& session = *at->second;
    if (session.will && session.will_due <= now.steady)
      its_.deliveries.publish_will(std::exchange(session.will, std::nullopt)->message, now);
    session.expires = session.will_due = UINT64_MAX;
    session.will.reset();  // a Will that was not due yet is not published. [MQTT-3.1.3-9]
    its_.steps.add(its_.memory.account_to(session, party));
    forget_proofs_of_others(session, now);
    return {&session, true};
  }
  if (!had_one && !its_.memory.has_room_for_session(party, by_name_.size())) return {nullptr, false};
  Session& made = add(std::make_unique<Session>(identity, client_id, its_.durability.next_number()));
  its_.memory.account_first(made, party);
  return {&made, false};
}

Session& SessionTable::add(std::unique_ptr<Session> session) {
  Session& its = *session;
  by_number_.emplace(its.number, &its);
  by_name_.emplace(its.name, std::move(session));
  ++its_.counters.sessions;
  return its;
}

std::size_t SessionTable::end_deliveries(Session& session, const std::function<bool(const Delivery&)>& ends,
                                         std::vector<Delivery>& jobs) {
  const auto finish = [&](const Delivery& delivery, bool may_have_come) {
    if (delivery.share != nullptr && !may_have_come) jobs.push_back(delivery);
    its_.durability.finished(session, delivery);
  };
  std::size_t ended = std::erase_if(session.queue, [&](const Delivery& delivery) {
    if (!ends(delivery)) return false;
    finish(delivery, false);
    session.queued_bytes -= delivery.message->size();
    return true;
  });
  ended += session.outgoing.erase_if([&](const auto& entry) {
    if (entry.awaiting == mqtt::Awaiting::pubcomp || !ends(entry.message)) return false;
    if (entry.sent && session.link != nullptr) --session.in_flight;
    finish(entry.message, entry.awaiting != mqtt::Awaiting::puback);
    return true;
  });
  return ended;
}

void SessionTable::forget_proofs_of_others(Session& session, Now now) {
  const auto is_others = [&](const std::shared_ptr<const std::string>& who) { return who != nullptr && *who != session.owner; };
  std::vector<Delivery> jobs;
  // A client that may have one of QoS 2 still gets PUBREL for it, so that its identifier means nothing older when it comes again.
  for (auto& entry : session.outgoing) {
    if (entry.awaiting != mqtt::Awaiting::pubrec || !is_others(entry.message.subscriber)) continue;
    entry.awaiting = mqtt::Awaiting::pubcomp;
    its_.durability.received(session, entry.message);
    drop(1);
  }
  const auto ended = end_deliveries(
      session, [&](const Delivery& d) { return is_others(d.subscriber); }, jobs);
  drop(ended);
  std::erase_if(session.subscriptions, [&](const auto& entry) {
    if (!is_others(entry.second->subscriber)) return false;
    its_.deliveries.is_unsubscribed(session, *entry.second);
    return true;
  });
  its_.durability.recount(session);
  its_.memory.account(session);
  its_.deliveries.give_to_others(jobs, session.number, now);
}

void SessionTable::destroy(Session& session, Now now) {
  auto will = std::exchange(session.will, std::nullopt);
  const Number number = session.number;
  its_.steps.add(steps_of_an_end * (session.subscriptions.size() + session.queue.size() + session.outgoing.size()));
  const std::vector<Delivery> jobs = jobs_of(session);
  its_.deliveries.has_ended(session);
  --its_.counters.sessions;
  if (session.saved) its_.durability.change(SessionEnded{number});
  its_.durability.recount(session, false);
  by_number_.erase(number);
  by_name_.erase(by_name_.find(session.name));
  its_.deliveries.give_to_others(jobs, number, now);
  if (will) its_.deliveries.publish_will(will->message, now);
}

void SessionTable::leave(Session& session, bool with_will, Now now) {
  session.link = nullptr;
  if (!with_will) session.will.reset();
  if (!session.lasts()) return destroy(session, now);
  session.expires = seconds_from(now, session.expiry_interval);
  its_.deliveries.is_away(session);
  if (session.will) {
    session.will_due = std::min(seconds_from(now, session.will->delay), session.expires);
    if (session.will_due <= now.steady) its_.deliveries.publish_will(std::exchange(session.will, std::nullopt)->message, now);
  }
  its_.durability.save(session);
}

void SessionTable::end(Session& session, mqtt::Reason reason, Ending ending, bool with_will, Now now) {
  session.expiry_interval = 0;
  if (session.link == nullptr) return destroy(session, now);
  its_.connections.end_connection(session, reason, ending, with_will, now);
}

void SessionTable::tick(Now now) {
  std::vector<Session*> due;
  its_.counters.inflight = its_.counters.queued = its_.counters.queued_bytes = 0;
  for (auto& [name, session] : by_name_) {
    its_.counters.inflight += session->outgoing.size();
    its_.counters.queued += session->queue.size();
    its_.counters.queued_bytes += session->queued_bytes;
    if (session->expires <= now.steady || session->will_due <= now.steady) due.push_back(session.get());
  }
  for (Session* session : due) {
    if (session->expires <= now.steady) {
      ++its_.counters.expired_sessions;
      destroy(*session, now);
    } else {
      session->will_due = UINT64_MAX;
      if (session->will) its_.deliveries.publish_will(std::exchange(session->will, std::nullopt)->message, now);
      its_.durability.save(*session);
    }
  }
}

void SessionTable::revoke(std::string_view name, RevocationReport& report, Now now) {
  std::vector<Session*> ending;
  std::vector<std::pair<Number, std::vector<Delivery>>> jobs;
  for (auto& present : by_name_) {
    Session* session = present.second.get();
    auto by_author = [&](const Delivery& d) { return d.message != nullptr && d.message->view().author == name; };
    auto to_subscriber = [&](const Delivery& d) { return d.subscriber != nullptr && *d.subscriber == name; };
    auto& its_jobs = jobs.emplace_back(session->number, std::vector<Delivery>()).second;  // of groups, where others may do them
    report.queued += end_deliveries(
        *session, [&](const Delivery& d) { return by_author(d) || to_subscriber(d); }, its_jobs);
    std::erase_if(its_jobs, by_author);
    if (session->will && session->will->message->view().author == name) {
      session->will.reset();
      its_.durability.save(*session);
    }
    report.subscriptions += std::erase_if(session->subscriptions, [&](const auto& entry) {
      const Subscription& subscription = *entry.second;
      if (subscription.subscriber == nullptr || *subscription.subscriber != name) return false;
      its_.deliveries.is_unsubscribed(*session, *entry.second);
      return true;
    });
    its_.durability.recount(*session);
    if (session->link != nullptr) report.subscriptions += its_.connections.forget_identity(*session, name, report.groups);
    // A connection that spoke for others too (a gateway) goes on for them.
    bool its_own = session->speakers.only() == name;
    if (its_own || session->owner == name) ending.push_back(session);
  }
  for (Session* session : ending) {
    ++report.sessions;
    report.subscriptions += session->subscriptions.size();
    end(*session, mqtt::Reason::administrative_action, Ending::revoked, false, now);
  }
  for (const auto& [number, its_jobs] : jobs) its_.deliveries.give_to_others(its_jobs, number, now);
}

// MQTT 5 section 4.8.2: what a member's session has not acknowledged when it ends goes to another one; but not what may have come
// by QoS 2. [MQTT-4.8.2-5]
std::vector<Delivery> SessionTable::jobs_of(Session& session) {
  std::vector<Delivery> jobs;
  for (auto& entry : session.outgoing)
    if (entry.awaiting == mqtt::Awaiting::puback && entry.message.share != nullptr) jobs.push_back(std::move(entry.message));
  for (Delivery& delivery : session.queue)
    if (delivery.share != nullptr) jobs.push_back(std::move(delivery));
  return jobs;
}

}  // namespace sealmq::broker
