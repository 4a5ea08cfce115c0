#include "cli/bench_message.h"

#include "mqtt/packet.h"

namespace sealmq::load {
namespace {

constexpr unsigned number_bits = 40;  // of the second half; the publisher stands above

// Big-endian, so that a payload begins with a zero: other first bytes tell a SealMQ broker that the payload is sealed.
void write_u64(std::uint8_t* out, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
}
std::uint64_t read_u64(const std::uint8_t* in) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value = value << 8 | in[i];
  return value;
}

}  // namespace

void Stamp::write(std::uint8_t* out) const {
  write_u64(out, time);
  write_u64(out + 8, publisher << number_bits | number);
}

Stamp Stamp::read(Bytes payload) {
  const std::uint64_t second_half = read_u64(payload.data() + 8);
  return {read_u64(payload.data()), second_half >> number_bits, second_half & ((std::uint64_t{1} << number_bits) - 1)};
}

PublishTemplate::PublishTemplate(std::string_view topic, mqtt::QoS qos, mqtt::Version version, std::size_t size) : qos_(qos) {
  const Buffer payload(size, 'x');
  mqtt::Publish publish;
  publish.topic = topic;
  publish.qos = qos_;
  publish.packet_id = qos_ == mqtt::QoS::at_most_once ? 0 : 1;
  publish.payload = payload;
  mqtt::encode(publish, version, packet_);
  stamp_at_ = packet_.size() - payload.size();
  const std::size_t property_length = version == mqtt::Version::v5 ? 1 : 0;
  packet_id_at_ = stamp_at_ - property_length - 2;
}

void PublishTemplate::append_to(Buffer& out, const Stamp& stamp, std::uint16_t packet_id) {
  stamp.write(packet_.data() + stamp_at_);
  if (qos_ != mqtt::QoS::at_most_once) {
    packet_[packet_id_at_] = static_cast<std::uint8_t>(packet_id >> 8);
    packet_[packet_id_at_ + 1] = static_cast<std::uint8_t>(packet_id);
  }
  append(out, packet_);
}

}  // namespace sealmq::load
