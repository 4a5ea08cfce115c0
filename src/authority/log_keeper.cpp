#include "authority/log_keeper.h"

#include <algorithm>
#include <map>

#include "base/try.h"
#include "crypto/identity_digest.h"

namespace sealmq::authority {
namespace {

using sqlite::Database;
using sqlite::Transaction;

constexpr const char* schema = R"(
  CREATE TABLE authority (ecdsa BLOB NOT NULL) STRICT;
  CREATE TABLE leaves (position INTEGER PRIMARY KEY CHECK (position >= 0), leaf BLOB NOT NULL) STRICT;
  CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), frame BLOB NOT NULL) STRICT;
  CREATE TRIGGER leaves_stay_as_they_are BEFORE UPDATE ON leaves BEGIN SELECT raise(ABORT, 'an entry cannot change'); END;
  CREATE TRIGGER leaves_stay             BEFORE DELETE ON leaves BEGIN SELECT raise(ABORT, 'an entry cannot go'); END;
  PRAGMA user_version = 1;
)";
constexpr std::uint64_t newest_schema = 1;

Failure damaged(std::string_view what) {
  return fail(Blame::environment, "the log of this authority is damaged: " + std::string(what));
}

Failure set_back(std::string_view what) {
  return fail(Blame::peer_misbehaved,
              "a head of this authority's log " + std::string(what) +
                  ": this folder was set back, or another authority works with the key\nhint: go on in the folder that has the "
                  "later entries; or sealmq authority serve --adopt takes them from the brokers");
}

Result<> prepare(Database& database, Bytes authority) {
  auto transaction = TRY(Transaction::begin(database));
  const auto found = TRY(database.number("PRAGMA user_version"));
  if (found > newest_schema) return damaged("it is of a later program");
  if (found == 0) {
    TRY(database.execute(schema));
    auto insert = TRY(database.prepare("INSERT INTO authority VALUES (?)"));
    TRY(insert.bind(authority).run());
  }
  auto row = TRY(database.prepare("SELECT ecdsa FROM authority"));
  if (!TRY(row.step())) return damaged("whose it is is not said");
  if (!std::ranges::equal(row.blob(0), authority))
    return fail(Blame::caller_misused, "this is the log of another authority's key");
  return transaction.commit();
}

/// Who may enter it: who it is about.
const crypto::Digest* whose(const key_log::Leaf& leaf) {
  if (const auto* deal = std::get_if<key_log::DealLeaf>(&leaf.body)) return &deal->administrator;
  if (const auto* delegation = std::get_if<key_log::DelegationLeaf>(&leaf.body)) return &delegation->owner;
  return nullptr;
}

}  // namespace

Result<std::unique_ptr<LogKeeper>> LogKeeper::open(const std::string& path, KeyStore& key, OrderLedger& orders,
                                                   ContentOfOrder content) {
  auto database = TRY(Database::open(path));
  TRY(prepare(database, key.identity().keys.ecdsa));
  std::unique_ptr<LogKeeper> made(new LogKeeper(std::move(database), key, orders, std::move(content)));
  TRY(made->load());
  return made;
}

Result<> LogKeeper::load() {
  waiting_ = TRY(orders_.after(0));
  {
    auto rows = TRY(database_.prepare("SELECT position, leaf FROM leaves ORDER BY position"));
    while (TRY(rows.step())) {
      if (rows.number(0) != tree_.size()) return damaged("an entry is missing");
      TRY(fold_in(rows.blob(1)));
    }
  }
  waiting_.clear();
  auto row = TRY(database_.prepare("SELECT frame FROM head"));
  if (!TRY(row.step())) return {};
  const auto head = key_log::read_head(row.blob(0), key_.identity().keys);
  if (!head) return damaged("its head: " + head.error().what);
  if ((*head)->size > tree_.size() || TRY(root_at((*head)->size)) != (*head)->root) return damaged("its head is of another tree");
  head_ = to_buffer(row.blob(0));
  head_time_ = (*head)->time;
  return {};
}

/// Of an entry that stands in the log, or will at once.
Result<> LogKeeper::fold_in(Bytes leaf) {
  const auto decoded = key_log::decode_leaf(leaf);
  if (!decoded) return damaged(decoded.error().what);
  if (const auto* order = std::get_if<key_log::OrderLeaf>(&decoded->body)) {
    const std::uint64_t serial = fold_.last_serial() + 1;
    const auto its = std::ranges::find(waiting_, serial, &IssuedOrder::serial);
    if (its == waiting_.end() || TRY(content_(its->frame)) != order->content)
      return damaged("order " + std::to_string(serial) + " is another one in the ledger");
    fold_.order(serial, its->decision.restores, its->decision.keys);
  } else if (const auto* deal = std::get_if<key_log::DealLeaf>(&decoded->body)) {
    fold_.deal(*deal, decoded->time);
  }
  tree_.add(leaf);
  return {};
}

Result<> LogKeeper::append(const std::vector<Buffer>& leaves) {
  auto transaction = TRY(Transaction::begin(database_));
  std::uint64_t position = tree_.size();
  for (const Buffer& leaf : leaves) {
    auto insert = TRY(database_.prepare("INSERT INTO leaves VALUES (?, ?)"));
    TRY(insert.bind(position++).bind(Bytes(leaf)).run());
  }
  TRY(transaction.commit());
  for (const Buffer& leaf : leaves) TRY(fold_in(leaf));
  return {};
}

// -- what is entered

Result<bool> LogKeeper::enter_orders(std::uint64_t wall) {
  waiting_ = TRY(orders_.after(fold_.last_serial()));
  std::vector<Buffer> leaves;
  for (const IssuedOrder& order : waiting_)
    leaves.push_back(encode(key_log::Leaf{wall, key_log::OrderLeaf{TRY(content_(order.frame))}}));
  if (leaves.empty()) return false;
  TRY(append(leaves));
  waiting_.clear();
  return true;
}

Result<bool> LogKeeper::enter(const key_log::VerifiedSubmitted& submitted, const std::vector<PublicIdentity>& administrators,
                              std::uint64_t wall) {
  const key_log::Leaf& leaf = submitted->leaf;
  const auto by =
      std::ranges::find_if(administrators, [&](const PublicIdentity& its) { return its.keys.ecdsa == submitted->submitter; });
  if (by == administrators.end()) return fail(Blame::not_authorised, "it is of nobody who is listed here");
  const crypto::Digest* owner = whose(leaf);
  if (owner == nullptr || *owner != crypto::identity_digest(by->keys))
    return fail(Blame::peer_misbehaved, by->name + " enters something about somebody else");
  if (leaf.time + behind < wall || leaf.time > wall + ahead)
    return fail(Blame::peer_misbehaved, "it is too old, or the clock of " + by->name + " is wrong");
  if (const auto* deal = std::get_if<key_log::DealLeaf>(&leaf.body)) {
    const std::uint64_t last = fold_.last_deal(deal->administrator, deal->filter);
    if (deal->number == last) return false;  // sent once more
    if (deal->number < last) return fail(Blame::peer_misbehaved, "a later deal of " + by->name + " has been entered");
  }
  for (const KeyHash& key : crypto::key_hashes(by->keys))
    if (fold_.is_revoked(key)) return fail(Blame::not_authorised, by->name + " is revoked");
  TRY(append({encode(leaf)}));
  return true;
}

// -- what is told

Result<Buffer> LogKeeper::make_head(std::uint64_t wall) {
  key_log::Head head;
  head.authority = crypto::identity_digest(key_.identity().keys);
  head.size = tree_.size();
  head.time = std::max(wall, head_time_ + 1);  // readers take none that is older
  head.root = tree_.root();
  head.state = crypto::sha256(state());
  head.period = period;
  head.last_serial = fold_.last_serial();
  Buffer frame = TRY(key_log::sign_head(head, key_));
  TRY(keep_head(frame));
  head_time_ = head.time;
  return frame;
}

Result<> LogKeeper::keep_head(Buffer frame) {
  auto put = TRY(database_.prepare("INSERT INTO head VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET frame = excluded.frame"));
  TRY(put.bind(Bytes(frame)).run());
  head_ = std::move(frame);
  return {};
}

Result<Buffer> LogKeeper::bundle(std::uint64_t number) {
  const std::uint64_t first = number * key_log::bundle_size;
  return key_log::encode(key_log::Entries{first, TRY(leaves(first, key_log::bundle_size))});
}

Result<std::vector<Buffer>> LogKeeper::leaves(std::uint64_t first, std::uint64_t count) {
  auto rows = TRY(database_.prepare("SELECT leaf FROM leaves WHERE position >= ? AND position < ? ORDER BY position"));
  rows.bind(first).bind(first + count);
  std::vector<Buffer> found;
  while (TRY(rows.step())) found.push_back(to_buffer(rows.blob(0)));
  return found;
}

// -- is this folder the newest?

Result<crypto::Digest> LogKeeper::root_at(std::uint64_t size) {
  if (size == tree_.size()) return tree_.root();
  crypto::TreeFrontier tree;
  auto rows = TRY(database_.prepare("SELECT leaf FROM leaves WHERE position < ? ORDER BY position"));
  rows.bind(size);
  while (TRY(rows.step())) tree.add(rows.blob(0));
  return tree.root();
}

Result<> LogKeeper::judge(Bytes frame) {
  const auto head = key_log::read_head(frame, key_.identity().keys);
  if (!head) return {};
  if ((*head)->size > tree_.size()) return set_back("has more entries than this folder");
  if (TRY(root_at((*head)->size)) != (*head)->root) return set_back("has other entries than this folder");
  if ((*head)->time > head_time_) return set_back("is later than any that was signed in this folder");
  return {};
}

Result<> LogKeeper::adopt(Bytes frame, const std::map<std::uint64_t, Buffer>& bundles) {
  const key_log::Head head = *TRY(key_log::read_head(frame, key_.identity().keys));
  const auto lead_elsewhere = [] {
    return fail(Blame::peer_misbehaved, "the entries there do not lead from those here to that head");
  };
  crypto::TreeFrontier tree = tree_;
  std::vector<Buffer> missing;
  while (tree.size() < head.size) {
    const auto bundle = bundles.find(tree.size() / key_log::bundle_size);
    if (bundle == bundles.end()) return lead_elsewhere();
    const auto entries = TRY(key_log::decode_entries(bundle->second));
    const std::uint64_t at = tree.size() % key_log::bundle_size;
    if (entries.first != bundle->first * key_log::bundle_size || entries.leaves.size() <= at) return lead_elsewhere();
    const Buffer& leaf = missing.emplace_back(entries.leaves[at]);
    tree.add(leaf);
  }
  if (tree.size() != head.size || tree.root() != head.root) return lead_elsewhere();
  waiting_ = TRY(orders_.after(fold_.last_serial()));
  std::uint64_t serial = fold_.last_serial();
  for (const Buffer& leaf : missing) {
    const auto decoded = TRY(key_log::decode_leaf(leaf));
    const auto* order = std::get_if<key_log::OrderLeaf>(&decoded.body);
    if (order == nullptr) continue;
    const auto its = std::ranges::find(waiting_, ++serial, &IssuedOrder::serial);
    if (its == waiting_.end() || TRY(content_(its->frame)) != order->content)
      return fail(Blame::caller_misused, "order " + std::to_string(serial) +
                                             " is not in this folder: its ledger was set back too, and that has to come "
                                             "from a copy of the folder");
  }
  TRY(append(missing));
  waiting_.clear();
  TRY(keep_head(to_buffer(frame)));
  head_time_ = std::max(head_time_, head.time);
  return {};
}

}  // namespace sealmq::authority
