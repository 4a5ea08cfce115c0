#include "schemes/scacauth/method.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sealmq::scacauth {
namespace {

constexpr auto paper = Profile::paper, hardened = Profile::hardened;

// Whole names, so that no other spelling of a number or a part means the same.
constexpr std::string_view paper_prefix = "SCACAuth-", hardened_prefix = "SCACAuth2-";

struct Authentication {
  std::string_view text;
  Algorithm algorithm;
  unsigned bits;
};
constexpr std::array<Authentication, 4> paper_authentications = {{{"RSAPKCS1-2048", Algorithm::rsa, 2048},
                                                                  {"RSAPKCS1-3072", Algorithm::rsa, 3072},
                                                                  {"RSAPKCS1-4096", Algorithm::rsa, 4096},
                                                                  {"ECC-256", Algorithm::ecc, 256}}};
constexpr std::array<Authentication, 2> hardened_authentications = {
    {{"ECC-256", Algorithm::ecc, 256}, {"RSAPSS-2048", Algorithm::rsa, 2048}}};

struct Encryption {
  std::string_view text;
  Cipher cipher;
  unsigned bits;
};
constexpr std::array<Encryption, 5> paper_encryptions = {{{"AES-128", Cipher::aes, 128},
                                                          {"AES-192", Cipher::aes, 192},
                                                          {"AES-256", Cipher::aes, 256},
                                                          {"3DES-192", Cipher::triple_des, 192},
                                                          {"DES-64", Cipher::des, 64}}};
constexpr std::array<Encryption, 2> hardened_encryptions = {{{"AESGCM-128", Cipher::aes, 128}, {"AESGCM-256", Cipher::aes, 256}}};

template <class Authentications, class Encryptions, class Each>
void for_each(std::string_view prefix, Profile profile, const Authentications& authentications, const Encryptions& encryptions,
              Each each) {
  for (const Authentication& by : authentications)
    for (const Encryption& with : encryptions) {
      std::string text(prefix);
      text.append(by.text).append("-").append(with.text);
      each(text, Method{profile, by.algorithm, by.bits, with.cipher, with.bits});
    }
}

template <class Each>
void for_each(Each each) {
  for_each(hardened_prefix, hardened, hardened_authentications, hardened_encryptions, each);
  for_each(paper_prefix, paper, paper_authentications, paper_encryptions, each);
}

constexpr std::string_view hardened_defaults =
    "SCACAuth2-ECC-256-AESGCM-128,SCACAuth2-ECC-256-AESGCM-256,SCACAuth2-RSAPSS-2048-AESGCM-128,SCACAuth2-RSAPSS-2048-AESGCM-256";
constexpr std::string_view paper_defaults = "SCACAuth-RSAPKCS1-2048-AES-128";

}  // namespace

std::optional<Method> parse_method(std::string_view text) {
  std::optional<Method> found;
  for_each([&](std::string_view name, const Method& method) {
    if (name == text) found = method;
  });
  return found;
}

std::string to_text(const Method& wanted) {
  std::string found;
  for_each([&](std::string_view name, const Method& method) {
    if (method == wanted) found = name;
  });
  return found;
}

Result<AllowList> AllowList::make(const SchemeOptions& options, Profile profile) {
  const bool is_paper = profile == Profile::paper;
  const auto given = options.find(is_paper ? "scacauth.paper_methods" : "scacauth.methods");
  std::string_view rest = given != options.end() ? std::string_view(given->second)
                          : is_paper             ? paper_defaults
                                                 : hardened_defaults;
  AllowList list;
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    const std::string name(trimmed(rest.substr(0, comma)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const auto method = parse_method(name);
    if (!method || method->profile != profile)
      return fail(Blame::caller_misused, "scacauth: there is no method " + printable(name));
    if (method->is_legacy() && !is_on(options, "scacauth.legacy_ciphers"))
      return fail(Blame::caller_misused, "scacauth: " + name + " needs legacy_ciphers = true");
    list.methods_.push_back(*method);
  }
  if (list.methods_.empty()) return fail(Blame::caller_misused, "scacauth: no method is left");
  return list;
}

const Method* AllowList::find(std::string_view text) const {
  const auto method = parse_method(text);
  if (!method) return nullptr;
  const auto at = std::ranges::find(methods_, *method);
  return at == methods_.end() ? nullptr : &*at;
}

bool is_uid(std::string_view name) {
  const auto is_allowed = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  return name.size() == uid_size && std::ranges::all_of(name, is_allowed);
}

bool is_on(const SchemeOptions& options, std::string_view name) {
  const auto found = options.find(name);
  return found != options.end() && found->second == "true";
}

}  // namespace sealmq::scacauth
