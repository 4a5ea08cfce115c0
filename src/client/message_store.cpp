#include "client/message_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error_text.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "client/message_properties.h"
#include "crypto/aead.h"
#include "crypto/agree.h"
#include "crypto/counter.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "keystore/file_access.h"
#include "mqtt/packet.h"

namespace sealmq {
namespace {

constexpr std::string_view magic = "SEALMQ-MESSAGES-1\n";
constexpr std::size_t tag_size = crypto::Aead::tag_size;
constexpr std::size_t spare = 1 << 20;  // of what is done with, before the file is written anew

enum class What : std::uint8_t { kept = 1, started = 2, received = 3, done = 4 };

/// What a message counts for beside topic and payload.
std::size_t octets(const StoredMessage& message) {
  std::size_t size = 64 + message.topic.size() + message.payload.size() + message.options.properties.correlation_data.size();
  size += message.options.properties.content_type.size() + message.options.properties.response_topic.size();
  for (const auto& [key, value] : message.options.user_properties) size += key.size() + value.size();
  return size;
}

Buffer header(std::string_view client_id, const std::optional<crypto::Sec1Compressed>& ephemeral) {
  Buffer bytes;
  Writer out(bytes);
  out.text(magic).u8(ephemeral ? 1 : 0).lp16(client_id);
  if (ephemeral) out.bytes(*ephemeral);
  return bytes;
}

Secret key_of(const Secret& shared, Bytes own, Bytes ephemeral) {
  Buffer info = to_buffer(as_bytes("sealmq messages 1"));
  append(info, own);
  append(info, ephemeral);
  return crypto::hkdf(shared.reveal(), {}, info, 32);
}

Buffer body(What what, std::uint64_t number) {
  Buffer bytes;
  Writer(bytes).u8(static_cast<std::uint8_t>(what)).u64(number);
  return bytes;
}

Buffer body(std::uint64_t number, const StoredMessage& message) {
  mqtt::Publish packet;
  packet.qos = message.options.qos;
  packet.retain = message.options.retain;
  packet.topic = message.topic;
  packet.packet_id = 1;  // it needs one
  packet.payload = message.payload;
  put(message.options.properties, packet.properties);
  put(message.options.user_properties, packet.properties);
  Buffer bytes = body(What::kept, number);
  Writer(bytes).u16(message.packet_id).u8(message.is_received ? 1 : 0);
  mqtt::encode(packet, mqtt::Version::v5, bytes);
  return bytes;
}

Result<StoredMessage> read_message(Reader in) {
  StoredMessage message;
  message.packet_id = in.u16();
  const auto received = in.u8();
  if (received > 1) in.fail("neither yes nor no");
  message.is_received = received == 1;
  const Bytes encoded = in.rest();
  TRY(in.finish(true));
  const auto found = TRY(mqtt::decode_header(encoded, mqtt::Version::v5));
  if (!found || found->type != mqtt::PacketType::publish || encoded.size() - found->size != found->remaining)
    return fail(Blame::peer_misbehaved, "not a PUBLISH");
  const auto packet = TRY(mqtt::decode_publish(found->flags, encoded.subspan(found->size), mqtt::Version::v5));
  if (packet.topic.empty() || packet.qos == mqtt::QoS::at_most_once) return fail(Blame::peer_misbehaved, "no message to keep");
  message.topic = packet.topic;
  message.payload = to_buffer(packet.payload);
  message.options.qos = packet.qos;
  message.options.retain = packet.retain;
  message.options.properties = copy_of(packet.properties);
  for (const auto& user : packet.properties.user) message.options.user_properties.emplace_back(user.name, user.value);
  return message;
}

/// False: this cannot come after what came before.
bool read_record(Bytes record, StoredMessages& messages) {
  Reader in(record);
  const auto what = static_cast<What>(in.u8());
  const auto number = in.u64();
  if (in.failed() || number == 0) return false;
  if (what == What::kept) {
    auto message = read_message(Reader(in.rest()));
    return message && messages.emplace(number, *std::move(message)).second;
  }
  const auto at = messages.find(number);
  if (at == messages.end()) return false;
  const std::uint16_t packet_id = what == What::started ? in.u16() : std::uint16_t{0};
  if (!in.finish(true)) return false;
  switch (what) {
    case What::started:
      at->second.packet_id = packet_id;
      return true;
    case What::received:
      at->second.is_received = true;
      return true;
    case What::done:
      messages.erase(at);
      return true;
    case What::kept:
      break;
  }
  return false;
}

Failure trouble(std::string_view doing, const std::string& path) {
  return fail(Blame::environment, std::string(doing) + " " + path + ": " + error_text(errno));
}

/// Not read_private_file(), which looks for keys in it: a message may be anything.
Result<Buffer> read_all(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat found {};
  if (!file.is_open() || ::fstat(file.number(), &found) != 0) return trouble("cannot read", path);
  if (!S_ISREG(found.st_mode)) return fail(Blame::caller_misused, path + " is not a file");
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return fail(Blame::caller_misused, path + " can be read by other users\nhint: chmod 600 " + path);
  Buffer content(static_cast<std::size_t>(found.st_size));
  for (std::size_t done = 0; done < content.size();) {
    const auto count = ::read(file.number(), content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return trouble("cannot read", path);
    done += static_cast<std::size_t>(count);
  }
  return content;
}

}  // namespace

bool StoredMessage::operator==(const StoredMessage& other) const {
  return body(1, *this) == body(1, other);
}

/// The records of one file: what is in each, and that they are those, in that order.
class MessageRecords {
 public:
  MessageRecords(Bytes header, std::optional<crypto::AesGcm> key) : header_(to_buffer(header)), key_(std::move(key)) {}

  /// Error: not the process that has begun the file.
  Result<> append(Bytes body, Buffer& out) {
    const std::uint64_t number = TRY(count_.take());
    Buffer sealed;
    if (key_) {
      key_->seal(iv(number), header_, body, sealed);
    } else {
      sealed = to_buffer(body);
      append_tag(number, body, sealed);
    }
    Writer(out).lp32(sealed);
    return {};
  }

  std::optional<Buffer> read(Bytes sealed) {
    if (sealed.size() < tag_size) return std::nullopt;
    if (key_) {
      auto body = key_->open(iv(read_), header_, sealed);
      if (!body) return std::nullopt;
      ++read_;
      return *std::move(body);
    }
    Buffer again = to_buffer(sealed.first(sealed.size() - tag_size));
    append_tag(read_, sealed.first(sealed.size() - tag_size), again);
    if (!std::ranges::equal(again, sealed)) return std::nullopt;
    again.erase(again.end() - tag_size, again.end());
    ++read_;
    return again;
  }

 private:
  static crypto::Iv iv(std::uint64_t number) {
    crypto::Iv iv{};
    for (std::size_t i = 0; i < 8; ++i) iv[4 + i] = static_cast<std::uint8_t>(number >> (8 * (7 - i)));
    return iv;
  }
  void append_tag(std::uint64_t number, Bytes body, Buffer& out) const {
    Buffer all = header_;
    Writer(all).u64(number).bytes(body);
    sealmq::append(out, Bytes(crypto::sha256(all)).first(tag_size));
  }

  Buffer header_;
  std::optional<crypto::AesGcm> key_;
  crypto::Counter count_;  // of those that were appended
  std::uint64_t read_ = 0;
};

Result<StoredMessages> read_stored_messages(Bytes file, std::string_view client_id, KeyStore* key, std::size_t& end) {
  Reader in(file);
  in.expect(magic);
  const auto sealed = in.u8();
  const std::string of(as_text(in.lp16()));
  std::optional<crypto::Sec1Compressed> ephemeral;
  if (sealed == 1) ephemeral = in.array<33>();
  if (in.failed() || sealed > 1) return fail(Blame::caller_misused, "not a store of messages");
  if (of != client_id) return fail(Blame::caller_misused, "it belongs to the client " + printable(of));
  if (ephemeral && key == nullptr) return fail(Blame::caller_misused, "it is sealed for a key, and this client has none");
  if (!ephemeral && key != nullptr) return fail(Blame::caller_misused, "it was written without a scheme, in clear");

  std::optional<crypto::AesGcm> aes;
  if (ephemeral) {
    const auto shared = key->agree(*ephemeral);
    if (!shared) return fail(Blame::caller_misused, "it is damaged, or sealed for another key");
    aes.emplace(key_of(*shared, key->identity().keys.agreement, *ephemeral));
  }
  MessageRecords records(header(client_id, ephemeral), std::move(aes));
  StoredMessages messages;
  bool is_first = true;
  for (end = file.size() - in.remaining(); in.remaining() > 0; end = file.size() - in.remaining()) {
    const auto body = records.read(in.lp32());
    if (in.failed() || !body || !read_record(*body, messages)) {
      if (is_first && ephemeral && !in.failed()) return fail(Blame::caller_misused, "it is damaged, or sealed for another key");
      break;
    }
    is_first = false;
  }
  return messages;
}

MessageStore::MessageStore(std::string path, std::string client_id, DataFolderLock lock, KeyStore* key, std::size_t limit,
                           Random& random)
    : path_(std::move(path)), client_id_(std::move(client_id)), lock_(std::move(lock)), limit_(limit), random_(random) {
  if (key != nullptr) own_key_ = key->identity().keys.agreement;
}
MessageStore::~MessageStore() = default;

Result<std::unique_ptr<MessageStore>> MessageStore::open(std::string path, std::string client_id, KeyStore* key,
                                                         std::size_t limit, Random& random) {
  if (key != nullptr && !is_there(key->identity().keys.agreement))
    return fail(Blame::caller_misused, "a key that agrees on nothing cannot protect the store " + path);
  auto lock = TRY(lock_file(path + ".lock", "another client uses " + path));
  std::unique_ptr<MessageStore> store(
      new MessageStore(std::move(path), std::move(client_id), std::move(lock), key, limit, random));
  if (exists(store->path_)) {
    const Buffer file = TRY(read_all(store->path_));
    std::size_t end = 0;
    auto read = read_stored_messages(file, store->client_id_, key, end);
    if (!read) return fail(read.error().blame, store->path_ + ": " + read.error().what);
    store->messages_ = *std::move(read);
    if (end < file.size()) {
      TRY(replace_file(store->path_ + ".damaged", as_text(file), Audience::owner));
      store->damage_ = store->path_ + " ends in the middle of a record, at " + std::to_string(end) + " of " +
                       std::to_string(file.size()) + " octets; as it was it lies in " + store->path_ + ".damaged";
    }
  }
  for (const auto& [number, message] : store->messages_) store->octets_ += octets(message);
  if (!store->messages_.empty()) store->last_number_ = store->messages_.rbegin()->first;
  TRY(store->rewrite());
  return store;
}

/// All that is kept, in a file and under a key of its own: no IV is used twice, whatever the last process has left behind.
Result<> MessageStore::rewrite() {
  std::optional<crypto::Sec1Compressed> ephemeral;
  std::optional<crypto::AesGcm> aes;
  if (own_key_) {
    const auto fresh = crypto::AgreementKey::generate(random_);
    const Secret shared = TRY(crypto::agree(fresh, *own_key_));
    ephemeral = fresh.public_key();
    aes.emplace(key_of(shared, *own_key_, *ephemeral));
  }
  Buffer content = header(client_id_, ephemeral);
  auto records = std::make_unique<MessageRecords>(content, std::move(aes));
  for (const auto& [number, message] : messages_) TRY(records->append(body(number, message), content));
  TRY(replace_file(path_, as_text(content), Audience::owner));
  file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC));
  if (!file_.is_open()) return trouble("cannot open", path_);
  records_ = std::move(records);
  size_ = content.size();
  unwritten_.clear();
  return {};
}

void MessageStore::append(Bytes body) {
  if (trouble_) return;
  const auto appended = records_->append(body, unwritten_);
  if (!appended) trouble_ = Error{Blame::environment, path_ + " belongs to the process that forked", 0};
}

Result<std::uint64_t> MessageStore::put(StoredMessage message) {
  if (trouble_) return Failure(*trouble_);
  const std::size_t size = octets(message);
  if (octets_ + size > limit_)
    return fail(Blame::environment, path_ + " is full", static_cast<std::uint8_t>(mqtt::Reason::quota_exceeded));
  const std::uint64_t number = ++last_number_;
  append(body(number, message));
  if (trouble_) return Failure(*trouble_);
  octets_ += size;
  messages_.emplace(number, std::move(message));
  return number;
}

void MessageStore::started(std::uint64_t number, std::uint16_t packet_id) {
  messages_.at(number).packet_id = packet_id;
  Buffer record = body(What::started, number);
  Writer(record).u16(packet_id);
  append(record);
}

void MessageStore::received(std::uint64_t number) {
  messages_.at(number).is_received = true;
  append(body(What::received, number));
}

void MessageStore::done(std::uint64_t number) {
  const auto at = messages_.find(number);
  octets_ -= octets(at->second);
  messages_.erase(at);
  append(body(What::done, number));
}

Result<> MessageStore::sync() {
  if (trouble_) return Failure(*trouble_);
  if (unwritten_.empty()) return {};
  Result<> written;
  if (size_ + unwritten_.size() > 2 * octets_ + spare) {
    written = rewrite();
  } else {
    std::size_t done = 0;
    while (written && done < unwritten_.size()) {
      const auto count = ::write(file_.number(), unwritten_.data() + done, unwritten_.size() - done);
      if (count >= 0)
        done += static_cast<std::size_t>(count);
      else if (errno != EINTR)
        written = trouble("cannot write", path_);
    }
    size_ += done;
    unwritten_.clear();
    if (written && ::fdatasync(file_.number()) != 0) written = trouble("cannot write", path_);
  }
  if (!written) trouble_ = written.error();
  return written;
}

}  // namespace sealmq
