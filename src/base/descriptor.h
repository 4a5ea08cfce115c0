// Descriptor: owns an open file of the operating system and closes it.
#pragma once

#include <unistd.h>

#include <utility>

namespace sealmq {

class Descriptor {
 public:
  Descriptor() = default;
  /// What open() answered; negative: nothing is owned.
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }

 private:
  int number_ = -1;
};

}  // namespace sealmq
