#include "server/message_keys.h"

#include <algorithm>

#include "base/try.h"
#include "base/writer.h"
#include "crypto/agree.h"
#include "crypto/kdf.h"

namespace sealmq::server {
namespace {

/// The AES key of one process.
Secret epoch_key(const Secret& shared, const PublicKeys& broker, Bytes ephemeral) {
  Buffer info = to_buffer(as_bytes("sealmq store 1"));
  append(info, broker.agreement);
  append(info, ephemeral);
  return crypto::hkdf(shared.reveal(), {}, info, 32);
}

crypto::Iv iv_of(std::uint64_t counter) {
  crypto::Iv iv{};
  for (std::size_t i = 0; i < 8; ++i) iv[4 + i] = static_cast<std::uint8_t>(counter >> (8 * (7 - i)));
  return iv;
}

Buffer number_bytes(std::uint64_t number) {
  Buffer bytes;
  Writer(bytes).u64(number);
  return bytes;
}

}  // namespace

Result<> MessageKeys::begin_epoch(sqlite::Database& database) {
  const auto ephemeral = crypto::AgreementKey::generate(random_);
  const PublicKeys& broker = key_.identity().keys;
  const Secret shared = TRY(crypto::agree(ephemeral, broker.agreement));
  auto transaction = TRY(sqlite::Transaction::begin(database));
  TRY(database.execute("DELETE FROM epoch_1 WHERE epoch NOT IN (SELECT epoch FROM message_1)"));
  const std::uint64_t epoch = TRY(database.number("SELECT coalesce(max(epoch), 0) + 1 FROM epoch_1"));
  auto insert = TRY(database.prepare("INSERT INTO epoch_1 VALUES (?, ?)"));
  TRY(insert.bind(epoch).bind(Bytes(ephemeral.public_key())).run());
  TRY(transaction.commit());
  epoch_ = epoch;
  iv_ = crypto::Counter();
  present_.emplace(epoch_key(shared, broker, ephemeral.public_key()));
  return {};
}

MessageKeys::Sealed MessageKeys::seal(std::uint64_t number, Bytes record) {
  Sealed sealed{epoch_, iv_.take().value(), {}};  // an IV is used once, also when the transaction is undone
  present_->seal(iv_of(sealed.iv), number_bytes(number), record, sealed.bytes);
  return sealed;
}

Result<MessageKeys::Earlier> MessageKeys::earlier(sqlite::Database& database) {
  Earlier keys;
  auto epochs = TRY(database.prepare("SELECT epoch, ephemeral FROM epoch_1"));
  while (TRY(epochs.step())) {
    crypto::Sec1Compressed ephemeral{};
    const Bytes blob = epochs.blob(1);
    if (blob.size() != ephemeral.size()) continue;
    std::copy(blob.begin(), blob.end(), ephemeral.begin());
    const auto shared = key_.agree(ephemeral);
    if (shared) keys.emplace(epochs.number(0), crypto::AesGcm(epoch_key(*shared, key_.identity().keys, ephemeral)));
  }
  return keys;
}

Result<Buffer> MessageKeys::open(Earlier& keys, std::uint64_t number, std::uint64_t epoch, std::uint64_t iv, Bytes sealed) {
  const auto key = keys.find(epoch);
  if (key == keys.end()) return fail(Blame::environment, "no key");
  return key->second.open(iv_of(iv), number_bytes(number), sealed);
}

}  // namespace sealmq::server
