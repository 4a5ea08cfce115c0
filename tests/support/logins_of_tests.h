// Logins that tests can see through: by a password, and by a conversation under a method of plain MQTT's own.
#pragma once

#include <map>

#include "broker/shard.h"

namespace sealmq::testing {

/// "secret of NAME" is everybody's password.
class PasswordLogin : public Login {
 public:
  explicit PasswordLogin(LoginRequest& request) : name_(std::move(request.user_name)), password_(std::move(request.password)) {
    tested_ = Tested::secret;
  }
  Result<Step> advance(Bytes, const Scene&) override {
    ++checked;
    if (as_text(password_.reveal()) != "secret of " + name_) return fail(Blame::not_authorised, "wrong password");
    return done(name_, {Factor::password});
  }

  static inline int checked = 0;

 private:
  std::string name_;
  Secret password_;
};

/// Nothing opens; after three it has to end.
class Worn : public PayloadGuard {
 public:
  std::size_t sealed_size(std::size_t plaintext) const override { return plaintext; }
  Result<> seal(std::string_view, Bytes plaintext, Now, Buffer& out) override { return append(out, plaintext), Result<>{}; }
  Result<Opened> open(std::string_view, Bytes) override {
    ++tried_;
    return fail(Blame::peer_misbehaved, "does not open");
  }
  bool must_end() const override { return tried_ >= 3; }

 private:
  int tried_ = 0;
};

/// The broker asks twice; the client has to say what it was asked.
class Conversation : public Login {
 public:
  explicit Conversation(std::string name) : name_(std::move(name)) {}
  Result<Step> advance(Bytes data, const Scene&) override {
    if (++round_ == 1) {
      if (as_text(data) != "hello") return fail(Blame::not_authorised, "no greeting");
      return reply(to_buffer(as_bytes("say one")));
    }
    if (round_ == 2) return as_text(data) == "one" ? Result<Step>(reply(to_buffer(as_bytes("say two")))) : refused();
    const bool for_another = as_text(data) == "two, for another";
    if (!for_another && as_text(data) != "two") return refused();
    LoggedIn who{for_another ? "other" : name_};
    if (name_ == "worn") who.guard = std::make_unique<Worn>();
    who.factors = {Factor::key};
    who.binds_client_id = true;
    return done(std::move(who), to_buffer(as_bytes("welcome")));
  }

 private:
  static Failure refused() { return fail(Blame::not_authorised, "not what was asked for"); }
  std::string name_;
  int round_ = 0;
};

/// Plain MQTT with a method of its own.
class WithLogin : public BrokerScheme {
 public:
  explicit WithLogin(std::unique_ptr<BrokerScheme> inner) : inner_(std::move(inner)) {}
  const SchemeInfo& info() const override { return inner_->info(); }
  bool recognises(const Incoming& message) const override { return inner_->recognises(message); }
  Result<Checked<Opened>> open(const Incoming& message, const Scene& scene) override { return inner_->open(message, scene); }
  Result<> seal(const sealmq::Outgoing& message, const Scene& scene, Buffer& out) override {
    return inner_->seal(message, scene, out);
  }
  std::unique_ptr<Login> begin_login(LoginRequest& request) override {
    if (request.method != "TALK") return nullptr;
    return std::make_unique<Conversation>(request.client_id);
  }

 private:
  std::unique_ptr<BrokerScheme> inner_;
};

class Gate : public broker::LoginGate {
 public:
  bool may_try(Tested, std::string_view name, std::string_view, Now) override {
    const auto at = failures.find(std::string(name));
    return at == failures.end() || at->second < 3;
  }
  bool begin(Tested by, std::string_view name, std::string_view address, Now now) override {
    if (!may_try(by, name, address, now)) return false;
    ++failures[std::string(name)];
    return true;
  }
  void end(Tested, std::string_view name, std::string_view, Outcome outcome, Now) override {
    if (outcome == Outcome::failed) return;
    int& count = failures[std::string(name)];
    count = outcome == Outcome::succeeded ? 0 : count - 1;
    if (count == 0) failures.erase(std::string(name));
  }
  std::map<std::string, int> failures;
};

}  // namespace sealmq::testing
