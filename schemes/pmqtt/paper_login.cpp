#include "schemes/pmqtt/paper_login.h"

#include "base/text.h"
#include "base/try.h"
#include "crypto/ecdsa_deterministic.h"
#include "sealmq/registry.h"

namespace sealmq::pmqtt {
namespace {

class PaperBrokerSide final : public Login {
 public:
  PaperBrokerSide(LoginRequest& request, const PasswordSource& passwords)
      : connect_(request.connect.reveal()),
        user_name_(request.user_name),
        has_password_(!request.password.empty()),
        passwords_(passwords) {
    tested_ = Tested::secret;  // the signature is over the password: which of them was wrong cannot be told
  }

  std::string_view whose() const override {
    const auto claimed = split_paper_name(user_name_);
    return claimed ? std::string_view(user_name_).substr(0, claimed->user.size()) : std::string_view();
  }

  Result<Step> advance(Bytes, const Scene& scene) override {
    const PaperName claimed = TRY(split_paper_name(user_name_));
    if (has_password_) return refuse(claimed.user, "sends a password beside the signature");
    std::optional<Secret> password;
    if (passwords_.recoverable) password = TRY(passwords_.recoverable(claimed.user));
    const Identity* known = scene.directory.find(claimed.user);
    // With a password and a key of nobody in particular if there are none, which takes as long.
    const Secret none{as_bytes("no password")};
    Buffer packet = TRY(with_password(connect_.reveal(), claimed.user, password ? password->reveal() : none.reveal()));
    const crypto::Sec1Compressed& point = known != nullptr ? known->keys.ecdsa : crypto::generator();
    const auto key = TRY(crypto::ecdsa::VerifyingKey::from_sec1(point));
    const bool is_signed = crypto::ecdsa::verify_sha1(key, packet, claimed.signature);
    wipe(packet.data(), packet.size());
    if (known == nullptr) return refuse(claimed.user, "not on the list");
    if (known->status != Status::active) return refuse(claimed.user, "not active");
    if (!password) return refuse(claimed.user, "has no recoverable password");
    if (!is_signed) return refuse(claimed.user, "wrong password, or not signed by its key");
    return done(claimed.user, {});
  }

 private:
  static Failure refuse(std::string_view user, const char* why) {
    return fail(Blame::not_authorised, printable(user) + ": " + why);
  }

  Secret connect_;
  std::string user_name_;
  bool has_password_;
  PasswordSource passwords_;
};

class PaperClientSide final : public ClientLogin {
 public:
  explicit PaperClientSide(KeyStore& key) : key_(key) {}
  std::string_view method() const override { return {}; }
  bool wants_password() const override { return true; }
  Result<Buffer> send_as(Bytes connect) override {
    const auto signature = TRY(key_.sign_ecdsa_sha1(connect));
    return with_signature(connect, signature);
  }

 private:
  KeyStore& key_;
};

}  // namespace

std::unique_ptr<Login> begin_paper_login(LoginRequest& request, const PasswordSource& passwords) {
  if (!request.method.empty() || !is_paper_name(request.user_name)) return nullptr;
  return std::make_unique<PaperBrokerSide>(request, passwords);
}

Result<std::unique_ptr<ClientLogin>> begin_paper_client_login(const ClientLoginRequest& request, const ClientPorts& ports) {
  if (ports.key == nullptr) return fail(Blame::caller_misused, "this login needs a key\nhint: --key NAME.key");
  if (request.password == nullptr || request.password->empty())
    return fail(Blame::caller_misused, "this login needs a password\nhint: --password-file FILE, or SEALMQ_PASSWORD");
  return std::unique_ptr<ClientLogin>(std::make_unique<PaperClientSide>(*ports.key));
}

}  // namespace sealmq::pmqtt
