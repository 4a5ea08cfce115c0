#include "keystore/rabin_key.h"

#include <algorithm>

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/file_access.h"
#include "keystore/fingerprint.h"
#include "keystore/secret_text.h"
#include "registry/data_folder.h"

namespace sealmq {
namespace {

constexpr std::string_view mark = "SEALMQ-RABIN-KEY-";

Bytes modulus_of(const RabinKeys::Held& held) {
  return held.key->public_key().modulus();
}

std::size_t encoded_size(const RabinKeys::Held& held) {
  return 8 + 2 + modulus_of(held).size();
}

void write(Writer& out, const RabinKeys::Held& held) {
  out.u64(held.until).lp16(held.key->export_secret().reveal());
}

Result<RabinKeys::Held> read(Reader& in, unsigned least) {
  const auto until = in.u64();
  const Bytes primes = in.lp16();
  if (in.failed()) return in.finish(RabinKeys::Held{});
  auto key = TRY(crypto::rabin::PrivateKey::from_secret(Secret(primes), least));
  return RabinKeys::Held{std::make_shared<const crypto::rabin::PrivateKey>(std::move(key)), until};
}

Result<RabinKeys> decode_body(Bytes body, unsigned least) {
  Reader in(body);
  const auto count = in.u8();
  if (count != 1 && count != 2) in.fail("it holds neither one key nor two");
  RabinKeys keys;
  keys.current = TRY(read(in, least));
  if (count == 2) {
    keys.previous = TRY(read(in, least));
    const auto a = modulus_of(keys.current);
    const auto b = modulus_of(*keys.previous);
    if (std::equal(a.begin(), a.end(), b.begin(), b.end())) in.fail("it holds one key twice");
  }
  return in.finish(std::move(keys));
}

RabinKeys::Held new_key(unsigned bits, std::uint64_t now) {
  return {std::make_shared<const crypto::rabin::PrivateKey>(crypto::rabin::PrivateKey::generate(bits)), now + rabin_key_life};
}

bool replacement_due(const RabinKeys& keys, std::uint64_t now) {
  return now + rabin_key_overlap >= keys.current.until;
}

bool erasure_due(const RabinKeys& keys, std::uint64_t now) {
  return keys.previous && now >= keys.previous->until;
}

}  // namespace

Secret encode_rabin_keys(const RabinKeys& keys) {
  Buffer body;
  body.reserve(1 + encoded_size(keys.current) + (keys.previous ? encoded_size(*keys.previous) : 0));  // growing leaves copies
  Writer out(body);
  out.u8(keys.previous ? 2 : 1);
  write(out, keys.current);
  if (keys.previous) write(out, *keys.previous);

  std::string head = "# sealmq Rabin keys of a broker\n";
  head.append("# fingerprint ").append(fingerprint_of(modulus_of(keys.current))).append("\n");
  head.append("# keep this file secret: whoever has it can read what devices and applications seal for this broker\n");
  return encode_secret_text(head, mark, Secret(std::move(body)));
}

Result<RabinKeys> parse_rabin_keys(std::string_view text, unsigned least) {
  const auto body = TRY(parse_secret_text(text, mark));
  return decode_body(body.reveal(), least).map_error([](const Error& error) {
    return Error{Blame::caller_misused, "the key file is malformed: " + error.what};
  });
}

Result<RabinKeys> open_or_create_rabin_key(const std::string& data_folder, unsigned bits, std::uint64_t now) {
  const auto folder = TRY(open_data_folder(data_folder));
  const auto path = folder.rabin_key();
  if (!exists(path)) {
    RabinKeys keys{new_key(bits, now), std::nullopt};
    TRY(write_new_file(path, as_text(encode_rabin_keys(keys).reveal()), Audience::owner));
    return keys;
  }
  const auto text = TRY(read_private_file(path, wants_rabin_keys));
  return parse_rabin_keys(as_text(text.reveal()), std::min(bits, crypto::rabin::least_bits))
      .map_error([&path](const Error& error) {
        return Error{error.blame, path + ": " + error.what};
      });
}

bool renewal_due(const RabinKeys& keys, std::uint64_t now) {
  return replacement_due(keys, now) || erasure_due(keys, now);
}

Result<RabinKeys> renew_rabin_key(const std::string& data_folder, const RabinKeys& keys, unsigned bits, std::uint64_t now) {
  RabinKeys next = keys;
  if (erasure_due(keys, now)) next.previous.reset();
  if (replacement_due(keys, now)) next = {new_key(bits, now), RabinKeys::Held{keys.current.key, now + rabin_key_overlap}};
  if (renewal_due(keys, now)) {
    const auto folder = TRY(open_data_folder(data_folder));
    TRY(replace_file(folder.rabin_key(), as_text(encode_rabin_keys(next).reveal()), Audience::owner));
  }
  return next;
}

}  // namespace sealmq
