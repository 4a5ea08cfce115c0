#include "keystore/pkcs11_module.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <mutex>

#include "base/text.h"
#include "base/try.h"
#include "crypto/rsa.h"

namespace sealmq::pkcs11 {

class Module {
 public:
  static Result<std::shared_ptr<Module>> load(const std::string& path);
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();

  Result<> initialise();
  Result<> begin_anew();
  std::uint64_t current() {
    const std::shared_lock lock(mutex);
    return generation;
  }

  CK_FUNCTION_LIST* calls = nullptr;
  std::shared_mutex mutex;       ///< shared: a call; alone: the module begins anew
  std::uint64_t generation = 0;  ///< which beginning; sessions of an earlier one are gone

 private:
  void* library_ = nullptr;
  bool ours_ = false;
  std::chrono::steady_clock::time_point began_{};
};

// Stores with other tokens lose their sessions too, so this is not for every call.
constexpr std::chrono::seconds between_beginnings{1};

namespace {

/// Names for those that happen; the number for others.
std::string name_of(CK_RV code) {
  switch (code) {
    case CKR_PIN_INCORRECT:
      return "the PIN is wrong";
    case CKR_PIN_LOCKED:
      return "it has locked itself after wrong PINs";
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_DEVICE_REMOVED:
      return "it is not there";
    case CKR_DEVICE_MEMORY:
      return "it is full";
    case CKR_MECHANISM_INVALID:
      return "it cannot do this";
    default:
      return "error " + to_hex(Buffer{static_cast<std::uint8_t>(code >> 8), static_cast<std::uint8_t>(code)}) + " of PKCS#11";
  }
}

Failure trouble(std::string_view doing, CK_RV code) {
  return fail(Blame::environment, "the token fails at " + std::string(doing) + ": " + name_of(code));
}

template <std::size_t N>
std::string text_of(const CK_UTF8CHAR (&field)[N]) {
  const std::string_view padded(reinterpret_cast<const char*>(field), N);
  return std::string(padded.substr(0, padded.find_last_not_of(' ') + 1));
}

CK_BYTE* octets(Bytes bytes) {
  return const_cast<CK_BYTE*>(bytes.data());  // the interface has no const
}

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, Bytes value) {
  return {type, octets(value), value.size()};
}

template <class T>
CK_ATTRIBUTE value_of(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof value};
}

// 1.2.840.10045.3.1.7
constexpr std::array<std::uint8_t, 10> p256_name{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};

}  // namespace

Result<std::shared_ptr<Module>> Module::load(const std::string& path) {
  auto module = std::make_shared<Module>();
  module->library_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module->library_ == nullptr) {
    const char* why = ::dlerror();  // NOLINT(concurrency-mt-unsafe): of this thread
    return fail(Blame::environment, "cannot load the PKCS#11 module " + path + ": " + printable(why != nullptr ? why : "", 200));
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module->library_, "C_GetFunctionList"));
  if (get == nullptr || get(&module->calls) != CKR_OK || module->calls == nullptr)
    return fail(Blame::environment, path + " is not a PKCS#11 module");
  TRY(module->initialise());
  return module;
}

Result<> Module::initialise() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV code = calls->C_Initialize(&arguments);
  if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED) return trouble("its beginning", code);
  ours_ = code == CKR_OK;
  ++generation;
  began_ = std::chrono::steady_clock::now();
  return {};
}

Result<> Module::begin_anew() {
  const std::lock_guard lock(mutex);
  if (std::chrono::steady_clock::now() - began_ < between_beginnings) return {};
  calls->C_Finalize(nullptr);
  return initialise();
}

Module::~Module() {
  if (ours_) calls->C_Finalize(nullptr);
  // Not closed: some modules leave threads or handlers behind that would run into nothing.
}

Result<std::shared_ptr<Module>> open_module(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Module>> in_use;
  const std::lock_guard lock(mutex);
  if (auto found = in_use[path].lock()) return found;
  auto module = TRY(Module::load(path));
  in_use[path] = module;
  return module;
}

Result<> begin_anew(Module& module) {
  return module.begin_anew();
}

struct Session::State {
  std::shared_ptr<Module> module;
  CK_SESSION_HANDLE handle = 0;
  std::uint64_t generation = 0;

  ~State() {
    const std::shared_lock lock(module->mutex);
    if (module->generation == generation && handle != 0) module->calls->C_CloseSession(handle);
  }

  /// One call or several that belong together.
  template <class Work>
  auto run(Work work) -> decltype(work(*module->calls, handle)) {
    const std::shared_lock lock(module->mutex);
    if (module->generation != generation) return fail(Blame::environment, "the token was away");
    return work(*module->calls, handle);
  }
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

namespace {

bool fits(const std::string& asked, const std::string& is) {
  return asked.empty() || asked == is;
}

Result<CK_SLOT_ID> find_slot(CK_FUNCTION_LIST& calls, const TokenUri& uri, CK_TOKEN_INFO& info) {
  CK_ULONG count = 0;
  if (const CK_RV code = calls.C_GetSlotList(CK_TRUE, nullptr, &count); code != CKR_OK) return trouble("listing slots", code);
  std::vector<CK_SLOT_ID> slots(count);
  if (const CK_RV code = calls.C_GetSlotList(CK_TRUE, slots.data(), &count); code != CKR_OK)
    return trouble("listing slots", code);
  slots.resize(std::min<std::size_t>(count, slots.size()));
  std::optional<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO seen{};
    if (calls.C_GetTokenInfo(slot, &seen) != CKR_OK || (seen.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    if (!fits(uri.token, text_of(seen.label)) || !fits(uri.manufacturer, text_of(seen.manufacturerID)) ||
        !fits(uri.model, text_of(seen.model)) ||
        !fits(uri.serial,
              std::string(trimmed(std::string_view(reinterpret_cast<const char*>(seen.serialNumber), sizeof seen.serialNumber)))))
      continue;
    if (found) return fail(Blame::caller_misused, "several tokens are meant: name the token and its serial number");
    found = slot;
    info = seen;
  }
  if (!found) return fail(Blame::environment, "the token " + printable(uri.token) + " is not there");
  return *found;
}

TriesLeft tries_left(const CK_TOKEN_INFO& info) {
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0) return TriesLeft::none;
  return (info.flags & CKF_USER_PIN_FINAL_TRY) != 0 ? TriesLeft::last : TriesLeft::some;
}

Result<> log_in(CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle, const CK_TOKEN_INFO& info, Pins& pins) {
  CK_SESSION_INFO session{};
  if (calls.C_GetSessionInfo(handle, &session) == CKR_OK && session.state == CKS_RW_USER_FUNCTIONS)
    return {};  // another store of this process has logged in, which holds for all
  const Secret pin = TRY(pins.next(tries_left(info)));
  const CK_RV code = calls.C_Login(handle, CKU_USER, octets(pin.reveal()), pin.size());
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) {
    pins.accepted(pin);
    return {};
  }
  if (code == CKR_PIN_INCORRECT || code == CKR_PIN_LEN_RANGE || code == CKR_PIN_INVALID) {
    pins.refused(pin);
    return fail(Blame::caller_misused, "the PIN of the token is wrong");
  }
  return trouble("logging in", code);
}

}  // namespace

Result<Session> Session::open(std::shared_ptr<Module> module, const TokenUri& uri, Pins& pins) {
  auto state = std::make_unique<State>();
  state->module = std::move(module);
  state->generation = state->module->current();
  const auto opened = state->run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE&) -> Result<> {
    CK_TOKEN_INFO info{};
    const CK_SLOT_ID slot = TRY(find_slot(calls, uri, info));
    CK_SESSION_HANDLE handle = 0;
    const CK_RV code = calls.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle);
    if (code != CKR_OK) return trouble("opening a session", code);
    state->handle = handle;
    return log_in(calls, handle, info, pins);
  });
  if (!opened) return Failure(opened.error());
  return Session(std::move(state));
}

namespace {

Result<std::optional<std::uint64_t>> find(Session::State& state, CK_OBJECT_CLASS kind_of_object, KeyKind kind,
                                          std::string_view label) {
  return state.run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle) -> Result<std::optional<std::uint64_t>> {
    CK_KEY_TYPE type = kind == KeyKind::ec ? CKK_EC : CKK_RSA;
    CK_ATTRIBUTE wanted[]{value_of(CKA_CLASS, kind_of_object), value_of(CKA_KEY_TYPE, type),
                          attribute(CKA_LABEL, as_bytes(label))};
    if (const CK_RV code = calls.C_FindObjectsInit(handle, wanted, std::size(wanted)); code != CKR_OK)
      return trouble("finding a key", code);
    CK_OBJECT_HANDLE found[2]{};
    CK_ULONG count = 0;
    const CK_RV code = calls.C_FindObjects(handle, found, std::size(found), &count);
    calls.C_FindObjectsFinal(handle);
    if (code != CKR_OK) return trouble("finding a key", code);
    if (count > 1) return fail(Blame::caller_misused, "the token has several keys with the label " + printable(label));
    if (count == 0) return std::nullopt;
    return std::optional<std::uint64_t>(found[0]);
  });
}

Result<Buffer> read_attribute(Session::State& state, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type) {
  return state.run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle) -> Result<Buffer> {
    Buffer value(1024);  // more than any key of ours needs
    CK_ATTRIBUTE wanted{type, value.data(), value.size()};
    if (const CK_RV code = calls.C_GetAttributeValue(handle, key, &wanted, 1); code != CKR_OK)
      return trouble("reading a key", code);
    if (wanted.ulValueLen > value.size()) return fail(Blame::environment, "the token answers with too much");
    value.resize(wanted.ulValueLen);
    return value;
  });
}

template <class Start, class Finish>
Result<Secret> operate(Session::State& state, std::string_view doing, CK_MECHANISM mechanism, CK_OBJECT_HANDLE key, Bytes input,
                       std::size_t most, Start start, Finish finish) {
  return state.run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle) -> Result<Secret> {
    if (const CK_RV code = (calls.*start)(handle, &mechanism, key); code != CKR_OK) return trouble(doing, code);
    Buffer answer(most);
    CK_ULONG size = answer.size();
    const CK_RV code = (calls.*finish)(handle, octets(input), input.size(), answer.data(), &size);
    Secret held(std::move(answer));
    if (code != CKR_OK) return trouble(doing, code);
    if (size > most) return fail(Blame::environment, "the token answers with too much");
    return Secret(held.reveal().first(size));
  });
}

Result<Buffer> need_size(const Secret& answer, std::size_t size) {
  if (answer.size() != size) return fail(Blame::environment, "the token's answer has the wrong length");
  return to_buffer(answer.reveal());
}

}  // namespace

Result<std::optional<std::uint64_t>> Session::find_private(KeyKind kind, std::string_view label) {
  return find(*state_, CKO_PRIVATE_KEY, kind, label);
}

Result<std::optional<std::uint64_t>> Session::find_public(KeyKind kind, std::string_view label) {
  return find(*state_, CKO_PUBLIC_KEY, kind, label);
}

Result<crypto::Sec1Compressed> decode_ec_point(Bytes attribute) {
  constexpr std::size_t size = std::tuple_size_v<crypto::Sec1Uncompressed>;
  if (attribute.size() == size + 2 && attribute[0] == 0x04 && attribute[1] == size) attribute = attribute.subspan(2);
  return crypto::compressed(attribute);
}

Result<crypto::Sec1Compressed> Session::read_point(std::uint64_t key) {
  const Buffer value = TRY(read_attribute(*state_, key, CKA_EC_POINT));
  return decode_ec_point(value).map_error([](const Error&) {
    return Error{Blame::environment, "the token's key is no point of P-256"};
  });
}

Result<Buffer> Session::read_modulus(std::uint64_t key) {
  const Buffer exponent = TRY(read_attribute(*state_, key, CKA_PUBLIC_EXPONENT));
  const Buffer modulus = TRY(read_attribute(*state_, key, CKA_MODULUS));
  if (exponent != Buffer{1, 0, 1} || !crypto::rsa::PublicKey::from_modulus(modulus))
    return fail(Blame::environment, "the token's RSA key is not one of 2048, 3072 or 4096 bits with the exponent 65537");
  return modulus;
}

namespace {

Result<> generate(Session::State& state, CK_MECHANISM_TYPE type, std::vector<CK_ATTRIBUTE> of_public,
                  std::vector<CK_ATTRIBUTE> of_private) {
  return state.run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle) -> Result<> {
    CK_MECHANISM mechanism{type, nullptr, 0};
    CK_OBJECT_HANDLE made[2]{};
    const CK_RV code = calls.C_GenerateKeyPair(handle, &mechanism, of_public.data(), of_public.size(), of_private.data(),
                                               of_private.size(), &made[0], &made[1]);
    if (code != CKR_OK) return trouble("making a key", code);
    return {};
  });
}

}  // namespace

Result<> Session::generate_ec(std::string_view label, bool agrees) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_BBOOL signs = agrees ? CK_FALSE : CK_TRUE, derives = agrees ? CK_TRUE : CK_FALSE;
  return generate(
      *state_, CKM_EC_KEY_PAIR_GEN,
      {value_of(CKA_TOKEN, yes), attribute(CKA_LABEL, as_bytes(label)), attribute(CKA_EC_PARAMS, p256_name),
       value_of(CKA_VERIFY, signs)},
      {value_of(CKA_TOKEN, yes), attribute(CKA_LABEL, as_bytes(label)), value_of(CKA_PRIVATE, yes), value_of(CKA_SENSITIVE, yes),
       value_of(CKA_EXTRACTABLE, no), value_of(CKA_SIGN, signs), value_of(CKA_DERIVE, derives)});
}

Result<> Session::generate_rsa(std::string_view label, unsigned bits) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ULONG length = bits;
  const Buffer exponent{1, 0, 1};
  return generate(
      *state_, CKM_RSA_PKCS_KEY_PAIR_GEN,
      {value_of(CKA_TOKEN, yes), attribute(CKA_LABEL, as_bytes(label)), value_of(CKA_MODULUS_BITS, length),
       attribute(CKA_PUBLIC_EXPONENT, exponent), value_of(CKA_VERIFY, yes), value_of(CKA_ENCRYPT, yes)},
      {value_of(CKA_TOKEN, yes), attribute(CKA_LABEL, as_bytes(label)), value_of(CKA_PRIVATE, yes), value_of(CKA_SENSITIVE, yes),
       value_of(CKA_EXTRACTABLE, no), value_of(CKA_SIGN, yes), value_of(CKA_DECRYPT, yes)});
}

Result<> Session::destroy(KeyKind kind, std::string_view label) {
  for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    const auto found = TRY(find(*state_, half, kind, label));
    if (!found) continue;
    TRY(state_->run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle) -> Result<> {
      const CK_RV code = calls.C_DestroyObject(handle, *found);
      if (code != CKR_OK) return trouble("erasing a key", code);
      return {};
    }));
  }
  return {};
}

Result<std::array<std::uint8_t, 64>> Session::sign_ecdsa(std::uint64_t key, Bytes digest) {
  const Secret answer = TRY(operate(*state_, "signing", {CKM_ECDSA, nullptr, 0}, key, digest, 64, &CK_FUNCTION_LIST::C_SignInit,
                                    &CK_FUNCTION_LIST::C_Sign));
  const Buffer signature = TRY(need_size(answer, 64));
  std::array<std::uint8_t, 64> out{};
  std::copy(signature.begin(), signature.end(), out.begin());
  return out;
}

Result<Secret> Session::agree(std::uint64_t key, const crypto::Sec1Uncompressed& peer) {
  return state_->run([&](CK_FUNCTION_LIST& calls, CK_SESSION_HANDLE handle) -> Result<Secret> {
    CK_ECDH1_DERIVE_PARAMS parameters{};
    parameters.kdf = CKD_NULL;
    parameters.pPublicData = octets(peer);
    parameters.ulPublicDataLen = peer.size();
    CK_MECHANISM mechanism{CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
    // The shared secret leaves the token, because the key derivations of the schemes are not PKCS#11's; the private key does not.
    CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG length = 32;
    CK_ATTRIBUTE wanted[]{value_of(CKA_CLASS, secret), value_of(CKA_KEY_TYPE, generic), value_of(CKA_TOKEN, no),
                          value_of(CKA_SENSITIVE, no), value_of(CKA_EXTRACTABLE, yes),  value_of(CKA_VALUE_LEN, length)};
    CK_OBJECT_HANDLE derived = 0;
    if (const CK_RV code = calls.C_DeriveKey(handle, &mechanism, key, wanted, std::size(wanted), &derived); code != CKR_OK)
      return trouble("agreeing on a key", code);
    Buffer value(32);
    CK_ATTRIBUTE answer{CKA_VALUE, value.data(), value.size()};
    const CK_RV code = calls.C_GetAttributeValue(handle, derived, &answer, 1);
    calls.C_DestroyObject(handle, derived);
    Secret shared(std::move(value));
    if (code != CKR_OK || answer.ulValueLen != 32) return trouble("agreeing on a key", code);
    return shared;
  });
}

Result<Buffer> Session::sign_rsa_pss(std::uint64_t key, Bytes message, std::size_t size) {
  CK_RSA_PKCS_PSS_PARAMS parameters{CKM_SHA256, CKG_MGF1_SHA256, 32};
  const Secret answer = TRY(operate(*state_, "signing", {CKM_SHA256_RSA_PKCS_PSS, &parameters, sizeof parameters}, key, message,
                                    size, &CK_FUNCTION_LIST::C_SignInit, &CK_FUNCTION_LIST::C_Sign));
  return need_size(answer, size);
}

Result<Buffer> Session::sign_rsa_raw(std::uint64_t key, Bytes message, std::size_t size) {
  const Secret answer = TRY(operate(*state_, "signing", {CKM_RSA_PKCS, nullptr, 0}, key, message, size,
                                    &CK_FUNCTION_LIST::C_SignInit, &CK_FUNCTION_LIST::C_Sign));
  return need_size(answer, size);
}

Result<Secret> Session::decrypt_rsa_raw(std::uint64_t key, Bytes ciphertext, std::size_t size) {
  Secret answer = TRY(operate(*state_, "decrypting", {CKM_RSA_X_509, nullptr, 0}, key, ciphertext, size,
                              &CK_FUNCTION_LIST::C_DecryptInit, &CK_FUNCTION_LIST::C_Decrypt));
  // A module that drops leading zeroes tells nothing new: the block of every right message begins with one.
  Buffer whole(size);
  std::copy(answer.reveal().begin(), answer.reveal().end(), whole.end() - static_cast<std::ptrdiff_t>(answer.size()));
  return Secret(std::move(whole));
}

}  // namespace sealmq::pkcs11
