#include "server/password_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/owned_file.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/file_access.h"
#include "sealmq/identity.h"

namespace sealmq::server {
namespace {

constexpr std::size_t salt_size = 16, hash_size = 32;
constexpr std::size_t longest_file = 16 << 20;
constexpr unsigned highest_cost = 20;  // 1 GiB would be 20 with r = 8; scrypt() refuses that much anyway

Failure refuse(std::size_t line, const std::string& what) {
  return fail(Blame::caller_misused, "line " + std::to_string(line) + " of the password file: " + what);
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

/// NAME:$7$…, or $6$.
bool is_of_mosquitto(std::string_view line) {
  const auto colon = line.find(':');
  return colon != line.npos && line.substr(colon + 1).starts_with('$');
}

bool read_number(std::string_view word, unsigned least, unsigned most, unsigned& out) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return error == std::errc() && end == word.data() + word.size() && out >= least && out <= most;
}

/// One that changes the file at a time, in any process: what others have changed meanwhile is not lost.
Result<Descriptor> lock_folder_of(const std::string& path) {
  Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || ::flock(folder.number(), LOCK_EX) != 0)
    return fail(Blame::environment, "cannot write beside " + path + ": " + error_text(errno));
  return folder;
}

/// Where the passwords really are, so that a link to them stays one.
std::string without_links(const std::string& path) {
  std::error_code none;
  const auto real = std::filesystem::canonical(path, none);
  return none ? path : real.string();
}

}  // namespace

Result<PasswordEntries> read_passwords(const std::string& path) {
  const Secret text = TRY(read_mounted_file(path, wants_password_list, Audience::everybody, longest_file));
  return parse_passwords(as_text(text.reveal())).map_error([&path](const Error& error) {
    return Error{error.blame, path + ": " + error.what};
  });
}

Result<PasswordEntries> parse_passwords(std::string_view text) {
  PasswordEntries entries;
  LineReader lines(text);
  while (const auto line = lines.next()) {
    if (line->empty() || line->starts_with('#')) continue;
    const std::size_t number = lines.number();
    const auto words = words_of(*line);
    PasswordEntry entry;
    if (is_of_mosquitto(*line))
      return refuse(number, "made by mosquitto_passwd, whose hashes are not read here\nhint: sealmq identity password NAME");
    if (words.size() != 7 || words[1] != "scrypt") return refuse(number, "not NAME scrypt LOG2N R P SALT HASH");
    if (!is_identity_name(words[0])) return refuse(number, "malformed name");
    if (!read_number(words[2], 10, highest_cost, entry.cost.log2_n) || !read_number(words[3], 1, 32, entry.cost.r) ||
        !read_number(words[4], 1, 16, entry.cost.p))
      return refuse(number, "cost out of range");
    auto salt = from_base64url(words[5]);
    auto hash = from_base64url(words[6]);
    if (!salt || salt->size() < 8 || !hash || hash->size() != hash_size) return refuse(number, "malformed salt or hash");
    entry.salt = *std::move(salt);
    entry.hash = *std::move(hash);
    if (!entries.emplace(words[0], std::move(entry)).second) return refuse(number, "the name stands twice");
  }
  return entries;
}

std::string to_text(const PasswordEntries& entries) {
  std::string text = "# passwords of clients that log in without keys; `sealmq identity password NAME` writes this file\n";
  for (const auto& [name, entry] : entries)
    text += name + " scrypt " + std::to_string(entry.cost.log2_n) + " " + std::to_string(entry.cost.r) + " " +
            std::to_string(entry.cost.p) + " " + to_base64url(entry.salt) + " " + to_base64url(entry.hash) + "\n";
  return text;
}

crypto::ScryptCost cost_for(Kind kind) {
  return kind == Kind::device ? crypto::scrypt_cost_of_devices : crypto::ScryptCost();
}

Result<PasswordEntry> hash_password(Bytes password, Random& random, crypto::ScryptCost cost) {
  PasswordEntry entry{cost, {}, {}};
  entry.salt.resize(salt_size);
  random.fill(entry.salt);
  const Secret hash = TRY(crypto::scrypt(password, entry.salt, entry.cost, hash_size));
  entry.hash = to_buffer(hash.reveal());
  return entry;
}

Result<> set_password(const std::string& path, const std::string& name, const PasswordEntry& entry) {
  const std::string real = without_links(path);
  const Descriptor lock = TRY(lock_folder_of(real));
  PasswordEntries entries;
  if (exists(path)) entries = TRY(read_passwords(path));
  entries.insert_or_assign(name, entry);
  return replace_file(real, to_text(entries), Audience::owner);
}

Result<bool> replace_password(const std::string& path, const std::string& name, const PasswordEntry& former,
                              const PasswordEntry& entry) {
  const std::string real = without_links(path);
  const Descriptor lock = TRY(lock_folder_of(real));
  PasswordEntries entries = TRY(read_passwords(path));
  const auto at = entries.find(name);
  if (at == entries.end() || at->second != former) return false;
  at->second = entry;
  TRY(replace_file(real, to_text(entries), Audience::owner));
  return true;
}

Result<bool> remove_password(const std::string& path, std::string_view name) {
  if (!exists(path)) return false;
  const std::string real = without_links(path);
  const Descriptor lock = TRY(lock_folder_of(real));
  PasswordEntries entries = TRY(read_passwords(path));
  const auto at = entries.find(name);
  if (at == entries.end()) return false;
  entries.erase(at);
  TRY(replace_file(real, to_text(entries), Audience::owner));
  return true;
}

class PasswordFile::Check final : public Login {
 public:
  Check(PasswordFile& file, LoginRequest& request, Now now)
      : file_(file), name_(request.user_name), password_(std::move(request.password)) {
    tested_ = Tested::secret;
    is_verified_ = file_.is_verified(name_, password_, now.steady);
  }

  bool is_verified() const { return is_verified_; }

  Result<Step> advance(Bytes, const Scene& scene) override {
    if (is_verified_) return done(name_, {Factor::password});
    const auto entries = TRY(file_.entries());
    const auto at = entries->find(name_);
    PasswordEntry entry;
    if (at != entries->end()) {
      entry = at->second;
    } else {
      const auto chance = crypto::hmac_sha256(file_.fake_salts_.reveal(), as_bytes(name_));
      entry.salt.assign(chance.begin(), chance.begin() + salt_size);
      entry.hash.resize(hash_size);
      const PasswordRecord like = TRY(file_.some_cost(Reader(Bytes(chance).subspan(salt_size, 8)).u64()));
      entry.cost = {like.log2_n, like.r, like.p};  // or the time would tell that nobody is called so
    }
    const auto mark = file_.mark_of(name_, entry, password_);
    if (at != entries->end() && file_.was_verified(name_, mark, scene.now.steady))
      return done(name_, {Factor::password});               // meanwhile
    const Secret hash = TRY(file_.hash(password_, entry));  // of nobody's too, which takes as long
    const bool matches = same(hash.reveal(), entry.hash);
    if (at == entries->end()) return fail(Blame::not_authorised, "user name " + printable(name_) + " has no password");
    if (!matches) return fail(Blame::not_authorised, "wrong password for " + printable(name_));
    if (const Identity* known = scene.directory.find(name_); known != nullptr)
      entry = file_.hash_anew(name_, std::move(entry), password_, known->kind);
    file_.keep_verified(name_, entry, password_, scene.now.steady);
    return done(name_, {Factor::password});
  }

 private:
  PasswordFile& file_;
  std::string name_;
  Secret password_;
  bool is_verified_ = false;
};

PasswordFile::PasswordFile(std::string path, Random& random, bool must_be_there, CostFor cost)
    : path_(std::move(path)), random_(random), cost_(std::move(cost)), is_kept_(must_be_there) {
  for (Secret* secret : {&fake_salts_, &marks_}) {
    Buffer bytes(32);
    random.fill(bytes);
    *secret = Secret(std::move(bytes));
  }
}

/// What was there once is missed when it is gone; only a file that nobody has ever made may be absent.
bool PasswordFile::is_kept() {
  if (!is_kept_ && exists(path_)) is_kept_ = true;
  return is_kept_;
}

Result<Secret> PasswordFile::hash(const Secret& password, const PasswordEntry& entry) {
  ++hashed_;
  return crypto::scrypt(password.reveal(), entry.salt, entry.cost, hash_size);
}

broker::BegunLogin PasswordFile::begin(LoginRequest& request, Now now) {
  if (!is_kept()) return {};
  auto check = std::make_unique<Check>(*this, request, now);
  const bool is_verified = check->is_verified();
  return {std::move(check), is_verified};
}

crypto::Digest PasswordFile::mark_of(std::string_view name, const PasswordEntry& entry, const Secret& password) const {
  Buffer text;
  text.reserve(name.size() + entry.salt.size() + entry.hash.size() + password.size() + 64);  // a Buffer that grows leaves copies
  Writer writer(text);
  writer.lp32(as_bytes(name)).u32(entry.cost.log2_n).u32(entry.cost.r).u32(entry.cost.p);
  writer.lp32(entry.salt).lp32(entry.hash).lp32(password.reveal());
  const auto mark = crypto::hmac_sha256(marks_.reveal(), text);
  wipe(text.data(), text.size());
  return mark;
}

bool PasswordFile::was_verified(std::string_view name, const crypto::Digest& mark, std::uint64_t now) {
  const std::lock_guard lock(mutex_);
  const auto at = verified_.find(name);
  return at != verified_.end() && now - at->second.when < verified_lasts && same(at->second.mark, mark);
}

void PasswordFile::keep_verified(std::string_view name, const PasswordEntry& entry, const Secret& password, std::uint64_t now) {
  const auto mark = mark_of(name, entry, password);
  const std::lock_guard lock(mutex_);
  if (now >= next_look_) {
    next_look_ = now + verified_lasts / 60;
    forget_verified([now](const auto&, const Verified& its) { return now - its.when >= verified_lasts; });
  }
  if (verified_.size() >= most_verified)
    forget_verified([](const auto&, const auto&) { return true; });  // they are hashed once more
  verified_.insert_or_assign(std::string(name), Verified{mark, entry.salt, now});
}

bool PasswordFile::is_verified(std::string_view name, const Secret& password, std::uint64_t now) {
  std::shared_ptr<const PasswordEntries> known;
  {
    // Who reads the file anew has the lock for as long as that takes.
    const std::unique_lock lock(mutex_, std::try_to_lock);
    const auto seen = look();
    if (!lock || !seen || known_ == nullptr || *seen != seen_) return false;
    known = known_;
  }
  const auto at = known->find(name);
  const auto mark = mark_of(name, at != known->end() ? at->second : PasswordEntry{}, password);  // of nobody's too
  return at != known->end() && was_verified(name, mark, now);
}

void PasswordFile::forget_verified(const std::function<bool(const std::string& name, const Verified&)>& is_over) {
  for (auto at = verified_.begin(); at != verified_.end();) {
    auto& [name, verified] = *at;
    if (!is_over(name, verified)) {
      ++at;
      continue;
    }
    wipe(verified.mark.data(), verified.mark.size());
    at = verified_.erase(at);
  }
}

Result<std::optional<PasswordRecord>> PasswordFile::find(std::string_view name) {
  if (!is_kept()) return std::nullopt;
  const auto known = TRY(entries());
  const auto at = known->find(name);
  if (at == known->end()) return std::nullopt;
  const PasswordEntry& entry = at->second;
  return PasswordRecord{entry.cost.log2_n, entry.cost.r, entry.cost.p, entry.salt, Secret(Bytes(entry.hash))};
}

Result<PasswordRecord> PasswordFile::some_cost(std::uint64_t draw) {
  PasswordRecord like;
  if (!is_kept()) return like;
  std::map<crypto::ScryptCost, std::size_t> counts;
  const auto known = TRY(entries());
  for (const auto& [name, entry] : *known) ++counts[entry.cost];
  // As a part of the whole, so that one record more or less changes the answer to few numbers.
  auto place = static_cast<std::size_t>(static_cast<double>(draw >> 11) * 0x1p-53 * static_cast<double>(known->size()));
  for (const auto& [cost, count] : counts) {
    if (place < count) {
      like.log2_n = cost.log2_n;
      like.r = cost.r;
      like.p = cost.p;
      break;
    }
    place -= count;
  }
  return like;
}

/// A record that is cheaper to guess than those of today, now that the password is at hand. One that cannot be written stays.
PasswordEntry PasswordFile::hash_anew(const std::string& name, PasswordEntry former, const Secret& password, Kind kind) {
  const crypto::ScryptCost cost = cost_(kind);
  if (former.cost.work() >= cost.work()) return former;
  const auto entry = hash_password(password.reveal(), random_, cost);
  if (!entry) return former;
  {
    const std::lock_guard lock(mutex_);  // before anybody can read it
    hashed_anew_.insert_or_assign(name, *entry);
  }
  return replace_password(path_, name, former, *entry).value_or(false) ? *entry : former;
}

void PasswordFile::count_changes(const PasswordEntries& now) {
  if (known_ == nullptr) return;
  for (const auto& [name, former] : *known_) {
    const auto at = now.find(name);
    if (at != now.end() && at->second == former) continue;
    const auto anew = hashed_anew_.find(name);
    const bool is_the_same_password = at != now.end() && anew != hashed_anew_.end() && at->second == anew->second;
    if (is_the_same_password) {
      hashed_anew_.erase(anew);
      continue;
    }
    ++changes_[name];
    ++all_changes_;
  }
}

std::uint64_t PasswordFile::changes_of(std::string_view name) {
  if (is_kept()) static_cast<void>(entries());
  const std::lock_guard lock(mutex_);
  const auto at = changes_.find(name);
  return at != changes_.end() ? at->second : 0;
}

std::uint64_t PasswordFile::changes() {
  if (is_kept()) static_cast<void>(entries());
  const std::lock_guard lock(mutex_);
  return all_changes_;
}

std::optional<PasswordFile::Seen> PasswordFile::look() const {
  struct stat found {};
  if (::stat(path_.c_str(), &found) != 0) return std::nullopt;
  return Seen{
      found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size),
      static_cast<std::uint64_t>(found.st_mtim.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(found.st_mtim.tv_nsec)};
}

Result<std::shared_ptr<const PasswordEntries>> PasswordFile::entries() {
  const auto seen = look();
  if (!seen) return fail(Blame::environment, "cannot read " + path_ + ": " + error_text(errno));
  const std::lock_guard lock(mutex_);
  if (known_ == nullptr || *seen != seen_) {
    auto read = std::make_shared<const PasswordEntries>(TRY(read_passwords(path_)));
    forget_verified([&](const std::string& name, const Verified& its) {
      const auto is = read->find(name);
      return is == read->end() || is->second.salt != its.salt;
    });
    count_changes(*read);
    known_ = std::move(read);
    seen_ = *seen;
  }
  return known_;
}

}  // namespace sealmq::server
