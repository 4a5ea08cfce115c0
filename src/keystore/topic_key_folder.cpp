// Topic keys in a folder:
//
//   0123456789abcdef.topic-key    one for each key
//   administrators                whose dealt keys are taken, and for what
//   delegations                   whom they let deal keys for them
//   deals.sequence                the number of the administrator's last deal
//   names                         under which names a broker that has to know its own messages has sent
//   seen                          what was received
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/file_access.h"
#include "keystore/seen_file.h"
#include "keystore/sender_names.h"
#include "keystore/sequence_file.h"
#include "keystore/topic_key_file.h"
#include "keystore/trusted_administrators.h"

namespace sealmq {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".topic-key";
constexpr std::uint64_t numbers = std::uint64_t{1} << 40;

/// The last names of all processes with these keys:
///
///   "SEALMQ-NAMES-1\n" and a zero (16) | how many there ever were (8, big-endian) | zeros (8) | names (16 each), in a ring
class NamesFile {
 public:
  explicit NamesFile(std::string path) : path_(std::move(path)) {}

  /// On the disk when it returns.
  Result<> add(const SenderName& name) {
    const Descriptor file = open_or_make_file(path_, O_RDWR);
    if (!file.is_open()) return trouble();
    while (::flock(file.number(), LOCK_EX) != 0)
      if (errno != EINTR) return trouble();
    const std::uint64_t count = count_in(file);
    const auto at = static_cast<off_t>(head_size + count % most_names * name.size());
    Buffer head = to_buffer(as_bytes(names_mark));
    Writer(head).u8(0).u64(count + 1).u64(0);
    const bool written = ::pwrite(file.number(), name.data(), name.size(), at) == static_cast<ssize_t>(name.size()) &&
                         ::pwrite(file.number(), head.data(), head.size(), 0) == static_cast<ssize_t>(head.size()) &&
                         ::fsync(file.number()) == 0;
    return written ? Result<>() : trouble();
  }
  /// True also if that cannot be told.
  bool contains(const SenderName& name) {
    const Descriptor file(::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file.is_open()) return errno != ENOENT;
    const std::uint64_t count = count_in(file);
    if (count < read_ || count - read_ > most_names) {
      names_.clear();
      read_ = count > most_names ? count - most_names : 0;
    }
    for (; read_ < count; ++read_) {
      SenderName its{};
      const auto at = static_cast<off_t>(head_size + read_ % most_names * its.size());
      if (::pread(file.number(), its.data(), its.size(), at) != static_cast<ssize_t>(its.size())) return true;
      names_.insert(its);
    }
    return names_.contains(name);
  }

 private:
  static constexpr std::string_view names_mark = "SEALMQ-NAMES-1\n";
  static constexpr std::uint64_t most_names = 65'536;
  static constexpr std::size_t head_size = 32;

  static std::uint64_t count_in(const Descriptor& file) {
    std::array<std::uint8_t, head_size> head{};
    if (::pread(file.number(), head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) return 0;
    return Reader(Bytes(head).subspan(names_mark.size() + 1)).u64();
  }
  Failure trouble() const { return fail(Blame::environment, "cannot write " + path_ + ": " + error_text(errno)); }

  std::string path_;
  std::uint64_t read_ = 0;
  std::set<SenderName> names_;  // older ones than the file has may be among them
};

/// 2^40 numbers, at 256 for each second since 1970: enough until 2106. No boot is like the one before, so the clock is asked
/// always.
Machine slow_machine() {
  Machine machine = this_machine();
  machine.wall_microseconds = [microseconds = machine.wall_microseconds] { return microseconds() / 1'000'000 * 256; };
  machine.boot = [] { return std::string(); };
  return machine;
}

/// Nanoseconds in which a file system may give two changes one time: two ticks of the slowest kernel clock.
constexpr std::int64_t moment = 20'000'000;

class TopicKeyFolder : public TopicKeys {
 public:
  TopicKeyFolder(std::string folder, Random& random)
      : folder_(std::move(folder)),
        names_(random),
        own_names_(folder_ + "/names"),
        deals_(open_sequence_file(folder_ + "/deals.sequence", slow_machine())) {}

  Result<> load() {
    struct stat found {};
    if (::stat(folder_.c_str(), &found) != 0)
      return fail(Blame::environment, "cannot read " + folder_ + ": " + error_text(errno));
    auto keys = std::make_shared<Keys>();
    std::error_code error;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
      const std::string path = entry->path().string();
      if (!path.ends_with(suffix)) continue;
      const auto text = TRY(read_private_file(path, wants_topic_key, longest_topic_key_file));
      keys->push_back(TRY(parse_topic_key(as_text(text.reveal())).map_error([&](const Error& why) {
        return Error{why.blame, path + ": " + why.what};
      })));
    }
    if (error) return fail(Blame::environment, "cannot read " + folder_ + ": " + error.message());
    std::ranges::sort(*keys, {}, &TopicKey::id);
    Administrators administrators;
    if (exists(administrators_path()))
      administrators = TRY(parse_administrators(TRY(read_public_file(administrators_path(), wants_public_identity)))
                               .map_error([&](const Error& why) {
                                 return Error{why.blame, administrators_path() + ": " + why.what};
                               }));
    std::vector<Delegation> delegations;
    if (exists(delegations_path()))
      delegations = TRY(parse_delegations(TRY(read_public_file(delegations_path(), wants_text))).map_error([&](const Error& why) {
        return Error{why.blame, delegations_path() + ": " + why.what};
      }));
    keys_ = std::move(keys);
    administrators_ = std::move(administrators);
    delegations_ = std::move(delegations);
    changed_ = found.st_mtim;
    // What is changed in the same moment bears the same time: so a folder that has only just changed is read once more. Not for
    // longer than that: whoever sends messages under unknown keys makes us look, and reading a folder takes a while.
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const std::int64_t age =
        (std::int64_t{now.tv_sec} - changed_.tv_sec) * 1'000'000'000 + (std::int64_t{now.tv_nsec} - changed_.tv_nsec);
    if (age >= 0 && age < moment) changed_ = {};
    return {};
  }

  std::shared_ptr<const Keys> all(bool look_again) override {
    struct stat found {};
    const bool has_changed = look_again && ::stat(folder_.c_str(), &found) == 0 &&
                             (found.st_mtim.tv_sec != changed_.tv_sec || found.st_mtim.tv_nsec != changed_.tv_nsec);
    if (has_changed) (void)load();  // what cannot be read now stays as it was
    return keys_;
  }

  Result<> put(const TopicKey& key) override {
    const auto text = encode_topic_key(key);
    TRY(replace_file(folder_ + "/" + to_hex(key.id) + std::string(suffix), as_text(text.reveal()), Audience::owner));
    return load();
  }
  Result<> erase(const TopicKeyId& id) override {
    fs::remove(folder_ + "/" + to_hex(id) + std::string(suffix));
    return load();
  }

  std::vector<Administrator> administrators() override { return administrators_; }
  Result<> trust(const PublicIdentity& administrator, std::vector<std::string> filters) override {
    return write(TRY(trusting(administrators_, administrator, std::move(filters))));
  }
  Result<> untrust(const PublicIdentity& administrator) override {
    return write(TRY(not_trusting(administrators_, administrator)));
  }

  std::vector<Delegation> delegations() override { return delegations_; }
  Result<> put(const Delegation& delegation) override {
    auto changed = delegations_;
    replace(changed, delegation);
    TRY(replace_file(delegations_path(), to_text(changed), Audience::everybody));
    return load();
  }

  Result<Numbered> next(const std::optional<TopicKeyId>& key, std::size_t size) override {
    bool is_new = false;
    const Numbered numbered = names_.next(key, size, is_new);
    if (!is_new || !keeps_names_) return numbered;
    if (auto kept = own_names_.add(numbered.sender); !kept) {
      names_.begin_anew();  // nothing goes out under a name that is not known for ours
      return Failure(std::move(kept).error());
    }
    return numbered;
  }
  Result<> keep_names() override {
    keeps_names_ = true;
    return {};
  }
  bool sends_as(const SenderName& sender) override { return own_names_.contains(sender); }
  Result<std::uint64_t> next_deal() override {
    const auto number = TRY(deals_->next());
    if (number >= numbers) return fail(Blame::environment, folder_ + "/deals.sequence is used up");
    return number;
  }

  Result<Replay> judge(const Seen& seen, bool& is_newest) override {
    if (seen_ == nullptr) {
      seen_ = TRY(SeenFile::open(folder_ + "/seen"));
      seen_->set_bounds(bounds_);
    }
    return seen_->judge(seen, is_newest);
  }
  void allow_windows(std::size_t most) override {
    bounds_.each = most;
    if (seen_ != nullptr) seen_->set_bounds(bounds_);
  }

 private:
  std::string administrators_path() const { return folder_ + "/administrators"; }
  std::string delegations_path() const { return folder_ + "/delegations"; }
  Result<> write(const Administrators& administrators) {
    TRY(replace_file(administrators_path(), to_text(administrators), Audience::everybody));
    return load();
  }

  std::string folder_;
  SenderNames names_;
  NamesFile own_names_;
  bool keeps_names_ = false;
  std::unique_ptr<SequenceCounter> deals_;
  std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
  Administrators administrators_;
  std::vector<Delegation> delegations_;
  timespec changed_{};
  SeenFile::Bounds bounds_;
  std::unique_ptr<SeenFile> seen_;
};

/// Numbers that were once gone on with after a restart, and came again where the folder had been copied.
void remove_former_files(const std::string& folder) {
  std::vector<fs::path> former;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    if (name.find(".sending.") != name.npos || name == "signed.sequence") former.push_back(entry->path());
  }
  for (const auto& path : former) fs::remove(path, error);
}

}  // namespace

Result<std::shared_ptr<TopicKeys>> open_topic_keys(const std::string& folder, Random& random) {
  if (!make_folder(folder)) return fail(Blame::environment, "cannot make " + folder + ": " + error_text(errno));
  auto keys = std::make_shared<TopicKeyFolder>(folder, random);
  TRY(keys->load());
  remove_former_files(folder);
  return std::shared_ptr<TopicKeys>(std::move(keys));
}

}  // namespace sealmq
