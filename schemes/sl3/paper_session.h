// The sessions of SL3 as published: a session is whatever key an ephemeral point leads to, made by one frame and never answered.
// For study; what that costs stands in README.md.
#pragma once

#include "crypto/aead.h"
#include "schemes/malina/ecies.h"
#include "schemes/sl3/paper_messages.h"
#include "schemes/sl3/session.h"

namespace sealmq::sl3::paper {

/// A message whose author's signature has been verified.
struct TakenMessage {
  Buffer body;  ///< SignedMessage, encoded; holds what `message` points to
  SignedMessage message;
  ReplayMark mark;  ///< by e, the hash of all that was signed
};

/// The key that client and broker share, with its age and its number of messages; what both ends of a session consist of.
class SessionKey {
 public:
  SessionKey(const Secret& shared, const SessionLimits& limits, Now now)
      : aead_(malina::paper_key(shared)), age_(limits, now), left_(limits.messages), nearly_(limits.messages / 16) {}

  bool is_over(Now now) const { return age_.is_over(now) || left_ == 0; }
  bool is_nearly_over(Now now) const { return age_.is_nearly_over(now) || left_ <= nearly_; }
  Result<> seal(Bytes plaintext, Random& random, Now now, Buffer& out);
  Result<Buffer> open(Bytes sealed, Now now);

 private:
  crypto::AesGcm aead_;
  SessionAge age_;
  std::uint64_t left_;
  std::uint64_t nearly_;
};

class ClientSession {
 public:
  struct Made;
  /// SL3_1 and the session it makes, if the broker takes it.
  static Result<Made> subscribe(std::string_view topic, KeyStore& key, const BrokerIdentity& broker, Random& random, Now now,
                                SessionLimits limits = {});
  /// SL3_2: carries the first message.
  static Result<Made> publish(std::string_view topic, Bytes payload, KeyStore& key, const BrokerIdentity& broker, Random& random,
                              Now now, SessionLimits limits = {});

  const KeyId& id() const { return id_; }
  const std::string& topic() const { return topic_; }  ///< a subscriber's; empty for a publisher
  bool must_be_renewed(Now now) const { return key_.is_nearly_over(now); }
  bool is_over(Now now) const { return key_.is_over(now); }

  /// SL3_3.
  Result<Buffer> protect(std::string_view topic, Bytes payload, KeyStore& key, Random& random, Now now);
  /// SL3_4.
  Result<Verified<TakenMessage, ClientSession>> open(Bytes frame, malina::KnownKeys& keys, Now now);
  /// What stands inside SL3_5.
  Result<Secret> open_group_key(Bytes frame, Now now);

 private:
  ClientSession(SessionKey key, const KeyId& id, std::string_view topic) : key_(std::move(key)), id_(id), topic_(topic) {}
  SessionKey key_;
  KeyId id_;
  std::string topic_;
};

struct ClientSession::Made {
  ClientSession session;
  Buffer frame;
};

class BrokerSession {
 public:
  /// What a frame that makes a session says, verified; rights and memory are the caller's to ask before it keeps the session.
  struct Subscribed;
  static Result<Subscribed> subscribe(Bytes frame, KeyStore& broker, Now now, SessionLimits limits = {});
  struct Published;
  static Result<Published> publish(Bytes frame, KeyStore& broker, Now now, SessionLimits limits = {});

  /// By which SL3_3 names it.
  const KeyId& id() const { return id_; }
  const malina::Id& author() const { return author_; }
  bool is_over(Now now) const { return key_.is_over(now); }

  /// SL3_3. The signature is verified each time: anybody can make a session, in any name.
  Result<Verified<TakenMessage, BrokerSession>> open(Bytes frame, malina::KnownKeys& keys, Now now);
  /// SL3_4. `body` is a SignedMessage, encoded.
  Result<Buffer> seal(Bytes body, Random& random, Now now);
  /// SL3_5.
  Result<Buffer> seal_group_key(const Secret& body, Random& random, Now now);

 private:
  BrokerSession(SessionKey key, const KeyId& id, const malina::Id& author) : key_(std::move(key)), id_(id), author_(author) {}
  SessionKey key_;
  KeyId id_;
  malina::Id author_;
};

struct BrokerSession::Subscribed {
  BrokerSession session;
  std::string topic;
  malina::Id id;
  ReplayMark point;  ///< its digest is the same for R and -R, which lead to the same key
};

struct BrokerSession::Published {
  BrokerSession session;
  Verified<TakenMessage, BrokerSession> message;
  ReplayMark point;  ///< as above; one memory for both kinds, so that nobody's R serves in a frame of another kind
};

}  // namespace sealmq::sl3::paper
