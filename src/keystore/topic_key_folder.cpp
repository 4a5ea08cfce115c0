// Topic keys in a folder:
//
//   0123456789abcdef.topic-key    one for each key
//   administrators                whose dealt keys are taken: lines of NAME.pub
//   0123456789abcdef.sending.0    under which name and number this process sends with that key; .1 by a second process, and so on
//   signed.sequence               the number of the last signed message
//   seen                          what was received
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/text.h"
#include "base/try.h"
#include "keystore/file_access.h"
#include "keystore/seen_file.h"
#include "keystore/sequence_file.h"
#include "keystore/topic_key_file.h"

namespace sealmq {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".topic-key";
constexpr std::uint64_t reserved_at_once = 256;
constexpr std::uint64_t numbers = std::uint64_t{1} << 40;
constexpr unsigned most_senders = 64;  // processes at a time
constexpr std::size_t most_others = 4096;

/// Numbers of one process under one key, and its lock on them. What the file says is used up is never used again: it is written
/// ahead, for many messages at once, and corrected when the process ends as it should.
class SendingFile {
 public:
  static Result<std::unique_ptr<SendingFile>> open(const std::string& start_of_path, Random& random) {
    for (unsigned n = 0; n < most_senders; ++n) {
      const std::string path = start_of_path + std::to_string(n);
      Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
      if (!file.is_open()) return fail(Blame::environment, "cannot open " + path + ": " + error_text(errno));
      if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) continue;
      std::unique_ptr<SendingFile> sending(new SendingFile(path, std::move(file), random));
      sending->read();
      return sending;
    }
    return fail(Blame::environment, "too many programs send with this topic key at a time");
  }
  ~SendingFile() {
    if (next_ != until_) (void)write(next_, false);
  }
  SendingFile(const SendingFile&) = delete;
  SendingFile& operator=(const SendingFile&) = delete;

  Result<TopicKeys::Numbered> next() {
    if (next_ == until_) {
      if (until_ + reserved_at_once >= numbers) begin_anew();
      TRY(write(until_ + reserved_at_once, true));
      until_ += reserved_at_once;
    }
    return TopicKeys::Numbered{sender_, next_++};
  }

 private:
  SendingFile(std::string path, Descriptor file, Random& random)
      : path_(std::move(path)), file_(std::move(file)), random_(random) {}

  /// A file that is missing or is not what it should be may have been lost: then the numbers begin anew, under another name.
  void read() {
    std::array<char, 64> content{};
    const auto size = ::pread(file_.number(), content.data(), content.size(), 0);
    const std::string_view text(content.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    const auto sender = text.size() > 13 && text.back() == '\n' ? from_hex(text.substr(0, 12)) : std::nullopt;
    const auto number = text.size() > 13 ? text.substr(13, text.size() - 14) : std::string_view();
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), next_);
    if (!sender || error != std::errc() || end != number.data() + number.size() || next_ > numbers) return begin_anew();
    std::copy(sender->begin(), sender->end(), sender_.begin());
    until_ = next_;
  }
  void begin_anew() {
    random_.fill(sender_);
    next_ = until_ = 0;
  }
  Result<> write(std::uint64_t used_up, bool before_use) {
    std::string digits = std::to_string(used_up);
    digits.insert(0, 17 - digits.size(), '0');  // the file keeps its length, and one write replaces it
    const std::string text = to_hex(sender_) + " " + digits + "\n";
    const bool written = ::pwrite(file_.number(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
    if (!written || (before_use && ::fsync(file_.number()) != 0))
      return fail(Blame::environment, "cannot write " + path_ + ": " + error_text(errno));
    return {};
  }

  std::string path_;
  Descriptor file_;
  Random& random_;
  std::array<std::uint8_t, 6> sender_{};
  std::uint64_t next_ = 0;
  std::uint64_t until_ = 0;
};

/// 2^40 numbers, at 256 for each second since 1970: enough until 2106.
Machine slow_machine() {
  Machine machine = this_machine();
  machine.wall_microseconds = [microseconds = machine.wall_microseconds] { return microseconds() / 1'000'000 * 256; };
  return machine;
}

/// Nanoseconds in which a file system may give two changes one time: two ticks of the slowest kernel clock.
constexpr std::int64_t moment = 20'000'000;

class TopicKeyFolder : public TopicKeys {
 public:
  TopicKeyFolder(std::string folder, Random& random)
      : folder_(std::move(folder)), random_(random), signed_(open_sequence_file(folder_ + "/signed.sequence", slow_machine())) {}

  Result<> load() {
    struct stat found {};
    if (::stat(folder_.c_str(), &found) != 0)
      return fail(Blame::environment, "cannot read " + folder_ + ": " + error_text(errno));
    auto keys = std::make_shared<Keys>();
    std::error_code error;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
      const std::string path = entry->path().string();
      if (!path.ends_with(suffix)) continue;
      const auto text = TRY(read_private_file(path, longest_topic_key_file));
      keys->push_back(TRY(parse_topic_key(as_text(text.reveal())).map_error([&](const Error& why) {
        return Error{why.blame, path + ": " + why.what};
      })));
    }
    if (error) return fail(Blame::environment, "cannot read " + folder_ + ": " + error.message());
    std::ranges::sort(*keys, {}, &TopicKey::id);
    std::vector<PublicIdentity> administrators;
    if (exists(administrators_path())) {
      const auto text = TRY(read_public_file(administrators_path()));
      LineReader lines(text);
      while (const auto line = lines.next())
        if (!line->empty()) administrators.push_back(TRY(parse_public_identity(*line)));
    }
    keys_ = std::move(keys);
    administrators_ = std::move(administrators);
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
    sending_.erase(id);
    return load();
  }

  std::vector<PublicIdentity> administrators() override { return administrators_; }
  Result<> trust(const PublicIdentity& administrator) override {
    std::string lines;
    for (const auto& known : administrators_) {
      if (known.name == administrator.name && known.keys != administrator.keys)
        return fail(Blame::caller_misused, "another " + known.name + " is trusted already");
      if (known.name != administrator.name) lines += to_line(known) + "\n";
    }
    TRY(replace_file(administrators_path(), lines + to_line(administrator) + "\n", Audience::everybody));
    return load();
  }

  Result<Numbered> next(const TopicKeyId& key) override {
    auto& sending = sending_[key];
    if (sending == nullptr) sending = TRY(SendingFile::open(sending_path(key), random_));
    return sending->next();
  }
  // A name is written down before it is used, and none that somebody else has made up becomes one of ours.
  bool sends_as(const TopicKeyId& key, const std::array<std::uint8_t, 6>& sender) override {
    if (others_.contains({key, sender})) return false;
    for (unsigned n = 0; n < most_senders; ++n) {
      const std::string path = sending_path(key) + std::to_string(n);
      if (!exists(path)) break;
      const auto text = read_public_file(path);
      if (!text || text->starts_with(to_hex(sender))) return true;
    }
    if (others_.size() >= most_others) others_.clear();
    others_.insert({key, sender});
    return false;
  }
  Result<std::uint64_t> next_signed() override {
    const auto number = TRY(signed_->next());
    if (number >= numbers) return fail(Blame::environment, folder_ + "/signed.sequence is used up");
    return number;
  }

  Result<Replay> judge(const std::array<std::uint8_t, 32>& window, std::uint64_t number, bool& is_newest) override {
    if (seen_ == nullptr) seen_ = TRY(SeenFile::open(folder_ + "/seen"));
    return seen_->judge(window, number, is_newest);
  }

 private:
  std::string administrators_path() const { return folder_ + "/administrators"; }
  std::string sending_path(const TopicKeyId& key) const { return folder_ + "/" + to_hex(key) + ".sending."; }

  std::string folder_;
  Random& random_;
  std::unique_ptr<SequenceCounter> signed_;
  std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
  std::vector<PublicIdentity> administrators_;
  timespec changed_{};
  std::map<TopicKeyId, std::unique_ptr<SendingFile>> sending_;
  std::set<std::pair<TopicKeyId, std::array<std::uint8_t, 6>>> others_;  // names that are not ours
  std::unique_ptr<SeenFile> seen_;
};

}  // namespace

Result<std::shared_ptr<TopicKeys>> open_topic_keys(const std::string& folder, Random& random) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Blame::environment, "cannot make " + folder + ": " + error_text(errno));
  auto keys = std::make_shared<TopicKeyFolder>(folder, random);
  TRY(keys->load());
  return std::shared_ptr<TopicKeys>(std::move(keys));
}

}  // namespace sealmq
