#include "broker/message.h"

namespace sealmq::broker {

std::size_t text_size(const mqtt::Properties& p) {
  std::size_t size = 0;
  for (const auto& text : {p.content_type, p.response_topic}) size += text ? text->size() : 0;
  if (p.correlation_data) size += p.correlation_data->size();
  for (const auto& user : p.user) size += user.name.size() + user.value.size();
  return size;
}

namespace {

/// Copies what it is given behind what is there; the room has been reserved, so earlier views stay good.
class Store {
 public:
  explicit Store(std::string& storage) : storage_(storage) {}
  std::string_view keep(std::string_view text) {
    std::size_t at = storage_.size();
    storage_ += text;
    return std::string_view(storage_).substr(at, text.size());
  }
  Bytes keep(Bytes bytes) { return as_bytes(keep(as_text(bytes))); }

 private:
  std::string& storage_;
};

}  // namespace

Message::Message(const MessageView& from, std::uint64_t number, Budget* budget) : view_(from), number_(number) {
  bool wrapped = from.wire.data() != from.payload.data() || from.wire.size() != from.payload.size();
  storage_.reserve(from.topic.size() + from.payload.size() + (wrapped ? from.wire.size() : 0) + from.author.size() +
                   from.publisher.size() + (from.properties != nullptr ? text_size(*from.properties) : 0));
  Store store(storage_);
  view_.party = {};
  view_.topic = store.keep(from.topic);
  view_.payload = store.keep(from.payload);
  view_.wire = wrapped ? store.keep(from.wire) : view_.payload;
  view_.author = store.keep(from.author);
  view_.publisher = store.keep(from.publisher);
  if (from.properties != nullptr) {
    const auto& p = *from.properties;
    properties_ = std::make_unique<mqtt::Properties>();
    properties_->payload_format_indicator = p.payload_format_indicator;
    properties_->message_expiry_interval = p.message_expiry_interval;  // of a Will, whose life has not begun
    if (p.content_type) properties_->content_type = store.keep(*p.content_type);
    if (p.response_topic) properties_->response_topic = store.keep(*p.response_topic);
    if (p.correlation_data) properties_->correlation_data = store.keep(*p.correlation_data);
    for (const auto& user : p.user) properties_->user.push_back({store.keep(user.name), store.keep(user.value)});
    view_.properties = properties_.get();
  }
  charge_ = Charge(budget, size());
}

}  // namespace sealmq::broker
