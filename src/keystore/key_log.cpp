#include "keystore/key_log.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "crypto/ecdsa.h"
#include "crypto/identity_digest.h"

namespace sealmq::key_log {
namespace {

constexpr std::uint8_t malformed = 0x99;  // payload format invalid
constexpr std::array<std::uint8_t, 3> head_start{0x02, 0x54, 0x02};
constexpr std::array<std::uint8_t, 3> state_start{0x02, 0x55, 0x01};
constexpr std::array<std::uint8_t, 3> entries_start{0x02, 0x56, 0x01};
constexpr std::array<std::uint8_t, 3> submit_start{0x02, 0x57, 0x02};
constexpr std::array<std::uint8_t, 3> frontier_start{0x02, 0x59, 0x01};
constexpr std::string_view head_tag = "SealMQ log head";
constexpr std::string_view submit_tag = "SealMQ log entry";
constexpr std::size_t ml_dsa_44_size = 2420;
constexpr std::size_t ml_dsa_65_size = 3309;

enum class Type : std::uint8_t { order = 1, identity = 2, deal = 3, delegation = 4 };

std::string below(std::string_view authority, std::string_view what) {
  return std::string(topic_prefix) + "/" + std::string(authority) + "/" + std::string(what);
}

Reader begin(Bytes frame) {
  Reader in(frame);
  in.answer_with(malformed);
  return in;
}

Reader begin(Bytes frame, Bytes start) {
  Reader in = begin(frame);
  in.expect(start);
  return in;
}

// -- the bodies of leaves

struct WriteBody {
  Writer& out;
  void operator()(const OrderLeaf& leaf) const { out.lp16(leaf.content); }
  void operator()(const IdentityLeaf& leaf) const {
    out.u8(static_cast<std::uint8_t>(leaf.what)).bytes(leaf.identity).bytes(leaf.name).bytes(leaf.statement);
  }
  void operator()(const DealLeaf& leaf) const {
    out.bytes(leaf.administrator).bytes(leaf.filter).u64(leaf.number).bytes(leaf.message);
  }
  void operator()(const DelegationLeaf& leaf) const {
    out.bytes(leaf.owner).bytes(leaf.filter).bytes(leaf.delegate).u64(leaf.serial).u64(leaf.not_after);
  }
};

OrderLeaf read_order_leaf(Reader& in) {
  OrderLeaf leaf;
  leaf.content = to_buffer(in.lp16());
  if (leaf.content.empty()) in.fail("an order without content");
  return leaf;
}

IdentityLeaf read_identity_leaf(Reader& in) {
  IdentityLeaf leaf;
  const std::uint8_t what = in.u8();
  if (what < 1 || what > 3) in.fail("nothing of the kind becomes of an identity");
  leaf.what = static_cast<IdentityLeaf::What>(what);
  leaf.identity = in.array<32>();
  leaf.name = in.array<32>();
  leaf.statement = in.array<32>();
  return leaf;
}

DealLeaf read_deal_leaf(Reader& in) {
  DealLeaf leaf;
  leaf.administrator = in.array<32>();
  leaf.filter = in.array<32>();
  leaf.number = in.u64();
  leaf.message = in.array<32>();
  return leaf;
}

DelegationLeaf read_delegation_leaf(Reader& in) {
  DelegationLeaf leaf;
  leaf.owner = in.array<32>();
  leaf.filter = in.array<32>();
  leaf.delegate = in.array<32>();
  leaf.serial = in.u64();
  leaf.not_after = in.u64();
  return leaf;
}

/// u8 type || u64 t || body
Leaf read_leaf(Reader& in) {
  Leaf leaf;
  const auto type = static_cast<Type>(in.u8());
  leaf.time = in.u64();
  switch (type) {
    case Type::order:
      leaf.body = read_order_leaf(in);
      break;
    case Type::identity:
      leaf.body = read_identity_leaf(in);
      break;
    case Type::deal:
      leaf.body = read_deal_leaf(in);
      break;
    case Type::delegation:
      leaf.body = read_delegation_leaf(in);
      break;
    default:
      in.fail("no such entry");
  }
  return leaf;
}

void write(const Leaf& leaf, Writer& out) {
  out.u8(static_cast<std::uint8_t>(leaf.body.index() + 1)).u64(leaf.time);
  std::visit(WriteBody{out}, leaf.body);
}

// -- signatures: ECDSA || lp16(ML-DSA)

Buffer tagged(std::string_view tag, Bytes content) {
  Buffer out = to_buffer(as_bytes(tag));
  append(out, content);
  return out;
}

Result<Buffer> with_signature(Buffer content, std::string_view tag, KeyStore& key) {
  const auto signature = crypto::ecdsa::lowered(TRY(key.sign_ecdsa(tagged(tag, content))));
  Writer(content).bytes(signature).lp16(Bytes());
  return content;
}

/// Reads both and finishes. Error: not signed so.
Result<> check_signatures(Reader& in, Bytes frame, std::string_view tag, Bytes key) {
  const Bytes content = frame.first(frame.size() - in.remaining());
  const auto signature = in.array<64>();
  const std::size_t second = in.lp16().size();
  if (!in.failed() && second != 0 && second != ml_dsa_44_size && second != ml_dsa_65_size) in.fail("not a signature");
  TRY(in.finish(true));
  const auto verifying = TRY(crypto::ecdsa::VerifyingKey::from_sec1(key));
  if (!crypto::ecdsa::is_low(signature) || !crypto::ecdsa::verify(verifying, tagged(tag, content), signature))
    return fail(Blame::peer_misbehaved, "it is not signed by who it says");
  return {};
}

// -- parts of the state

/// u64 serial || u8 n || n key hashes
State::Revoked read_revoked(Reader& in) {
  State::Revoked revoked;
  revoked.serial = in.u64();
  unsigned left = in.u8();
  if (left == 0) in.fail("a revocation of nobody");
  for (; left > 0 && !in.failed(); --left) revoked.keys.push_back(in.array<32>());
  return revoked;
}

/// D || SHA-256(filter) || u64 number || digest || u64 t
State::Deal read_deal(Reader& in) {
  State::Deal deal;
  deal.last = read_deal_leaf(in);
  deal.time = in.u64();
  return deal;
}

std::pair<Digest, Digest> place_of(const State::Deal& deal) {
  return {deal.last.administrator, deal.last.filter};
}

}  // namespace

std::string filter_of(std::string_view authority) {
  return below(authority, "#");
}
std::string head_topic(std::string_view authority) {
  return below(authority, "head");
}
std::string state_topic(std::string_view authority) {
  return below(authority, "state");
}
std::string frontier_topic(std::string_view authority) {
  return below(authority, "frontier");
}
std::string submit_topic(std::string_view authority) {
  return below(authority, "submit");
}
std::string entries_topic(std::string_view authority, std::uint64_t bundle) {
  return below(authority, "entries/" + std::to_string(bundle));
}
std::string entries_filter(std::string_view authority) {
  return below(authority, "entries/+");
}

// -- leaves

Buffer encode(const Leaf& leaf) {
  Buffer out;
  Writer writer(out);
  write(leaf, writer);
  return out;
}

Result<Leaf> decode_leaf(Bytes bytes) {
  Reader in = begin(bytes);
  Leaf leaf = read_leaf(in);
  return in.finish(std::move(leaf));
}

// -- state

Buffer encode(const State& state) {
  Buffer frame;
  Writer out(frame);
  out.bytes(state_start).u64(state.size).u32(static_cast<std::uint32_t>(state.revoked.size()));
  for (const State::Revoked& its : state.revoked) {
    out.u64(its.serial).u8(static_cast<std::uint8_t>(its.keys.size()));
    for (const KeyHash& key : its.keys) out.bytes(key);
  }
  out.u32(static_cast<std::uint32_t>(state.deals.size()));
  for (const State::Deal& its : state.deals) {
    WriteBody{out}(its.last);
    out.u64(its.time);
  }
  return frame;
}

Result<State> decode_state(Bytes frame) {
  Reader in = begin(frame, state_start);
  State state;
  state.size = in.u64();
  for (std::uint32_t left = in.u32(); left > 0 && !in.failed(); --left) {
    auto revoked = read_revoked(in);
    if (!state.revoked.empty() && state.revoked.back().serial >= revoked.serial) in.fail("revocations out of order");
    state.revoked.push_back(std::move(revoked));
  }
  for (std::uint32_t left = in.u32(); left > 0 && !in.failed(); --left) {
    const auto deal = read_deal(in);
    if (!state.deals.empty() && place_of(state.deals.back()) >= place_of(deal)) in.fail("deals out of order");
    state.deals.push_back(deal);
  }
  return in.finish(std::move(state));
}

void StateFold::order(std::uint64_t serial, bool restores, const std::vector<KeyHash>& keys) {
  for (const KeyHash& key : keys) {
    standing_.erase(key);
    if (!restores) standing_.emplace(key, serial);
  }
  if (!restores) as_named_.emplace(serial, keys);
  last_serial_ = std::max(last_serial_, serial);
}

void StateFold::deal(const DealLeaf& leaf, std::uint64_t time) {
  deals_[{leaf.administrator, leaf.filter}] = {leaf, time};
}

State StateFold::state(std::uint64_t size) const {
  State state{size, {}, {}};
  for (const auto& [serial, keys] : as_named_) {
    State::Revoked revoked{serial, {}};
    for (const KeyHash& key : keys)
      if (const auto its = standing_.find(key); its != standing_.end() && its->second == serial) revoked.keys.push_back(key);
    if (!revoked.keys.empty()) state.revoked.push_back(std::move(revoked));
  }
  for (const auto& [place, deal] : deals_) state.deals.push_back(deal);
  return state;
}

std::uint64_t StateFold::last_deal(const Digest& administrator, const Digest& filter) const {
  const auto its = deals_.find({administrator, filter});
  return its == deals_.end() ? 0 : its->second.last.number;
}

// -- head

Result<Buffer> sign_head(const Head& head, KeyStore& authority) {
  Buffer content;
  Writer(content)
      .bytes(head_start)
      .bytes(head.authority)
      .u64(head.size)
      .u64(head.time)
      .bytes(head.root)
      .bytes(head.state)
      .u32(head.period)
      .u64(head.last_serial);
  return with_signature(std::move(content), head_tag, authority);
}

class HeadReader {
 public:
  static Result<VerifiedHead> read(Bytes frame, const PublicKeys& authority) {
    Reader in = begin(frame, head_start);
    Head head;
    head.authority = in.array<32>();
    head.size = in.u64();
    head.time = in.u64();
    head.root = in.array<32>();
    head.state = in.array<32>();
    head.period = in.u32();
    head.last_serial = in.u64();
    TRY(check_signatures(in, frame, head_tag, authority.ecdsa));
    if (head.authority != crypto::identity_digest(authority)) return fail(Blame::peer_misbehaved, "the head of another log");
    return VerifiedHead(head);
  }
};

Result<VerifiedHead> read_head(Bytes frame, const PublicKeys& authority) {
  return HeadReader::read(frame, authority);
}

// -- entries, frontier

Buffer encode(const Entries& entries) {
  Buffer frame;
  Writer out(frame);
  out.bytes(entries_start).u64(entries.first).u16(static_cast<std::uint16_t>(entries.leaves.size()));
  for (const Buffer& leaf : entries.leaves) out.lp16(leaf);
  return frame;
}

Result<Entries> decode_entries(Bytes frame) {
  Reader in = begin(frame, entries_start);
  Entries entries;
  entries.first = in.u64();
  unsigned left = in.u16();
  if (left == 0 || left > bundle_size || entries.first % bundle_size != 0) in.fail("not a bundle of entries");
  for (; left > 0 && !in.failed(); --left) entries.leaves.push_back(to_buffer(in.lp16()));
  return in.finish(std::move(entries));
}

Buffer encode(const crypto::TreeFrontier& frontier) {
  Buffer frame;
  Writer out(frame);
  out.bytes(frontier_start).u64(frontier.size()).u8(static_cast<std::uint8_t>(frontier.subtrees().size()));
  for (const Digest& subtree : frontier.subtrees()) out.bytes(subtree);
  return frame;
}

Result<crypto::TreeFrontier> decode_frontier(Bytes frame) {
  Reader in = begin(frame, frontier_start);
  const std::uint64_t size = in.u64();
  std::vector<Digest> subtrees;
  for (unsigned left = in.u8(); left > 0 && !in.failed(); --left) subtrees.push_back(in.array<32>());
  return crypto::TreeFrontier::from(size, TRY(in.finish(std::move(subtrees))));
}

// -- submitted

Result<Buffer> submit(const Leaf& leaf, KeyStore& submitter) {
  if (std::holds_alternative<OrderLeaf>(leaf.body))
    return fail(Blame::caller_misused, "orders are entered by the authority alone");
  Buffer content;
  Writer out(content);
  out.bytes(submit_start);
  write(leaf, out);
  out.bytes(submitter.identity().keys.ecdsa);
  return with_signature(std::move(content), submit_tag, submitter);
}

class SubmittedReader {
 public:
  static Result<VerifiedSubmitted> read(Bytes frame) {
    Reader in = begin(frame, submit_start);
    Submitted submitted;
    submitted.leaf = read_leaf(in);
    if (!in.failed() && std::holds_alternative<OrderLeaf>(submitted.leaf.body)) in.fail("orders are the authority's own");
    submitted.submitter = in.array<33>();
    TRY(check_signatures(in, frame, submit_tag, submitted.submitter));
    return VerifiedSubmitted(std::move(submitted));
  }
};

Result<VerifiedSubmitted> read_submitted(Bytes frame) {
  return SubmittedReader::read(frame);
}

}  // namespace sealmq::key_log
