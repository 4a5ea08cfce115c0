#include "keystore/key_file.h"

#include "base/reader.h"
#include "base/try.h"
#include "base/writer.h"
#include "keystore/secret_text.h"

namespace sealmq {
namespace {

constexpr std::string_view mark = "SEALMQ-SECRET-KEY-";
constexpr std::size_t scalar_size = 32;

bool is_scalar(Purpose purpose) {
  return static_cast<std::uint8_t>(purpose) < 128;
}

Secret encode_body(const KeyFile& file) {
  std::size_t size = 3 + file.name.size();
  for (const auto& key : file.keys) size += 3 + key.key.size();
  Buffer body;
  body.reserve(size);  // a Buffer that grows leaves copies
  Writer out(body);
  out.u8(static_cast<std::uint8_t>(file.kind));
  out.lp8(as_bytes(file.name));
  out.u8(static_cast<std::uint8_t>(file.keys.size()));
  for (const auto& key : file.keys) {
    out.u8(static_cast<std::uint8_t>(key.purpose));
    if (is_scalar(key.purpose))
      out.bytes(key.key.reveal());
    else
      out.lp16(key.key.reveal());
  }
  return Secret(std::move(body));
}

Result<KeyFile> decode_body(Bytes body) {
  KeyFile file;
  Reader in(body);
  const auto kind = in.u8();
  if (kind > static_cast<std::uint8_t>(Kind::authority)) in.fail("unknown kind");
  file.kind = static_cast<Kind>(kind);
  file.name = as_text(in.lp8());
  if (!is_identity_name(file.name)) in.fail("malformed name");
  for (auto left = in.u8(); left > 0 && !in.failed(); --left) {
    const auto purpose = static_cast<Purpose>(in.u8());
    if (file.find(purpose) != nullptr) in.fail("two keys for one purpose");
    file.keys.push_back({purpose, Secret(is_scalar(purpose) ? in.bytes(scalar_size) : in.lp16())});
  }
  return in.finish(std::move(file)).map_error([](const Error& error) {
    return Error{Blame::caller_misused, "the key file is malformed: " + error.what};
  });
}

}  // namespace

const Secret* KeyFile::find(Purpose purpose) const {
  for (const auto& key : keys) {
    if (key.purpose == purpose) return &key.key;
  }
  return nullptr;
}

Secret encode_key_file(const KeyFile& file, std::string_view fingerprint) {
  std::string head = "# sealmq private keys of " + file.name + " (" + std::string(name(file.kind)) + ")\n";
  head.append("# fingerprint ").append(fingerprint).append("\n");
  head.append("# keep this file secret: whoever has it can speak as ").append(file.name).append("\n");
  return encode_secret_text(head, mark, encode_body(file));
}

Result<KeyFile> parse_key_file(std::string_view text) {
  const auto body = TRY(parse_secret_text(text, mark));
  return decode_body(body.reveal());
}

}  // namespace sealmq
