// Pkcs11: a module of PKCS#11 and one session with a token, as calls that answer values. It knows nothing of identities.
//
// Modules are libraries with one state for the whole process, which is why one that is in use is found again by its path.
// Sessions of different stores work side by side; when a token comes back, the module may have to begin anew, and they wait for
// that.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "crypto/p256.h"
#include "keystore/key_uri.h"
#include "keystore/pin.h"
#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::pkcs11 {

inline constexpr const char* default_module = "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so";

class Module;
/// Errors: environment, if there is no such module or it cannot begin.
Result<std::shared_ptr<Module>> open_module(const std::string& path);

enum class KeyKind : std::uint8_t { ec, rsa };

/// One session with one token, logged in. One thread at a time. An error of the environment ends it: open another one.
class Session {
 public:
  /// Errors: environment if the token is not there, caller_misused if the PIN is wrong or missing.
  static Result<Session> open(std::shared_ptr<Module> module, const TokenUri& uri, Pins& pins);

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Handles of keys with exactly this label; nothing: there is none. caller_misused if there are several.
  Result<std::optional<std::uint64_t>> find_private(KeyKind kind, std::string_view label);
  Result<std::optional<std::uint64_t>> find_public(KeyKind kind, std::string_view label);
  /// Of a public key.
  Result<crypto::Sec1Compressed> read_point(std::uint64_t key);
  Result<Buffer> read_modulus(std::uint64_t key);

  /// A pair that stays on the token, with this label. `agrees`: for key agreement instead of signatures.
  Result<> generate_ec(std::string_view label, bool agrees);
  Result<> generate_rsa(std::string_view label, unsigned bits);
  /// Both halves, if they are there.
  Result<> destroy(KeyKind kind, std::string_view label);

  Result<std::array<std::uint8_t, 64>> sign_ecdsa(std::uint64_t key, Bytes digest);
  Result<Secret> agree(std::uint64_t key, const crypto::Sec1Uncompressed& peer);
  Result<Buffer> sign_rsa_pss(std::uint64_t key, Bytes message, std::size_t size);
  Result<Buffer> sign_rsa_raw(std::uint64_t key, Bytes message, std::size_t size);
  /// Without padding; `size` of the modulus.
  Result<Secret> decrypt_rsa_raw(std::uint64_t key, Bytes ciphertext, std::size_t size);

  struct State;

 private:
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// For who has found that the token is gone: lets the module look for tokens anew. All its sessions end.
Result<> begin_anew(Module& module);

/// CKA_EC_POINT: the uncompressed point, in a DER OCTET STRING as the standard says, or bare as some modules have it.
Result<crypto::Sec1Compressed> decode_ec_point(Bytes attribute);

}  // namespace sealmq::pkcs11
