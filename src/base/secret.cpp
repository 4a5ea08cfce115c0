#include "sealmq/secret.h"

#include <cstring>

#include "base/secret_memory.h"

namespace sealmq {

void wipe(void* data, std::size_t size) {
  if (size != 0) explicit_bzero(data, size);
}

bool same(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference = difference | static_cast<std::uint8_t>(a[i] ^ b[i]);
  return difference == 0;
}

Secret::Secret(Bytes bytes) : size_(bytes.size()) {
  if (bytes.empty()) return;
  if (size_ > largest_in_secret_memory) {
    large_ = to_buffer(bytes);
    data_ = large_.data();
  } else {
    data_ = take_secret_memory(size_);
    std::memcpy(data_, bytes.data(), size_);
  }
}

Secret::Secret(Buffer&& bytes) {
  if (bytes.size() > largest_in_secret_memory) {
    large_ = std::move(bytes);
    data_ = large_.data();
    size_ = large_.size();
    return;
  }
  *this = Secret(Bytes(bytes));
  wipe(bytes.data(), bytes.size());
  bytes.clear();
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    forget();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    large_ = std::move(other.large_);
  }
  return *this;
}

void Secret::forget() {
  if (data_ == nullptr) return;
  wipe(data_, size_);
  if (size_ > largest_in_secret_memory)
    large_ = Buffer();
  else
    give_secret_memory(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace sealmq
