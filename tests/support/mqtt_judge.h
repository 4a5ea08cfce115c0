// What the standards say of bytes that a client sends, read from their text and from nothing else: no code of src/ is used here,
// so that a mistake there is not made twice. Of a packet that breaks rules it answers every reason code that one of them allows.
//
// References without a prefix are to MQTT 5.0, those with 3: to MQTT 3.1.1.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>

namespace sealmq::testing {

class MqttJudge {
 public:
  using Bytes = std::span<const std::uint8_t>;
  using Codes = std::set<std::uint8_t>;
  static constexpr std::uint8_t malformed = 0x81, protocol_error = 0x82;

  /// After a CONNECT that was accepted, with Session Expiry Interval 0 and no Authentication Method.
  MqttJudge(int version, std::uint16_t topic_alias_maximum) : version_(version), alias_maximum_(topic_alias_maximum) {}

  /// Of a stream that begins with these bytes. Nothing in `codes`: the connection goes on, unless `leaves`.
  struct Verdict {
    Codes codes;
    bool leaves = false;      ///< the client said DISCONNECT
    bool is_certain = true;   ///< false: depends on what the server has sent meanwhile, and is not judged
    std::size_t packets = 0;  ///< whole ones, up to the first that is wrong
  };
  Verdict judge(Bytes stream) {
    Verdict verdict;
    while (!stream.empty()) {
      const auto size = size_of(stream);
      if (!size) return {{malformed}, false, verdict.is_certain, verdict.packets};
      if (*size == 0 || *size > stream.size()) {
        // A server may look at what it has of a packet, but need not.
        if (*size == 0 || stream.size() > 1) verdict.is_certain = false;
        return verdict;
      }
      ++verdict.packets;
      in_ = stream.first(*size);
      codes_.clear();
      structure_ = true;
      leaves_ = false;
      const std::uint8_t type = in_[0] >> 4;
      if (verdict.packets > 1 && type >= 4 && type <= 7)
        verdict.is_certain = false;  // of an identifier that may be in use by now
      in_ = in_.subspan(1);
      while ((in_[0] & 0x80) != 0) in_ = in_.subspan(1);
      in_ = in_.subspan(1);
      packet(stream[0]);
      if (!codes_.empty()) return {codes_, false, verdict.is_certain, verdict.packets};
      if (leaves_) return {{}, true, verdict.is_certain, verdict.packets};
      stream = stream.subspan(*size);
    }
    return verdict;
  }

 private:
  bool is_5() const { return version_ == 5; }
  void wrong(Codes codes) {
    for (const auto code : codes) codes_.insert(code);
  }
  /// The rest of the packet cannot be read.
  void broken() {
    wrong({malformed});
    structure_ = false;
    in_ = {};
  }

  /// Nothing: no length [1.5.5]. 0: more bytes are needed.
  std::optional<std::size_t> size_of(Bytes stream) const {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      if (1 + i >= stream.size()) return 0;
      value |= static_cast<std::size_t>(stream[1 + i] & 0x7F) << 7 * i;
      if ((stream[1 + i] & 0x80) != 0) continue;
      if (is_5() && i > 0 && stream[1 + i] == 0) return std::nullopt;  // [MQTT-1.5.5-1]; 3: 2.2.3 has no such rule
      return 2 + i + value;
    }
    return std::nullopt;
  }

  std::uint32_t number(std::size_t bytes) {
    if (in_.size() < bytes) return broken(), 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | in_[i];
    in_ = in_.subspan(bytes);
    return value;
  }
  Bytes data() {
    const std::size_t size = number(2);
    if (in_.size() < size) return broken(), Bytes();
    const Bytes value = in_.first(size);
    in_ = in_.subspan(size);
    return value;
  }
  std::uint32_t variable() {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      if (in_.empty()) return broken(), 0;
      const std::uint8_t digit = in_[0];
      in_ = in_.subspan(1);
      value |= static_cast<std::uint32_t>(digit & 0x7F) << 7 * i;
      if ((digit & 0x80) != 0) continue;
      if (i > 0 && digit == 0) wrong({malformed});  // [MQTT-1.5.5-1]
      return value;
    }
    return broken(), 0;
  }

  /// [MQTT-1.5.4-1] [MQTT-1.5.4-2], RFC 3629.
  std::string text() {
    const Bytes bytes = data();
    for (std::size_t i = 0; i < bytes.size();) {
      const std::uint8_t first = bytes[i];
      const std::size_t more = first < 0x80                     ? 0
                               : first >= 0xC2 && first < 0xE0  ? 1
                               : (first & 0xF0) == 0xE0         ? 2
                               : first >= 0xF0 && first <= 0xF4 ? 3
                                                                : 9;
      std::uint32_t point = more == 0 ? first : first & (0x3F >> more);
      if (i + more >= bytes.size()) return wrong({malformed}), std::string();
      for (std::size_t k = 1; k <= more; ++k) {
        if ((bytes[i + k] & 0xC0) != 0x80) return wrong({malformed}), std::string();
        point = point << 6 | (bytes[i + k] & 0x3F);
      }
      const bool is_overlong = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
      if (is_overlong || point == 0 || (point >= 0xD800 && point < 0xE000) || point > 0x10FFFF)
        return wrong({malformed}), std::string();
      i += 1 + more;
    }
    return {bytes.begin(), bytes.end()};
  }

  void identifier() {
    if (number(2) == 0 && structure_) wrong({malformed, protocol_error});  // [MQTT-2.2.1-3]
  }

  /// Of a Topic Name. [MQTT-3.3.2-2] [MQTT-4.7.3-1]
  void name(const std::string& topic) {
    if (topic.find_first_of("+#") != std::string::npos) wrong({malformed, protocol_error, 0x90});
  }

  /// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
  static bool is_filter(const std::string& filter) {
    if (filter.empty()) return false;
    for (std::size_t i = 0; i < filter.size(); ++i) {
      const bool begins = i == 0 || filter[i - 1] == '/', ends = i + 1 == filter.size() || filter[i + 1] == '/';
      if (filter[i] == '#' && (!begins || i + 1 != filter.size())) return false;
      if (filter[i] == '+' && (!begins || !ends)) return false;
    }
    return true;
  }

  /// True: a shared one.
  bool filter() {
    const std::size_t before = codes_.size();
    std::string filter = text();
    if (!structure_ || codes_.size() != before) return false;
    bool is_shared = false, is_right = true;
    if (is_5() && filter.starts_with("$share/")) {  // 4.8.2
      is_shared = true;
      const std::size_t end = filter.find('/', 7);
      is_right = end != std::string::npos && end > 7 && filter.substr(7, end - 7).find_first_of("+#") == std::string::npos;
      if (is_right) filter.erase(0, end + 1);
    }
    if (!is_right || !is_filter(filter)) wrong({malformed, protocol_error, 0x8F});
    return is_shared;
  }

  /// 2.2.2.2: which there are, and which may stand here, at most once but for user properties. `check`: of a value.
  template <class Check>
  void properties(const std::set<std::uint32_t>& allowed, Check&& check) {
    const std::size_t size = variable();
    if (!structure_) return;
    if (size > in_.size()) return broken();
    const Bytes behind = in_.subspan(size);
    in_ = in_.first(size);
    std::set<std::uint32_t> seen;
    while (structure_ && !in_.empty()) {
      const std::uint32_t id = variable();
      if (!structure_) return;
      if (!allowed.contains(id)) wrong({malformed, protocol_error});
      if (!seen.insert(id).second && id != 0x26) wrong({protocol_error});
      std::uint32_t value = 0;
      std::string words;
      switch (id) {
        case 0x01:
        case 0x17:
        case 0x19:
        case 0x24:
        case 0x25:
        case 0x28:
        case 0x29:
        case 0x2A:
          value = number(1);
          break;
        case 0x13:
        case 0x21:
        case 0x22:
        case 0x23:
          value = number(2);
          break;
        case 0x02:
        case 0x11:
        case 0x18:
        case 0x27:
          value = number(4);
          break;
        case 0x0B:
          value = variable();
          break;
        case 0x03:
        case 0x08:
        case 0x12:
        case 0x15:
        case 0x1A:
        case 0x1C:
        case 0x1F:
          words = text();
          break;
        case 0x09:
        case 0x16:
          data();
          break;
        case 0x26:
          text();
          if (structure_) text();
          break;
        default:
          return broken();
      }
      if (structure_) check(id, value, words);
    }
    if (structure_) in_ = behind;
  }
  void properties(const std::set<std::uint32_t>& allowed) {
    properties(allowed, [](std::uint32_t, std::uint32_t, const std::string&) {});
  }

  void packet(std::uint8_t first) {
    const std::uint8_t type = first >> 4, flags = first & 0x0F;
    const bool has_flags_of_2 = type == 6 || type == 8 || type == 10;
    if (type != 3 && flags != (has_flags_of_2 ? 2 : 0)) wrong({malformed});  // [MQTT-2.1.3-1]
    switch (type) {
      case 3:
        publish(flags);
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        acknowledgement(type);
        break;
      case 8:
        subscribe();
        break;
      case 10:
        unsubscribe();
        break;
      case 12:
        break;
      case 14:
        disconnect();
        break;
      case 15:
        return wrong({malformed, protocol_error});  // [MQTT-4.12.0-6]: no method was named
      default:
        return wrong({malformed, protocol_error});  // reserved, a second CONNECT, or what servers send
    }
    if (structure_ && !in_.empty()) wrong({malformed});
  }

  void publish(std::uint8_t flags) {
    const int qos = flags >> 1 & 3;
    if (qos == 3) wrong({malformed});                                      // [MQTT-3.3.1-4]
    if (qos == 0 && (flags & 8) != 0) wrong({malformed, protocol_error});  // [MQTT-3.3.1-2]
    const std::string topic = text();
    if (!structure_) return;
    name(topic);
    if (qos != 0) identifier();
    if (!structure_) return;
    std::uint32_t alias = 0;
    if (is_5()) {
      properties({0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26, 0x0B},
                 [&](std::uint32_t id, std::uint32_t value, const std::string& words) {
                   if (id == 0x01 && value > 1) wrong({malformed, protocol_error});
                   if (id == 0x0B) wrong({malformed, protocol_error});  // [MQTT-3.3.4-6]
                   if (id == 0x08) name(words);                         // [MQTT-3.3.2-14]
                   if (id == 0x23) alias = value;
                   if (id == 0x23 && (value == 0 || value > alias_maximum_))
                     wrong({0x94, protocol_error});  // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
                 });
      if (!structure_) return;
    }
    if (topic.empty() && codes_.empty()) {
      if (alias == 0 || !aliases_.contains(alias)) wrong({protocol_error, malformed, 0x90});  // 3.3.2.1, [MQTT-4.7.3-1]
    }
    if (alias != 0 && codes_.empty()) aliases_.insert(alias);
    in_ = {};  // the payload
  }

  void reason(const std::set<std::uint8_t>& known) {
    if (!known.contains(static_cast<std::uint8_t>(number(1))) && structure_) wrong({malformed, protocol_error});
  }

  void acknowledgement(std::uint8_t type) {
    identifier();
    if (!is_5() || !structure_ || in_.empty()) return;
    const bool is_release = type == 6 || type == 7;
    reason(is_release ? std::set<std::uint8_t>{0x00, 0x92}
                      : std::set<std::uint8_t>{0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
    if (structure_ && !in_.empty()) properties({0x1F, 0x26});
  }

  void subscribe() {
    identifier();
    if (is_5() && structure_)
      properties({0x0B, 0x26}, [&](std::uint32_t id, std::uint32_t value, const std::string&) {
        if (id == 0x0B && value == 0) wrong({protocol_error});
      });
    if (structure_ && in_.empty()) wrong({malformed, protocol_error});  // [MQTT-3.8.3-2]
    while (structure_ && !in_.empty()) {
      const bool is_shared = filter();
      if (!structure_) return;
      const std::uint32_t options = number(1);
      if (!structure_) return;
      if ((options & 3) == 3) wrong({malformed, protocol_error});
      if (!is_5() && options > 2) wrong({malformed});  // 3: [MQTT-3.8.3-4]
      if (is_5() && (options & 0x30) == 0x30) wrong({malformed, protocol_error});
      if (is_5() && (options & 0xC0) != 0) wrong({malformed});                 // [MQTT-3.8.3-5]
      if (is_5() && is_shared && (options & 4) != 0) wrong({protocol_error});  // [MQTT-3.8.3-4]
    }
  }

  void unsubscribe() {
    identifier();
    if (is_5() && structure_) properties({0x26});
    if (structure_ && in_.empty()) wrong({malformed, protocol_error});  // [MQTT-3.10.3-2]
    while (structure_ && !in_.empty()) filter();
  }

  void disconnect() {
    leaves_ = true;
    if (!is_5() || in_.empty()) return;
    reason({0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99});
    if (!structure_ || in_.empty()) return;
    properties({0x11, 0x1F, 0x26}, [&](std::uint32_t id, std::uint32_t value, const std::string&) {
      if (id == 0x11 && value != 0) wrong({protocol_error});  // 3.14.2.2.2
    });
  }

  int version_;
  std::uint16_t alias_maximum_;
  Bytes in_;
  Codes codes_;
  bool structure_ = true, leaves_ = false;
  std::set<std::uint32_t> aliases_;
};

}  // namespace sealmq::testing
