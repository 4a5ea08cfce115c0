#include "sealmq/sealer.h"

#include <chrono>

#include "base/text.h"
#include "base/try.h"
#include "client/open_scheme.h"
#include "crypto/random.h"

namespace sealmq {
namespace {

Now now() {
  const auto count = [](auto moment) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(moment.time_since_epoch()).count());
  };
  return {.steady = count(std::chrono::steady_clock::now()), .wall = count(std::chrono::system_clock::now())};
}

}  // namespace

// One side seals for the readers named, the other opens what the authors named have sent.
struct [[gnu::visibility("hidden")]] Sealer::Parts {
  crypto::OsRandom random;
  ConnectOptions sending;
  ConnectOptions receiving;
  std::unique_ptr<ClientScheme> seals;
  std::unique_ptr<ClientScheme> opens;
};

Sealer::Sealer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

Result<Sealer> Sealer::open(SealerOptions options) {
  const Scheme* scheme = find_scheme(options.scheme);
  if (scheme == nullptr || !scheme->info->has_topic_keys)
    return fail(Blame::caller_misused, "not a scheme that seals without a connection: " + printable(options.scheme));
  if (!options.to.empty()) TRY(check_uses(options.scheme, {Named::readers}, {}));
  if (!options.from.empty()) TRY(check_uses(options.scheme, {Named::authors}, {}));
  auto parts = std::make_unique<Parts>();
  if (!options.topic_keys.empty()) parts->sending.topic_key_store = TRY(open_topic_keys(options.topic_keys, parts->random));
  for (ConnectOptions* side : {&parts->sending, &parts->receiving}) {
    side->scheme = options.scheme;
    side->key_file = options.key_file;
    side->scheme_options = options.scheme_options;
    side->topic_key_store = parts->sending.topic_key_store;
  }
  parts->sending.peers = std::move(options.to);
  parts->receiving.peers = std::move(options.from);
  parts->seals = TRY(open_scheme(parts->sending, parts->random));
  parts->opens = TRY(open_scheme(parts->receiving, parts->random));
  return Sealer(std::move(parts));
}

Result<Buffer> Sealer::seal(std::string_view topic, std::string_view payload) {
  return parts_->seals->protect(topic, as_bytes(payload), now());
}

Result<Buffer> Sealer::seal_will(std::string_view topic, std::string_view payload) {
  return parts_->seals->protect_will(topic, as_bytes(payload), now());
}

Result<Unsealed> Sealer::unseal(std::string_view topic, std::string_view container, bool retained, bool queued) {
  Arrived arrived{.topic = topic, .payload = as_bytes(container)};
  arrived.retain = retained;
  arrived.stored = queued;
  const auto received = TRY(parts_->opens->unprotect(arrived, now()));
  Unsealed unsealed;
  unsealed.payload = as_text(received->payload);
  unsealed.author = received->author;
  unsealed.checked = received->checked;
  unsealed.is_own = received->what != Received::What::message;
  return unsealed;
}

std::vector<std::string> Sealer::key_filters() const {
  std::vector<std::string> filters;
  for (const auto& inbox : parts_->opens->key_inboxes()) filters.push_back(inbox.filter);
  return filters;
}

}  // namespace sealmq
