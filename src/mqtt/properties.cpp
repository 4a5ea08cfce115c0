#include "mqtt/properties.h"

#include <algorithm>
#include <array>
#include <variant>

#include "mqtt/topic.h"

namespace sealmq::mqtt {
namespace {

constexpr unsigned in(Carrier carrier) {
  return 1u << static_cast<unsigned>(carrier);
}

constexpr unsigned will = in(Carrier::will), connect = in(Carrier::connect), connack = in(Carrier::connack),
                   publish = in(Carrier::publish), subscribe = in(Carrier::subscribe), disconnect = in(Carrier::disconnect),
                   auth = in(Carrier::auth);
constexpr unsigned every_answer = connack | in(Carrier::puback) | in(Carrier::pubrec) | in(Carrier::pubrel) |
                                  in(Carrier::pubcomp) | in(Carrier::suback) | in(Carrier::unsuback) | disconnect | auth;
constexpr unsigned everywhere = every_answer | will | connect | publish | subscribe | in(Carrier::unsubscribe);

/// The member's type is the type on the wire: uint8, bool and QoS are a Byte that is 0 or 1, uint16 and uint32 the integers of
/// two and four bytes, string_view a UTF-8 string, Bytes binary data; of the lists, uint32 is a variable byte integer.
using Member =
    std::variant<std::optional<std::uint8_t> Properties::*, std::optional<bool> Properties::*, std::optional<QoS> Properties::*,
                 std::optional<std::uint16_t> Properties::*, std::optional<std::uint32_t> Properties::*,
                 std::optional<std::string_view> Properties::*, std::optional<Bytes> Properties::*,
                 std::vector<std::uint32_t> Properties::*, std::vector<UserProperty> Properties::*>;

enum Zero : std::uint8_t { zero_allowed = 0, never_zero = 0x82, never_zero_alias = 0x94 };  // the reason code of a zero

struct Row {
  std::uint8_t id;
  Member member;
  unsigned carriers;
  Zero zero = zero_allowed;
};

// MQTT 5 section 2.2.2.2
constexpr Row table[] = {
    {0x01, &Properties::payload_format_indicator, publish | will},
    {0x02, &Properties::message_expiry_interval, publish | will},
    {0x03, &Properties::content_type, publish | will},
    {0x08, &Properties::response_topic, publish | will},
    {0x09, &Properties::correlation_data, publish | will},
    {0x0B, &Properties::subscription_identifiers, publish | subscribe, never_zero},
    {0x11, &Properties::session_expiry_interval, connect | connack | disconnect},
    {0x12, &Properties::assigned_client_identifier, connack},
    {0x13, &Properties::server_keep_alive, connack},
    {0x15, &Properties::authentication_method, connect | connack | auth},
    {0x16, &Properties::authentication_data, connect | connack | auth},
    {0x17, &Properties::request_problem_information, connect},
    {0x18, &Properties::will_delay_interval, will},
    {0x19, &Properties::request_response_information, connect},
    {0x1A, &Properties::response_information, connack},
    {0x1C, &Properties::server_reference, connack | disconnect},
    {0x1F, &Properties::reason_string, every_answer},
    {0x21, &Properties::receive_maximum, connect | connack, never_zero},
    {0x22, &Properties::topic_alias_maximum, connect | connack},
    {0x23, &Properties::topic_alias, publish, never_zero_alias},  // [MQTT-3.3.2-8]
    {0x24, &Properties::maximum_qos, connack},
    {0x25, &Properties::retain_available, connack},
    {0x26, &Properties::user, everywhere},
    {0x27, &Properties::maximum_packet_size, connect | connack, never_zero},
    {0x28, &Properties::wildcard_subscription_available, connack},
    {0x29, &Properties::subscription_identifiers_available, connack},
    {0x2A, &Properties::shared_subscription_available, connack},
};

/// Row by identifier, and the rows of each carrier: made by the compiler so that a PUBLISH looks at its eight only.
constexpr auto row_of = [] {
  std::array<const Row*, 0x2B> rows{};
  for (const Row& row : table) rows[row.id] = &row;
  return rows;
}();

struct Rows {
  std::array<const Row*, std::size(table)> row{};
  std::size_t count = 0;
};
constexpr auto rows_of = [] {
  std::array<Rows, 16> all{};
  for (unsigned carrier = 0; carrier < 16; ++carrier)
    for (const Row& row : table)
      if ((row.carriers >> carrier & 1) != 0) all[carrier].row[all[carrier].count++] = &row;
  return all;
}();

// -- one value ----------------------------------------------------------------------------------------------------------------

bool read_bit(Reader& in) {
  std::uint8_t value = in.u8();
  if (value > 1) in.fail("property is neither 0 nor 1", code(Reason::protocol_error));
  return value == 1;
}
void read_value(Reader& in, std::uint8_t& value) {
  value = read_bit(in);
}
void read_value(Reader& in, bool& value) {
  value = read_bit(in);
}
void read_value(Reader& in, QoS& value) {
  value = read_bit(in) ? QoS::at_least_once : QoS::at_most_once;
}
void read_value(Reader& in, std::uint16_t& value) {
  value = in.u16();
}
void read_value(Reader& in, std::uint32_t& value) {
  value = in.u32();
}
void read_value(Reader& in, std::string_view& value) {
  value = read_text(in);
}
void read_value(Reader& in, Bytes& value) {
  value = in.lp16();
}

void write_value(std::uint8_t value, Writer& out) {
  out.u8(value);
}
void write_value(bool value, Writer& out) {
  out.u8(value ? 1 : 0);
}
void write_value(QoS value, Writer& out) {
  out.u8(static_cast<std::uint8_t>(value));
}
void write_value(std::uint16_t value, Writer& out) {
  out.u16(value);
}
void write_value(std::uint32_t value, Writer& out) {
  out.u32(value);
}
void write_value(std::string_view value, Writer& out) {
  out.lp16(value);
}
void write_value(Bytes value, Writer& out) {
  out.lp16(value);
}

std::size_t value_size(std::string_view value) {
  return 2 + value.size();
}
std::size_t value_size(Bytes value) {
  return 2 + value.size();
}
template <class Integer>
std::size_t value_size(Integer) {
  return sizeof(Integer);
}

template <class T>
bool is_zero(const T& value) {
  if constexpr (std::is_integral_v<T>) return value == 0;
  return false;
}

// -- one member, which is there or not ----------------------------------------------------------------------------------------

template <class T>
void read_member(Reader& in, const Row& row, Carrier, std::optional<T>& member) {
  if (member) in.fail("property stands twice", code(Reason::protocol_error));
  T& value = member.emplace();
  read_value(in, value);
  if (row.zero != zero_allowed && is_zero(value)) in.fail("property is 0", row.zero);
}

void read_member(Reader& in, const Row& row, Carrier carrier, std::vector<std::uint32_t>& member) {
  // Several belong to a PUBLISH that matched several subscriptions. A SUBSCRIBE has one.
  if (!member.empty() && carrier != Carrier::publish) in.fail("property stands twice", code(Reason::protocol_error));
  std::uint32_t value = read_variable(in);
  if (value == 0) in.fail("subscription identifier is 0", row.zero);
  member.push_back(value);
}

void read_member(Reader& in, const Row&, Carrier, std::vector<UserProperty>& member) {
  std::string_view name = read_text(in);
  std::string_view value = read_text(in);
  member.push_back({name, value});
}

template <class T>
std::size_t member_size(const std::optional<T>& member) {
  return member ? 1 + value_size(*member) : 0;
}
std::size_t member_size(const std::vector<std::uint32_t>& member) {
  std::size_t size = 0;
  for (std::uint32_t value : member) size += 1 + variable_size(value);
  return size;
}
std::size_t member_size(const std::vector<UserProperty>& member) {
  std::size_t size = 0;
  for (auto& [name, value] : member) size += 1 + value_size(name) + value_size(value);
  return size;
}

template <class T>
void write_member(std::uint8_t id, const std::optional<T>& member, Buffer& out) {
  if (!member) return;
  Writer writer(out);
  writer.u8(id);
  write_value(*member, writer);
}
void write_member(std::uint8_t id, const std::vector<std::uint32_t>& member, Buffer& out) {
  for (std::uint32_t value : member) {
    out.push_back(id);
    write_variable(value, out);
  }
}
void write_member(std::uint8_t id, const std::vector<UserProperty>& member, Buffer& out) {
  for (auto& [name, value] : member) Writer(out).u8(id).lp16(name).lp16(value);
}

template <class T>
bool equal(const T& a, const T& b) {
  return a == b;
}
bool equal(const std::optional<Bytes>& a, const std::optional<Bytes>& b) {
  return a.has_value() == b.has_value() && (!a || std::ranges::equal(*a, *b));
}

}  // namespace

// -- the section --------------------------------------------------------------------------------------------------------------

void read_properties(Reader& in, Carrier carrier, Properties& out) {
  std::size_t size = read_variable(in);
  if (size > in.remaining()) return in.fail("properties end too early");
  Reader section = packet_reader(in.bytes(size));  // a property cut short is not read on into what follows
  while (section.remaining() > 0) {
    std::uint32_t id = read_variable(section);
    const Row* row = id < row_of.size() ? row_of[id] : nullptr;
    if (row == nullptr || (row->carriers & mqtt::in(carrier)) == 0) return in.fail("property is not one of this packet");
    std::visit([&](auto member) { read_member(section, *row, carrier, out.*member); }, row->member);
  }
  if (section.failed() && !in.failed()) in = section;  // its failure is the packet's
  // [MQTT-3.3.2-14]
  if (out.response_topic && !is_topic_name(*out.response_topic))
    in.fail("response topic is not a topic name", code(Reason::protocol_error));
  // MQTT 5 sections 3.1.2.11.10 and 3.15.2.2.2
  if (out.authentication_data && !out.authentication_method)
    in.fail("authentication data without a method", code(Reason::protocol_error));
}

std::size_t properties_size(const Properties& properties, Carrier carrier) {
  const Rows& rows = rows_of[static_cast<unsigned>(carrier)];
  std::size_t size = 0;
  for (std::size_t i = 0; i < rows.count; ++i)
    std::visit([&](auto member) { size += member_size(properties.*member); }, rows.row[i]->member);
  return size;
}

void write_properties(const Properties& properties, Carrier carrier, std::size_t size, Buffer& out) {
  write_variable(size, out);
  if (size == 0) return;
  make_room(size, out);
  const Rows& rows = rows_of[static_cast<unsigned>(carrier)];
  for (std::size_t i = 0; i < rows.count; ++i)
    std::visit([&](auto member) { write_member(rows.row[i]->id, properties.*member, out); }, rows.row[i]->member);
}

bool operator==(const Properties& a, const Properties& b) {
  return std::ranges::all_of(
      table, [&](const Row& row) { return std::visit([&](auto member) { return equal(a.*member, b.*member); }, row.member); });
}

}  // namespace sealmq::mqtt
