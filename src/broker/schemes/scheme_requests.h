// SchemeRequests: what comes on topics under '$' that a scheme reads: messages whose real topic is hidden, and requests, for a
// subscription, for a publisher's session, or about a matter that the scheme judges. What is slow of that is done elsewhere
// first. Decides; what is granted is given by whoever has the connection. One thread.
#pragma once

#include "broker/limits/memory_limits.h"
#include "broker/policy/admission.h"
#include "broker/schemes/background_jobs.h"

namespace sealmq::broker {

/// What an acknowledgement says.
struct Accepted {
  mqtt::Reason reason;
  bool relies = false;  ///< on changes that may not be stored yet
};

class SchemeRequests {
 public:
  /// The connection that a call is about, with all that it may be given.
  class Connection {
   public:
    /// A message of its own, admitted under its real topic.
    virtual Accepted pass_on(const mqtt::Publish& packet, const Admission::Admitted& admitted) = 0;
    /// What it asked for, if it may have it: the subscription, or null for one with a key of its own.
    virtual OrRefused<Subscription*> subscribe(std::size_t scheme, Asked& asked, mqtt::QoS qos) = 0;
    /// It got its answer.
    virtual void is_subscribed(Subscription& subscription) = 0;
    /// Somebody has shown to be there.
    virtual void is_heard_of(const std::string& identity) = 0;
    /// An answer, which it gets if it has subscribed to that topic.
    virtual void send_frame(std::string_view topic, Bytes frame) = 0;
    virtual void refuse(const Refused& why, bool may_disconnect) = 0;

   protected:
    ~Connection() = default;
  };
  /// All outlive it; `gate` may be null.
  struct Neighbours {
    const Settings& settings;
    const Admission::Schemes& schemes;
    const Access& access;
    Admission& admission;
    const MemoryLimits& memory;
    BackgroundJobs& jobs;
    LoginGate* gate;
  };
  explicit SchemeRequests(const Neighbours& neighbours) : its_(neighbours) {}

  /// True: the message has a slow part, which has been begun; the connection has to wait for it.
  bool begin_work(const BackgroundJobs::Of& of, const mqtt::Publish& packet, mqtt::Version version, Now now);
  /// A message on a topic under '$'. `finished`: its slow part; null: it has none.
  Accepted take(Connection& connection, const Origin& origin, std::string_view address, const mqtt::Publish& packet,
                BackgroundJobs::Finished* finished, Now now);
  /// Whether this topic means "this connection" to a scheme.
  bool is_reply_topic(std::string_view topic) const;

 private:
  /// By a scheme of policy, or whatever policy says.
  bool is_taken(std::size_t scheme, const Incoming& incoming) const;
  OrRefused<Accepted> take_hidden(Connection& connection, const Origin& origin, const mqtt::Publish& packet, std::size_t scheme,
                                  Preparation* prepared, Now now);
  OrRefused<Accepted> answer(Connection& connection, const Origin& origin, const mqtt::Publish& packet, std::size_t scheme,
                             Preparation* prepared, std::optional<LoginTry>& attempt, Now now);
  OrRefused<std::monostate> grant_publishing(Connection& connection, const Origin& origin, std::size_t scheme, const Asked& asked,
                                             Now now);

  const Neighbours its_;
};

}  // namespace sealmq::broker
