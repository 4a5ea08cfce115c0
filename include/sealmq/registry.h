// Registry: who is known to a broker. Blocking; never called from an event loop, which uses a Directory instead.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>

#include "sealmq/identity.h"

namespace sealmq {

/// What carrying out a revocation ended.
struct RevocationReport {
  std::uint64_t sessions = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t queued = 0;
  std::uint64_t retained = 0;
  std::uint64_t groups = 0;
  std::uint64_t microseconds = 0;  ///< from the moment the broker saw the order
  RevocationReport& operator+=(const RevocationReport& other);
  bool operator==(const RevocationReport&) const = default;
};

struct RevocationOrder {
  std::uint64_t number;
  std::string name;
};

/// How far a revocation order has got.
struct Progress {
  struct Done {
    std::string broker;
    RevocationReport report;
    bool operator==(const Done&) const = default;
  };
  /// A broker that was known when the order was given and has not reported.
  struct Owed {
    std::string broker;
    std::optional<std::chrono::milliseconds> silence;  ///< since it was last heard of; nothing: it has said goodbye
    bool is_running() const;
  };
  std::vector<Done> done;  ///< by broker
  std::vector<Owed> owed;
  /// All that the reports tell, and the longest time.
  RevocationReport total() const;
  bool is_awaited() const;  ///< by a broker that runs
};

/// A broker says so often that it runs, and counts as running for so long after.
constexpr std::chrono::milliseconds heartbeat_interval{2000};
constexpr std::chrono::milliseconds longest_silence{6000};

/// Leave for somebody who is not on the list yet to put a key of their own there, once.
struct Ticket {
  std::string name;
  Kind kind = Kind::device;  ///< device, service or person
  Rights publish;
  Rights subscribe;
  std::vector<std::string> schemes;
  std::uint64_t expires = 0;  ///< wall milliseconds
  bool unproved = false;      ///< also for who does not prove to hold its keys
  bool operator==(const Ticket&) const = default;
};

/// SHA-256 of a ticket's code, which itself is kept nowhere.
using TicketHash = std::array<std::uint8_t, 32>;

/// crypto::key_hash of a public key.
using KeyHash = std::array<std::uint8_t, 32>;

/// An order of a revocation authority, its signature verified, as far as the registry is concerned.
struct AuthorityOrder {
  std::array<std::uint8_t, 32> authority{};  ///< SHA-256 of its public key
  std::uint64_t serial = 0;                  ///< from 1 on, without gaps
  std::array<std::uint8_t, 32> digest{};     ///< SHA-256 of what it has signed, without the signature
  bool restores = false;                     ///< otherwise it revokes
  std::vector<KeyHash> keys;                 ///< whoever has any of them is meant, now and later; none: it has no effect
  std::uint64_t wall = 0;
};

/// What came of an order.
struct TakenOrder {
  bool is_new = false;              ///< false: it was taken before, by this broker or another
  std::vector<std::string> names;   ///< of those on the list whom it means, as long as it is new
  std::vector<KeyHash> latest_for;  ///< those of its keys that no later order of this authority names
};

/// Every call is one transaction. Errors: caller_misused (taken, unknown, already so) or environment. Any thread.
class Registry {
 public:
  virtual ~Registry() = default;

  /// The name and each public key must be new; keys that were revoked never are, nor those that an authority has revoked. Without
  /// any key it can log in by a password alone.
  virtual Result<> add(const Identity& identity) = 0;
  /// Reads, lets `change` edit, writes. Name and keys cannot change, nor whether it is revoked. Several writers at a time may
  /// make it call `change` again, with what is there by then.
  virtual Result<Identity> change(std::string_view name, const std::function<Result<>(Identity&)>& change) = 0;
  virtual Result<std::optional<Identity>> find(std::string_view name) = 0;
  /// By name.
  virtual Result<std::vector<Identity>> list() = 0;

  /// Marks it revoked and leaves an order for every broker; answers the order's number, which is higher than all before.
  virtual Result<std::uint64_t> revoke(std::string_view name, std::string_view reason, std::uint64_t wall) = 0;
  /// Takes the operator's revocation back. That of an authority stays, and is an error, unless `against_authority`: then the
  /// identity is active until the authority's next order about it.
  virtual Result<Identity> restore(std::string_view name, bool against_authority, std::uint64_t wall) = 0;
  /// Takes it off the list, and leaves an order like revoke(): what it has at a broker ends. Its name is free again, and so are
  /// its keys, unless it was revoked.
  virtual Result<std::uint64_t> remove(std::string_view name, std::uint64_t wall) = 0;
  /// Other keys under a name that is on the list; it keeps its rights and is active. The former keys are revoked for ever, by an
  /// order like that of revoke(). `proof`: as Identity::proof.
  virtual Result<std::uint64_t> rekey(const PublicIdentity& identity, std::string_view proof, std::uint64_t wall) = 0;
  /// Those that this broker still has to carry out: given since its first heartbeat. Each broker reports for itself.
  virtual Result<std::vector<RevocationOrder>> open_orders(std::string_view broker) = 0;
  virtual Result<> report(std::uint64_t order, std::string_view broker, const RevocationReport& report) = 0;
  virtual Result<Progress> progress(std::uint64_t order) = 0;
  /// The number of the last order about it; 0: none.
  virtual Result<std::uint64_t> last_order(std::string_view name) = 0;

  /// The first one makes the broker known. Time is that of the place where the registry is kept.
  virtual Result<> heartbeat(std::string_view broker) = 0;
  /// It ends, and nobody need wait for it until its next heartbeat.
  virtual Result<> goodbye(std::string_view broker) = 0;
  /// From now on the broker goes by the list as it is at this version.
  virtual Result<> follow(std::string_view broker, std::uint64_t version) = 0;
  /// Those that run and have not come so far.
  virtual Result<std::vector<std::string>> behind(std::uint64_t version) = 0;

  /// The name must be free. Forgets tickets that have expired by `wall`.
  virtual Result<> add_ticket(const TicketHash& hash, const Ticket& ticket, std::uint64_t wall) = 0;
  /// Takes the ticket away, whatever comes of it, so that of several who ask at a time one gets it. Nothing: there is none, or it
  /// has expired; for one that there is not, nothing is written.
  virtual Result<std::optional<Ticket>> burn_ticket(const TicketHash& hash, std::uint64_t wall) = 0;

  /// Those that can be used, by name.
  virtual Result<std::vector<Ticket>> tickets(std::uint64_t wall) = 0;
  /// All of this name; how many there were.
  virtual Result<std::size_t> cancel_tickets(std::string_view name) = 0;

  /// Carries out what the authority has ordered, and remembers it for good with the keys it names, whoever has them. All brokers
  /// of the registry agree on it. Errors: peer_misbehaved for an order that cannot stand beside those taken, peer_incompatible
  /// for one that comes too early.
  virtual Result<TakenOrder> take_order(const AuthorityOrder& order) = 0;
  /// The serial of the last that was taken; 0: none.
  virtual Result<std::uint64_t> last_serial(const std::array<std::uint8_t, 32>& authority) = 0;

  /// A number that is higher after any change of the list and any order, by anybody, also another process.
  virtual Result<std::uint64_t> version() = 0;
  /// Returns the version as soon as it is not `seen`, and after `patience` at the latest. One thread at a time.
  virtual Result<std::uint64_t> wait_for_change(std::uint64_t seen, std::chrono::milliseconds patience) = 0;
};

/// Makes the file (0600) if it is missing.
Result<std::unique_ptr<Registry>> open_sqlite_registry(const std::string& path);
/// `postgresql://USER@HOST/DATABASE`, as libpq reads it, and shared by as many brokers as like. Makes its tables if they are
/// missing. No call takes longer than some seconds; a connection that was lost is made again by the next call. Errors: also
/// caller_misused, for a URL that holds a password: the process list would show it.
Result<std::unique_ptr<Registry>> open_postgres_registry(const std::string& url);
/// For tests and for a broker without a disk.
std::unique_ptr<Registry> make_memory_registry();

/// The whole list at one moment, in memory; what event loops look into. Immutable: share it between threads.
class Directory {
 public:
  Directory() = default;
  /// What was worked out for the same identities in `former` is taken over from it; null: there is none.
  explicit Directory(std::vector<Identity> identities, const Directory* former = nullptr);
  Directory(Directory&&) = default;
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  /// Null when unknown. The pointer lives as long as the Directory.
  const Identity* find(std::string_view name) const;
  const Identity* find_by_schnorr(const std::array<std::uint8_t, 32>& id) const;
  /// As stamps name their author: by the first 16 bytes of the thumbprint of its ECDSA key (crypto/thumbprint.h); or, as they did
  /// before, by the first 6 of the SHA-256 of that key. Null also if two answer to them.
  const Identity* find_by_stamp(Bytes id) const;
  const std::vector<Identity>& all() const { return identities_; }

 private:
  std::vector<Identity> identities_;
  std::unordered_map<std::string_view, const Identity*> by_name_;
  std::unordered_map<std::string_view, const Identity*> by_schnorr_;
  /// Of the identity at the same place; empty octets: it signs nothing.
  struct Stamps {
    std::array<std::uint8_t, 16> id{};
    std::array<std::uint8_t, 6> earlier{};
  };
  std::vector<Stamps> stamps_;
  std::unordered_map<std::string_view, const Identity*> by_stamp_;  // null: of two
};

}  // namespace sealmq
