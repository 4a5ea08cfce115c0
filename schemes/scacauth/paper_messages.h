// The bytes of SCACAuth as published: the three steps of the login, what is encrypted of a message, and the next key. README.md
// has the tables.
#pragma once

#include <span>

#include "mqtt/packet.h"
#include "schemes/scacauth/paper_crypto.h"

namespace sealmq::scacauth {

// -- the login. Errors of the decoders have the code of a protocol error; parts are views into the input.

/// UID || u16 || Cpr_c(UID || RN1)
struct Step1 {
  std::string_view uid;
  Bytes proof;
};
Buffer encode(const Step1& step);
/// Also without the u16.
Result<Step1> decode_step1(const Method& method, Bytes in);

/// u16 || Cpr_b(UID || RN1) || u16 || Cpu_c(UID || RNp || RNs)
struct Step2 {
  Bytes proof;
  Bytes keys;
};
Buffer encode(const Step2& step);
Result<Step2> decode_step2(Bytes in);

/// u16 || Cpu_b(UID || RN1 || RNp || RNs); as the applet makes it, without RN1.
Buffer encode_step3(Bytes sealed);
/// What is sealed. Also without the u16.
Result<Bytes> decode_step3(const Method& method, Bytes in);

// -- under the keys of the connection; errors: peer_misbehaved

/// Which of the two chains of keys.
enum class Chain : std::uint8_t {
  publisher,   ///< RNp: what the client publishes; its property is Np
  subscriber,  ///< RNs: what the broker passes on; Ns
};
std::string_view property_name(Chain chain);

/// Whether the other end may speak as the published applet does.
enum class Form : std::uint8_t { paper, card_v2 };

inline constexpr std::size_t longest_data = 0xFFFF;

/// UID || u16 || data, and the padding.
Buffer encrypt_message(const Method& method, const Secret& key, std::string_view uid, Bytes data);
/// The data. card_v2: the key may stand behind them.
Result<Buffer> decrypt_message(const Method& method, const Secret& key, std::string_view uid, Bytes ciphertext, Form form);

/// UID || next, and the padding. card_v2: UID || current || next, as its card wants it from the receiver of what it published.
Buffer encrypt_next_key(const Method& method, const Secret& current, std::string_view uid, const Secret& next, Form form);
/// The next key. card_v2: also with the current one before it, or with up to 24 octets of no meaning behind it.
Result<Secret> decrypt_next_key(const Method& method, const Secret& current, std::string_view uid, Bytes ciphertext, Form form);

/// The value of the one property of this name: hexadecimal, lower case on output, either case on input. Nothing: it is not there.
/// Errors: it stands there twice, or is no such number.
Result<std::optional<Buffer>> find_property(std::span<const mqtt::UserProperty> properties, std::string_view name);

}  // namespace sealmq::scacauth
