#include "sealmq/identity.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "base/try.h"

namespace sealmq {
namespace {

constexpr std::array<std::string_view, 5> kind_names{"device", "service", "person", "broker", "authority"};
constexpr std::array<std::string_view, 3> status_names{"invited", "active", "revoked"};

template <class Enum, std::size_t N>
std::optional<Enum> from_name(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

constexpr std::string_view first_word = "sealmq-identity";
constexpr std::string_view rsa_word = "rsa";
constexpr std::string_view no_key = "-";

bool is_rsa_modulus(Bytes bytes) {
  const auto bits = bytes.size() * 8;
  return (bits == 2048 || bits == 3072 || bits == 4096) && (bytes.front() & 0x80) != 0 && (bytes.back() & 1) != 0;
}

std::string key_word(Bytes key) {
  return is_there(key) ? to_base64url(key) : std::string(no_key);
}

/// Takes the text up to the next space off the front of `rest`. Two spaces in a row make an empty word, which nothing accepts.
std::string_view next_word(std::string_view& rest) {
  const auto end = std::min(rest.find(' '), rest.size());
  const auto word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

/// Without what stands there: it may be of a file that was named by mistake.
Failure refuse(std::string what) {
  return fail(Blame::caller_misused, "not a public identity: " + std::move(what));
}

/// The keys of one line, in any order, each exactly once.
class KeyWords {
 public:
  Result<> read(std::string_view word) {
    const auto equals = word.find('=');
    if (equals == word.npos) return refuse("unknown word");
    const auto name = word.substr(0, equals);
    const auto text = word.substr(equals + 1);
    if (name == rsa_word) return read_rsa(text);
    for (Slot& slot : slots_) {
      if (name != slot.name) continue;
      if (slot.seen) return refuse(std::string(slot.name) + " stands twice");
      slot.seen = true;
      if (text == no_key) return {};
      const auto value = from_base64url(text);
      if (!value || value->size() != slot.to.size() || !is_there(*value))
        return refuse(std::string(slot.name) + " is not " + std::to_string(slot.to.size()) + " bytes in base64url");
      std::copy(value->begin(), value->end(), slot.to.begin());
      return {};
    }
    return refuse("unknown word");
  }

  Result<PublicKeys> finish() const {
    for (const Slot& slot : slots_) {
      if (!slot.seen) return refuse(std::string(slot.name) + " is missing");
    }
    if (keys_ == PublicKeys()) return refuse("it has no key");
    return keys_;
  }

 private:
  Result<> read_rsa(std::string_view text) {
    if (!keys_.rsa.empty()) return refuse("rsa stands twice");
    auto value = from_base64url(text);
    if (!value || !is_rsa_modulus(*value)) return refuse("rsa is not a modulus of 2048, 3072 or 4096 bits in base64url");
    keys_.rsa = *std::move(value);
    return {};
  }

  struct Slot {
    std::string_view name;
    std::span<std::uint8_t> to;
    bool seen = false;
  };
  PublicKeys keys_;
  std::array<Slot, 3> slots_{Slot{"schnorr-p256", keys_.schnorr}, Slot{"ecdsa-p256", keys_.ecdsa},
                             Slot{"ecdh-p256", keys_.agreement}};
};

}  // namespace

std::string_view name(Kind kind) {
  return kind_names[static_cast<std::size_t>(kind)];
}
std::string_view name(Status status) {
  return status_names[static_cast<std::size_t>(status)];
}
std::optional<Kind> kind_from(std::string_view name) {
  return from_name<Kind>(kind_names, name);
}
std::optional<Status> status_from(std::string_view name) {
  return from_name<Status>(status_names, name);
}

bool is_identity_name(std::string_view name) {
  // Not isalnum: what a name may hold must not depend on a locale.
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), allowed);
}

std::string to_line(const PublicIdentity& identity) {
  std::string line(first_word);
  line.append(" ").append(identity.name).append(" ").append(name(identity.kind));
  line.append(" schnorr-p256=").append(key_word(identity.keys.schnorr));
  line.append(" ecdsa-p256=").append(key_word(identity.keys.ecdsa));
  line.append(" ecdh-p256=").append(key_word(identity.keys.agreement));
  if (!identity.keys.rsa.empty()) line.append(" ").append(rsa_word).append("=").append(to_base64url(identity.keys.rsa));
  return line;
}

Result<PublicIdentity> parse_public_identity(std::string_view line) {
  std::string_view rest = line;
  if (next_word(rest) != first_word) return refuse("does not begin with " + std::string(first_word));

  PublicIdentity identity;
  identity.name = next_word(rest);
  if (!is_identity_name(identity.name)) return refuse("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
  const auto kind_word = next_word(rest);
  const auto kind = kind_from(kind_word);
  if (!kind) return refuse("unknown kind");
  identity.kind = *kind;

  KeyWords words;
  while (!rest.empty()) TRY(words.read(next_word(rest)));
  identity.keys = TRY(words.finish());
  return identity;
}

}  // namespace sealmq
