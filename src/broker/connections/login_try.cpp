// One try to log in, or to use a ticket: told to the gate when it begins, and what came of it when it ends.
#include "broker/shard.h"

namespace sealmq::broker {

LoginTry::LoginTry(LoginGate* gate, LoginGate::Tested by, std::string_view name, std::string_view address, Now now)
    : gate_(gate), by_(by), name_(name), address_(address), now_(now) {
  is_open_ = gate_ == nullptr || gate_->begin(by_, name_, address_, now_);
  if (!is_open_) gate_ = nullptr;
}

LoginTry::LoginTry(LoginTry&& other) noexcept
    : gate_(std::exchange(other.gate_, nullptr)),
      by_(other.by_),
      name_(std::move(other.name_)),
      address_(std::move(other.address_)),
      now_(other.now_),
      is_open_(other.is_open_),
      outcome_(other.outcome_) {}

LoginTry& LoginTry::operator=(LoginTry&& other) noexcept {
  std::swap(gate_, other.gate_);
  std::swap(by_, other.by_);
  std::swap(name_, other.name_);
  std::swap(address_, other.address_);
  std::swap(now_, other.now_);
  std::swap(is_open_, other.is_open_);
  std::swap(outcome_, other.outcome_);
  return *this;
}

LoginTry::~LoginTry() {
  if (gate_ != nullptr) gate_->end(by_, name_, address_, outcome_, now_);
}

}  // namespace sealmq::broker
