// Signals that others send out of habit (log rotation sends SIGUSR1 to many a daemon) or that come because the reader of our log
// has gone: a program that serves does not end by them.
#pragma once

#include <csignal>
#include <initializer_list>

namespace sealmq::cli {

/// Before there are threads.
inline void ignore_stray_signals() {
  for (int stray : {SIGPIPE, SIGUSR1, SIGUSR2}) std::signal(stray, SIG_IGN);
}

}  // namespace sealmq::cli
