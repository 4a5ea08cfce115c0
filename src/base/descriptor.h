// Descriptor: owns an open file or socket of the operating system and closes it.
#pragma once

#include <unistd.h>

#include <utility>

namespace sealmq {

class Descriptor {
 public:
  Descriptor() = default;
  /// What open() answered; negative: nothing is owned.
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  bool is_open() const { return number_ >= 0; }
  int number() const { return number_; }
  /// The caller closes it.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

}  // namespace sealmq
