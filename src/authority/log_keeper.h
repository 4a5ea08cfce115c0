// The key log of a revocation authority, on its disk: entries in a tree that only grows, and the last head that was signed over
// it. What it is for: schemes/malina/revocation.md; its bytes: keystore/key_log.h.
//
// Entries and heads are on the disk before anybody is told of them, so that an authority that is started anew never signs
// another history. That the folder itself is as new as the world is seen by what brokers retain: judge().
//
// One process at a time writes (AuthorityFolder::lock()); one thread.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "authority/order_ledger.h"
#include "keystore/key_log.h"
#include "registry/sqlite.h"

namespace sealmq::authority {

/// What is signed of an order, without its tag. Errors: it is none of this authority's.
using ContentOfOrder = std::function<Result<Buffer>(Bytes frame)>;

class LogKeeper {
 public:
  static constexpr std::uint32_t period = 60;  ///< seconds between heads, at most
  static constexpr std::uint64_t behind = 30'000;
  static constexpr std::uint64_t ahead = 5'000;

  /// Makes the file (0600) if it is missing. `key` outlives it. Errors: environment, also for entries that are damaged;
  /// caller_misused, for the log of another key.
  static Result<std::unique_ptr<LogKeeper>> open(const std::string& path, KeyStore& key, OrderLedger& orders,
                                                 ContentOfOrder content);

  // -- what is entered. True: something new was.

  /// Orders of the ledger that the log has not.
  Result<bool> enter_orders(std::uint64_t wall);
  /// What an administrator has submitted. Errors: peer_misbehaved: it is about somebody else, too old or of the future;
  /// not_authorised: not one of `administrators`.
  Result<bool> enter(const key_log::VerifiedSubmitted& submitted, const std::vector<PublicIdentity>& administrators,
                     std::uint64_t wall);

  // -- what is told

  /// Signs the present state of things.
  Result<Buffer> make_head(std::uint64_t wall);
  /// The last head that was signed; nothing: there has been none.
  const std::optional<Buffer>& head() const { return head_; }
  Buffer state() const { return encode(fold_.state(tree_.size())); }
  Buffer frontier() const { return key_log::encode(tree_); }
  std::uint64_t size() const { return tree_.size(); }
  /// Of these 256 entries those that there are.
  Result<Buffer> bundle(std::uint64_t number);

  // -- is this folder the newest?

  /// Of a head that somebody retains. Errors: peer_misbehaved: it is ours and says what this folder does not know, so the folder
  /// is a copy, or was set back. One that is not ours says nothing.
  Result<> judge(Bytes head);
  /// Takes over entries under a head of ours that is later than this folder; `bundles`: by their numbers. Errors: as judge(), if
  /// they do not lead from the entries here to that head; caller_misused: orders are among them that the ledger has not.
  Result<> adopt(Bytes head, const std::map<std::uint64_t, Buffer>& bundles);

 private:
  LogKeeper(sqlite::Database database, KeyStore& key, OrderLedger& orders, ContentOfOrder content)
      : database_(std::move(database)), key_(key), orders_(orders), content_(std::move(content)) {}
  Result<> load();
  Result<> fold_in(Bytes leaf);
  Result<> append(const std::vector<Buffer>& leaves);
  Result<> keep_head(Buffer frame);
  Result<crypto::Digest> root_at(std::uint64_t size);
  Result<std::vector<Buffer>> leaves(std::uint64_t first, std::uint64_t count);

  sqlite::Database database_;
  KeyStore& key_;
  OrderLedger& orders_;
  const ContentOfOrder content_;
  crypto::TreeFrontier tree_;
  key_log::StateFold fold_;
  std::optional<Buffer> head_;
  std::uint64_t head_time_ = 0;
  std::vector<IssuedOrder> waiting_;  // of the ledger, that load() has still to meet in the log
};

}  // namespace sealmq::authority
