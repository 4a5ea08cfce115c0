// The hardened sessions of SL3, without a broker or a connection around them: frames in, values out.
//
//   client                                     broker
//   ClientRequest::make  -- SL3_1 or SL3_2 --> BrokerSession::read_request      who asks: verified
//                                              (the caller asks the list, the rights and the memory of marks)
//   ClientRequest::take  <-- answer ---------- BrokerSession::answer
//   ClientSession::protect -- SL3_3 ---------> BrokerSession::open
//   ClientSession::open  <-- SL3_4 ----------- BrokerSession::seal
//   ClientSession::open_group_key <-- SL3_5 -- BrokerSession::seal_group_key    (group.h)
//
// One thread at a time for each object.
#pragma once

#include <optional>
#include <string>

#include "crypto/channel.h"
#include "schemes/malina/ecies.h"
#include "schemes/sl3/messages.h"

namespace sealmq::sl3 {

/// How long a session may be used, at most.
struct SessionLimits {
  std::uint64_t age = 24 * 60 * 60 * 1000ULL;  ///< milliseconds
  std::uint64_t messages = 1ULL << 24;
  std::uint64_t bytes = 1ULL << 36;
  std::uint64_t forgeries = 1ULL << 20;  ///< frames that did not open
  crypto::ChannelLimits channel() const { return {.messages = messages, .bytes = bytes, .forgeries = forgeries}; }
};

/// When a session ends, by age. Its messages and bytes are counted by its channel.
class SessionAge {
 public:
  SessionAge(const SessionLimits& limits, Now now) : limit_(limits.age), started_(now.steady) {}
  bool is_over(Now now) const { return passed(now) >= limit_; }
  /// In the last sixteenth, so that a client asks for a new session before its broker ends the old one.
  bool is_nearly_over(Now now) const { return passed(now) >= limit_ - limit_ / 16; }

 private:
  std::uint64_t passed(Now now) const { return now.steady > started_ ? now.steady - started_ : 0; }
  std::uint64_t limit_;
  std::uint64_t started_;
};

/// A message that its subscriber has verified.
struct ReceivedMessage {
  Buffer body;            ///< holds what `message` points to
  SignedMessage message;  ///< signed by message.id for this broker
  bool repeat = false;    ///< a copy of one opened before in this session
};

/// A session from its client's side.
class ClientSession {
 public:
  ClientSession(ClientSession&&) noexcept = default;
  ClientSession& operator=(ClientSession&&) noexcept = default;

  const SessionId& id() const { return id_; }
  const std::string& topic() const { return topic_; }
  const BrokerIdentity& broker() const { return broker_; }
  std::uint64_t broker_time() const { return broker_time_; }  ///< the broker's clock when it answered
  /// Time for a new request. The old session goes on until its limit.
  bool must_be_renewed(Now now) const;
  bool is_over(Now now) const;

  /// Publisher: SL3_3. Errors: caller_misused (a subscriber's session, no topic name, or the session is over), the key store's.
  Result<Buffer> protect(std::string_view topic, Bytes payload, KeyStore& key, Now now);

  /// Subscriber: SL3_4. Errors: peer_misbehaved (changed, another session's, old, signature or topic wrong), caller_misused.
  Result<Verified<ReceivedMessage, ClientSession>> open(Bytes frame, malina::KnownKeys& keys, Now now);
  /// Subscriber: what stands inside SL3_5, for GroupMember. A copy of one that was opened before is refused.
  Result<Secret> open_group_key(Bytes frame, Now now);

 private:
  friend class ClientRequest;
  ClientSession(Role role, std::string topic, BrokerIdentity broker, const SessionId& id, const Secret& master,
                std::uint64_t broker_time, const SessionLimits& limits, Now now);
  Result<crypto::OpeningChannel::Opened> open_frame(Bytes frame, std::uint8_t type, Now now);

  SessionId id_;
  std::string topic_;
  BrokerIdentity broker_;
  std::uint64_t broker_time_;
  SessionAge age_;
  std::optional<crypto::SealingChannel> outwards_;  // a publisher's
  std::optional<crypto::OpeningChannel> inwards_;   // a subscriber's
};

/// A request that waits for its answer.
class ClientRequest {
 public:
  /// For a subscriber `topic` is a filter, for a publisher the topic it will first publish to. Errors: caller_misused, the key
  /// store's; peer_misbehaved if the broker's key is no point of the curve.
  static Result<ClientRequest> make(Role role, std::string_view topic, KeyStore& key, const BrokerIdentity& broker,
                                    Random& random, Now now, SessionLimits limits = {});

  /// SL3_1 or SL3_2, to be published to `$sl/sub` or `$sl/pub`.
  const Buffer& frame() const { return frame_; }

  /// The session, if this is the broker's answer to this very request. Anything else is an error and leaves the request waiting:
  /// whoever can throw a frame at a client must not be able to end its exchange. Once there is a session, ask no more.
  Result<ClientSession> take(Bytes answer, Now now) const;

 private:
  ClientRequest(Role role, std::string topic, BrokerIdentity broker, crypto::AgreementKey ephemeral,
                malina::Encapsulation encapsulation, SessionLimits limits)
      : role_(role),
        topic_(std::move(topic)),
        broker_(std::move(broker)),
        ephemeral_(std::move(ephemeral)),
        encapsulation_(std::move(encapsulation)),
        limits_(limits) {}

  Role role_;
  std::string topic_;
  BrokerIdentity broker_;
  crypto::AgreementKey ephemeral_;
  malina::Encapsulation encapsulation_;
  SessionLimits limits_;
  Buffer frame_;
};

/// Who checks at the broker that a message is its author's.
enum class AuthorCheck : std::uint8_t {
  session,    ///< the session, which the author's signed request has made; subscribers verify the signature
  signature,  ///< the signature of each message as well
};

/// A request whose sender is verified, and nothing more: whether it may have a session is for the caller to say.
struct SessionRequest {
  Role role;
  std::string topic;  ///< a filter if the role is subscriber
  malina::Id id;
  ReplayMark mark;  ///< ask the memory before answering; its digest is the same for E and -E
  malina::Encapsulation encapsulation;
  Buffer frame;
};

/// A publisher's message as the broker took it.
struct TakenMessage {
  Buffer body;            ///< SignedMessage, encoded; holds what `message` points to
  SignedMessage message;  ///< message.id is the session's
  bool repeat = false;    ///< a copy of one taken before in this session: acknowledge it, do not forward it
  ReplayMark mark;        ///< for a memory across sessions
};

/// A session from its broker's side.
class BrokerSession {
 public:
  BrokerSession(BrokerSession&&) noexcept = default;
  BrokerSession& operator=(BrokerSession&&) noexcept = default;

  using Request = Verified<SessionRequest, BrokerSession>;
  /// Errors: malformed (payload_format_invalid), peer_misbehaved (changed, for another broker, signature, topic or time wrong).
  static Result<Request> read_request(Bytes frame, KeyStore& broker, Now now);

  struct Answered;
  /// The session and the frame that tells the client, for `$sl/inbox`. Each call makes a session of its own.
  static Result<Answered> answer(const Request& request, Random& random, Now now, SessionLimits limits = {});

  Role role() const { return role_; }
  const SessionId& id() const { return id_; }
  const std::string& topic() const { return topic_; }
  const malina::Id& author() const { return author_; }
  /// By age, messages, bytes or forgeries: to be forgotten.
  bool is_over(Now now) const;

  /// SL3_3. Errors: malformed, peer_misbehaved. Right and status of the author are the caller's to check, for each message.
  Result<Verified<TakenMessage, BrokerSession>> open(Bytes frame, AuthorCheck check, std::string_view broker_id,
                                                     malina::KnownKeys& keys, Now now);

  /// SL3_4. `body` is a SignedMessage, encoded. Errors: caller_misused (a publisher's session, over, or a topic that was not
  /// asked for).
  Result<Buffer> seal(Bytes body, Now now);
  /// SL3_5.
  Result<Buffer> seal_group_key(const Secret& body, Now now);

 private:
  BrokerSession(const SessionRequest& request, const SessionId& id, const Secret& master, const SessionLimits& limits, Now now);
  Result<Buffer> seal_frame(std::uint8_t type, Bytes body, Now now);

  Role role_;
  SessionId id_;
  std::string topic_;
  malina::Id author_;
  SessionAge age_;
  std::optional<crypto::OpeningChannel> inwards_;   // a publisher's
  std::optional<crypto::SealingChannel> outwards_;  // a subscriber's
};

struct BrokerSession::Answered {
  BrokerSession session;
  Buffer frame;
};

}  // namespace sealmq::sl3
