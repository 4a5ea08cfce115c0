// Doors: all [[listener]]s at work, on a thread of their own, so that newcomers come in however busy a shard is.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "server/entrance.h"

namespace sealmq::server {

class Doors {
 public:
  Doors() = default;
  ~Doors() { close(); }

  boost::asio::io_context& loop() { return loop_; }
  const std::vector<std::unique_ptr<Entrance>>& all() const { return all_; }

  /// Before open_all().
  void add(std::unique_ptr<Entrance> entrance) { all_.push_back(std::move(entrance)); }
  void open_all();
  /// Nobody comes in any more when it answers. May be called twice.
  void close();

 private:
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{loop_.get_executor()};
  std::vector<std::unique_ptr<Entrance>> all_;  // in the loop, and before it
  std::jthread thread_;
};

}  // namespace sealmq::server
