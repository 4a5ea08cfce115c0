#include "server/doors.h"

#include <boost/asio/post.hpp>

#include "server/thread_priority.h"

namespace sealmq::server {

void Doors::open_all() {
  for (const auto& entrance : all_) entrance->start();
  thread_ = std::jthread([this] {
    prefer_latency();
    loop_.run();
  });
}

void Doors::close() {
  if (!thread_.joinable()) return;
  boost::asio::post(loop_, [this] {
    for (const auto& entrance : all_) entrance->close();
    loop_.stop();
  });
  thread_.join();
}

}  // namespace sealmq::server
