// Publishing: what a client's PUBLISH or Will becomes once it has come in: refused, or admitted, and then handed to the Router.
// The peer learns one answer for whatever is refused; the journal learns the cause. One thread.
#pragma once

#include "broker/routing/router.h"
#include "broker/routing/subscription_grants.h"
#include "broker/schemes/scheme_requests.h"

namespace sealmq::broker {

class Publishing {
 public:
  /// Whoever has the connections.
  class Connections {
   public:
    /// Counts, tells the journal, and may end a connection that fails too often.
    virtual void refuse(Link& link, const Refused& refused, Now now, bool may_disconnect) = 0;
    /// See KeyedSubscriptions::Outlet.
    virtual void send_frame(ConnectionId connection, std::string_view topic, Bytes payload) = 0;

   protected:
    ~Connections() = default;
  };
  using Schemes = std::vector<std::unique_ptr<BrokerScheme>>;
  /// All outlive it; `guard` and `budget` may be null, as in Ports.
  struct Neighbours {
    const Settings& settings;
    const Schemes& schemes;
    const Access& access;
    Admission& admission;
    SchemeRequests& scheme_requests;
    SubscriptionGrants& grants;
    const MemoryLimits& memory;
    const Retained& retained;
    Durability& durability;
    Router& router;
    SessionDelivery& deliveries;
    Journal& journal;
    Counters& counters;
    Connections& connections;
    TopicGuard* guard;
    Budget* budget;
  };
  explicit Publishing(const Neighbours& neighbours) : its_(neighbours) {}

  /// A client's PUBLISH: admitted, stored if retained, delivered. `finished`: its slow part; null: it has none.
  Accepted accept(Link& link, const mqtt::Publish& packet, BackgroundJobs::Finished* finished, Now now);
  /// `client_id`: of the client whose Will it is; the link has no session yet.
  OrRefused<PendingWill> admit_will(Link& link, std::string_view client_id, const mqtt::Will& will, Now now);
  /// Its time has come.
  void publish_will(const std::shared_ptr<const Message>& will, Now now);

 private:
  class Requester;

  /// `$SYS/broker/connection/CLIENT/state`, the one topic under $SYS that a client may publish to, and this client alone: what
  /// bridges say of themselves, by a Will and retained, as mosquitto's do without being asked. Policy decides whether it is
  /// passed on; if not, it is taken and forgotten.
  static bool is_state(std::string_view client_id, std::string_view topic, Bytes payload);
  bool passes_on_state(std::string_view topic) const;
  Accepted take_state(Link& link, const mqtt::Publish& packet, Now now);
  Accepted take_guarded(Link& link, const mqtt::Publish& packet, Now now);
  bool is_guarded(std::string_view topic) const { return its_.guard != nullptr && its_.guard->watches(topic); }
  Accepted publish_plain(Link& link, const mqtt::Publish& packet, Now now);
  Accepted pass_on(Link& link, const mqtt::Publish& packet, const Admission::Admitted& admitted, Now now);
  PendingWill keep_will(const Link& link, std::string_view client_id, MessageView view, const mqtt::Will& will);

  /// Somebody's message or request came through the session.
  void hear(Session& session, const std::string& name);
  /// Why this message cannot be taken in now; null: it can.
  const char* lacks_room_for(const mqtt::Publish& packet) const;
  /// Why it cannot be retained now, though it may be delivered; null: it can.
  const char* lacks_room_to_retain(const Link& link, const mqtt::Publish& packet) const;
  void refuse(Link& link, const Refused& why, Now now) { its_.connections.refuse(link, why, now, true); }
  void drop(Drop why) { ++its_.counters.dropped[static_cast<std::size_t>(why)]; }

  const Neighbours its_;
};

}  // namespace sealmq::broker
