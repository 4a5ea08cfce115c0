// AdminListener: pages for monitoring over HTTP: GET and HEAD, nothing else. It is not meant for the open Internet and bounds
// what a peer can take: 32 connections, 8 KiB of header, no body, five seconds for each request.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "sealmq/result.h"
#include "sealmq/secret.h"

namespace sealmq::server {

struct Page {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// What stands at a path; its own answer for a path that is unknown. Called on the loop's thread.
using Pages = std::function<Page(std::string_view path)>;

class AdminListener {
 public:
  /// Port 0 picks a free one. If `token` is not empty, every request must carry `Authorization: Bearer TOKEN`. Errors:
  /// environment.
  static Result<std::unique_ptr<AdminListener>> open(boost::asio::io_context& loop, const std::string& host, std::uint16_t port,
                                                     Secret token, Pages pages);
  virtual ~AdminListener() = default;

  /// From now on on the loop's thread only.
  virtual void start() = 0;
  /// Also ends what is being answered.
  virtual void close() = 0;
  /// `http://127.0.0.1:9464`, with the port that was picked.
  virtual std::string url() const = 0;
};

/// The address of `http://HOST:PORT`. Errors: caller_misused.
struct AdminAddress {
  std::string host;
  std::uint16_t port = 0;
};
Result<AdminAddress> parse_admin_url(std::string_view url);

/// The token in a file that only its owner may read: at least 16 characters, white space around them does not count.
/// Errors: caller_misused, environment.
Result<Secret> read_token_file(const std::string& path);

}  // namespace sealmq::server
