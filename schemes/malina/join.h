// The join phase: a device or application that holds an enrolment ticket asks to be put on the list, and is answered. Pure
// functions; tickets, the list and the memory of points are the caller's. Frames and their bytes: join.md.
//
//   joiner                                   broker
//   join_request()  -- JOIN, `$sl/join` -->  read_join()        verified: holds the key, and the ticket was written by it
//   read_join_answer() <-- `$sl/inbox` ---   answer_join()
#pragma once

#include <string>
#include <vector>

#include "schemes/malina/ecies.h"
#include "schemes/malina/signature.h"

namespace sealmq::malina {

inline constexpr std::uint8_t type_join = 0x41;
inline constexpr std::uint8_t type_join_answer = 0x42;
inline constexpr std::string_view join_topic = "$sl/join";

using Ticket = std::array<std::uint8_t, 16>;

enum class JoinStatus : std::uint8_t { accepted = 0, refused = 1 };  ///< all causes of a refusal look the same

/// Filters, at most 65535 of each. They must be within what the ticket allows; that is the broker's to check. None at all:
/// whatever the ticket allows.
struct JoinRights {
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
  bool operator==(const JoinRights&) const = default;
};

/// The hardened forms, by what stands where other frames have their suite.
enum class JoinForm : std::uint8_t {
  first = 0x01,   ///< the Schnorr key alone is proved
  proved = 0x03,  ///< every key is
};

/// What the joiner asks for.
struct Joining {
  Ticket ticket{};
  PublicKeys keys;  ///< the paper form carries keys.schnorr only
  JoinRights rights;
  std::uint64_t time = 0;
  bool all_keys_proved = false;  ///< who sent it holds each of the keys
};

/// Who sent JOIN holds the key of keys.schnorr and signed that it uses this ticket.
class JoinReader;
using VerifiedJoining = Verified<Joining, JoinReader>;

/// Seals answers to one request, and opens them.
class JoinAnswerKey {
 public:
  /// `form`: of the hardened request.
  JoinAnswerKey(const Secret& key, Buffer aad, JoinForm form = JoinForm::first) : aead_(key), aad_(std::move(aad)), form_(form) {}
  crypto::AesGcm& aead() { return aead_; }
  Bytes aad() const { return aad_; }
  JoinForm form() const { return form_; }

 private:
  crypto::AesGcm aead_;
  Buffer aad_;
  JoinForm form_;
};

struct JoinRequest {
  Buffer frame;
  JoinAnswerKey answer_key;
};
/// Errors: caller_misused (too many topics, no filters, a key that it lacks), the key store's.
Result<JoinRequest> join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key, const BrokerIdentity& broker,
                                 Random& random, Now now);
Result<JoinRequest> first_join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key,
                                       const BrokerIdentity& broker, Random& random, Now now);
Result<JoinRequest> paper_join_request(const Ticket& ticket, const JoinRights& rights, KeyStore& key,
                                       const BrokerIdentity& broker, Random& random, Now now);

struct ReadJoin {
  VerifiedJoining joining;
  JoinAnswerKey answer_key;
  crypto::Digest used_point;  ///< for a memory: the same for R and -R
};
/// Errors: malformed, peer_misbehaved (changed, for another broker, a signature or proof wrong, not fresh), peer_incompatible (a
/// key that this build cannot verify). A ticket is burned by its first
/// use, right or wrong: once this succeeded, burn joining.ticket whatever the list says.
Result<ReadJoin> read_join(Bytes frame, KeyStore& broker, Now now);
Result<ReadJoin> read_paper_join(Bytes frame, KeyStore& broker, Now now);

/// The frame for `$sl/inbox`, in the form of the request.
Buffer answer_join(JoinAnswerKey& key, JoinStatus status, const Id& id, Random& random, Now now);
Buffer answer_paper_join(JoinAnswerKey& key, JoinStatus status, const Id& id, Random& random, Now now);

/// Error: not an answer to this request, or to somebody else.
Result<JoinStatus> read_join_answer(Bytes frame, JoinAnswerKey& key, const Id& own);
Result<JoinStatus> read_paper_join_answer(Bytes frame, JoinAnswerKey& key, const Id& own);

}  // namespace sealmq::malina
