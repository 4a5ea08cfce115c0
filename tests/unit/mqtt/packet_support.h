// What the packet tests share: bytes from a readable form, and decoding of one whole packet.
#pragma once

#include <cctype>
#include <ostream>
#include <string>

#include "mqtt/packet.h"

namespace sealmq::mqtt::test {

/// "10 0C 'MQTT' 04" — hexadecimal, and text in quotes.
inline Buffer from(std::string_view form) {
  Buffer out;
  for (std::size_t i = 0; i < form.size();) {
    if (form[i] == ' ') {
      ++i;
    } else if (form[i] == '\'') {
      std::size_t end = form.find('\'', i + 1);
      append(out, as_bytes(form.substr(i + 1, end - i - 1)));
      i = end + 1;
    } else {
      out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(form.substr(i, 2)), nullptr, 16)));
      i += 2;
    }
  }
  return out;
}

/// One whole packet, nothing before or behind. Views in the result point into `bytes`.
inline Result<Packet> decode_whole(Bytes bytes, Version version) {
  auto header = decode_header(bytes, version);
  if (!header) return Failure(header.error());
  if (!*header || bytes.size() != (*header)->size + (*header)->remaining)
    return fail(Blame::caller_misused, "the test's length is wrong");
  return decode(**header, bytes.subspan((*header)->size), version);
}

/// A fixed header in front of a body, so that tests need not count.
inline Buffer packet(std::uint8_t first, std::string_view body) {
  Buffer content = from(body), out{first};
  std::size_t size = content.size();
  for (; size >= 0x80; size >>= 7) out.push_back(static_cast<std::uint8_t>(size | 0x80));
  out.push_back(static_cast<std::uint8_t>(size));
  append(out, content);
  return out;
}

template <class P>
Buffer encoded(const P& p, Version version) {
  Buffer out;
  encode(Packet(p), version, out);
  return out;
}

inline constexpr Version versions[] = {Version::v3_1, Version::v3_1_1, Version::v5};

}  // namespace sealmq::mqtt::test
