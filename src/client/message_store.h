// MessageStore: a file with the QoS 1 and 2 messages that a client still owes its broker, as their publisher gave them, and how
// far each has got. What was put there is there after any end of the process, and once sync() has returned also of the machine.
//
//   "SEALMQ-MESSAGES-1\n" | u8 sealed | lp16 client id | the public half of a fresh key (33), if sealed;   then records:
//   lp32 body and tag (16)
//
//   body: u8 what | u64 number, then
//   1 kept      u16 packet identifier (0: never sent) | u8 1: PUBREC came | the message as an MQTT 5 PUBLISH
//   2 started   u16 packet identifier (0: not on its way any more)
//   3 received  (PUBREC came)
//   4 done
//
// Sealed: by AES-256-GCM under a key agreed on between a fresh key and the client's own (ECDH, HKDF), the IV counts the records
// of the file. Each process writes a file, and makes a key, of its own. Otherwise the tag is the start of a SHA-256 of header,
// count and body: it tells what was only half written. The file is readable by its owner alone, and locked by FILE.lock.
//
// One thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/descriptor.h"
#include "registry/data_folder.h"
#include "sealmq/client_types.h"

namespace sealmq {

/// A message and how far it has got.
struct StoredMessage {
  std::uint16_t packet_id = 0;  ///< 0: not sent yet
  bool is_received = false;     ///< PUBREC came
  std::string topic{};
  Buffer payload{};
  PublishOptions options{};
  bool operator==(const StoredMessage& other) const;
};
/// By number, which is the order of their publish().
using StoredMessages = std::map<std::uint64_t, StoredMessage>;

/// What stands in a file, up to where it stops to make sense; `end` is set to that. Errors: caller_misused, of another client or
/// sealed for another key. `key`: null, if it is not sealed.
Result<StoredMessages> read_stored_messages(Bytes file, std::string_view client_id, KeyStore* key, std::size_t& end);

class MessageRecords;

class MessageStore {
 public:
  /// `key` seals what is kept; null: it is in clear. `limit`: octets of all messages. Makes the file if it is missing. `key` is
  /// not used later; `random` outlives the store. Errors: caller_misused (of another client, sealed for another key, readable by
  /// others), environment (also while another process has it).
  static Result<std::unique_ptr<MessageStore>> open(std::string path, std::string client_id, KeyStore* key, std::size_t limit,
                                                    Random& random);
  ~MessageStore();

  /// As they are at present; after open(), what lay there.
  const StoredMessages& messages() const { return messages_; }
  /// What was wrong with the file when it was opened, in words; empty: nothing.
  const std::string& damage() const { return damage_; }

  /// Its number, never 0. Errors: environment, it is full or cannot be written.
  Result<std::uint64_t> put(StoredMessage message);
  void started(std::uint64_t number, std::uint16_t packet_id);
  void received(std::uint64_t number);
  void done(std::uint64_t number);
  /// All of it is on the disk. An error, of the environment, stays.
  Result<> sync();

 private:
  MessageStore(std::string path, std::string client_id, DataFolderLock lock, KeyStore* key, std::size_t limit, Random& random);
  Result<> rewrite();
  void append(Bytes body);

  std::string path_;
  std::string client_id_;
  DataFolderLock lock_;
  std::optional<std::array<std::uint8_t, 33>> own_key_;  // public; nothing: not sealed
  std::size_t limit_;
  Random& random_;
  std::unique_ptr<MessageRecords> records_;  // of the present file
  Descriptor file_;
  std::string damage_;
  StoredMessages messages_;
  std::size_t octets_ = 0;  // of them
  std::uint64_t last_number_ = 0;
  std::size_t size_ = 0;  // of the file
  Buffer unwritten_;
  std::optional<Error> trouble_;
};

}  // namespace sealmq
