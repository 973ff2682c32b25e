#pragma once

#include <httplib.h>
#include <netdb.h>
#include <poll.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "la/la.hpp"

// Sockets with limits of our own: httplib's bound neither how long a request may take to arrive nor how many headers it has.
namespace la::cli {

struct ConnectionLimits {
  std::size_t max_header = 64 << 10;  ///< bytes before the body
  std::size_t max_body = 32'000'000;
  std::chrono::seconds arrival{30};  ///< a whole request must be there within
  int places = 64;                   ///< connections that are served at once
};

/// One client's socket, for as long as it is served.
class Connection final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(int socket, const ConnectionLimits& limits, const std::atomic<socket_t>& listening)
      : socket_(socket), limits_(limits), listening_(listening) {
    current_ = this;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { current_ = nullptr; }

  /// That of the request which this thread answers.
  static Connection& current() { return *current_; }

  // What handlers ask and say

  /// Whether the client has closed it, or its sending side: nobody waits for the answer.
  bool gone() const {
    pollfd at{socket_, POLLRDHUP, 0};
    return ::poll(&at, 1, 0) > 0 && (at.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }
  /// For a request that is refused before its body was read: what follows in the socket is no request.
  void close_after() noexcept { close_after_ = true; }
  /// The status of a request that came too slowly or is too large; 0 otherwise.
  int failure() const noexcept { return failure_; }
  Clock::time_point began() const noexcept { return began_; }
  std::string
      content_type;  ///< httplib is not shown it: it would parse forms with std::regex, whose stack has no bound

  // The life of a connection

  /// Waits for the first byte of a request.
  bool wait_for_request(std::chrono::milliseconds time) {
    waiting_since_ = ticks();
    return at_ < end_ || wait(POLLIN, Clock::now() + time);
  }
  void begin_request() {
    began_ = Clock::now();
    waiting_since_ = ticks();
    header_bytes_ = body_bytes_ = 0;
    line_bytes_ = 0;
    in_header_ = true;
  }
  /// The request is complete, or refused: its sender is waited for no longer.
  void arrived() noexcept { waiting_since_ = kNever; }
  bool must_close() const noexcept { return close_after_ || failure_ != 0; }
  /// Reads what is still being sent, for a while: a client that sends first and then reads would else see a reset in
  /// place of its answer.
  void linger() {
    ::shutdown(socket_, SHUT_WR);
    const auto end = std::min(Clock::now() + limits_.arrival, began_ + 2 * limits_.arrival);
    waiting_since_ = ticks();
    while (wait(POLLIN, end) && ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) > 0) {
    }
  }

  // For who watches over all connections

  /// Since when it has waited for its client; kNever while an answer is made.
  Clock::rep waiting_since() const noexcept { return waiting_since_; }
  static constexpr Clock::rep kNever = std::numeric_limits<Clock::rep>::max();
  void cut() const noexcept { ::shutdown(socket_, SHUT_RDWR); }

  // httplib::Stream

  bool is_readable() const override { return at_ < end_ || ready(POLLIN); }
  bool is_writable() const override { return !gone() && ready(POLLOUT); }
  ssize_t read(char* to, std::size_t size) override {
    if (at_ == end_) {
      const auto latest = began_ + limits_.arrival;
      if (Clock::now() >= latest) return fail(408);
      ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) {
        if (!wait(POLLIN, latest)) return fail(408);
        got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      }
      if (got <= 0) return got;
      at_ = 0;
      end_ = std::size_t(got);
    }
    const std::size_t count = std::min(size, end_ - at_);
    std::memcpy(to, buffer_.data() + at_, count);
    at_ += count;
    return account(to, count) ? ssize_t(count) : -1;
  }
  ssize_t write(const char* from, std::size_t size) override {
    if (!wait(POLLOUT, Clock::now() + std::chrono::seconds(10))) return -1;
    return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { address(::getpeername, ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { address(::getsockname, ip, port); }
  socket_t socket() const override { return socket_; }

 private:
  bool ready(short events) const {
    pollfd at{socket_, events, 0};
    return ::poll(&at, 1, 0) > 0;
  }
  /// False when the time is over, or the server stops while it waits for a request.
  bool wait(short events, Clock::time_point end) const {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
      if (left <= 0) return false;
      pollfd at{socket_, events, 0};
      if (::poll(&at, 1, int(std::min<long long>(left, 200))) > 0) return true;
      if (listening_ == INVALID_SOCKET && events == POLLIN) return false;
    }
  }
  ssize_t fail(int status) {
    failure_ = status;
    return -1;
  }
  /// Counts towards the limits. A header ends with an empty line.
  bool account(const char* bytes, std::size_t count) {
    if (in_header_) {
      header_bytes_ += count;
      for (std::size_t i = 0; i < count; ++i) {
        if (bytes[i] == '\n') {
          if (line_bytes_ == 0 && header_bytes_ > 2) in_header_ = false;
          line_bytes_ = 0;
        } else if (bytes[i] != '\r') {
          ++line_bytes_;
        }
      }
      if (header_bytes_ > limits_.max_header) fail(431);
    } else {
      body_bytes_ += count;
      // The frames of chunks may double it: a chunk of one byte takes six.
      if (body_bytes_ > 2 * limits_.max_body + limits_.max_header) fail(413);
    }
    return failure_ == 0;
  }
  template <class Get>
  void address(const Get& get, std::string& ip, int& port) const {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* at = reinterpret_cast<sockaddr*>(&storage);
    char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
    if (get(socket_, at, &size) != 0 || ::getnameinfo(at, size, host, sizeof host, service, sizeof service,
                                                      NI_NUMERICHOST | NI_NUMERICSERV) != 0)
      return;
    ip = host;
    port = std::atoi(service);
  }
  static Clock::rep ticks() { return Clock::now().time_since_epoch().count(); }

  static inline thread_local Connection* current_ = nullptr;

  const int socket_;
  const ConnectionLimits& limits_;
  const std::atomic<socket_t>& listening_;
  std::array<char, 65536> buffer_;
  std::size_t at_ = 0, end_ = 0;
  Clock::time_point began_ = Clock::now();
  std::atomic<Clock::rep> waiting_since_ = ticks();
  std::size_t header_bytes_ = 0, line_bytes_ = 0, body_bytes_ = 0;
  bool in_header_ = true, close_after_ = false;
  int failure_ = 0;
};

/// httplib's server on these connections.
class ConnectionServer : public httplib::Server {
 public:
  explicit ConnectionServer(const ConnectionLimits& limits) : limits_(limits) {
    new_task_queue = [places = limits.places] { return new httplib::ThreadPool(std::size_t(places)); };
    set_payload_max_length(limits.max_body);
    set_keep_alive_max_count(kRequestsOfAConnection);
    set_socket_options([](int socket) {  // not SO_REUSEPORT: a second server is an error
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      // Connections inherit it. A header and its body are two writes: without this the second waits for the client.
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    });
  }

  int connections() const {
    const std::lock_guard lock(mutex_);
    return int(served_.size());
  }
  /// When every place is taken, the client that has kept its own waiting the longest gives way, if it was for two seconds.
  /// To be called now and then.
  void relieve() {
    const std::lock_guard lock(mutex_);
    if (int(served_.size()) < limits_.places) return;
    const auto slowest = *std::min_element(served_.begin(), served_.end(), [](auto* a, auto* b) {
      return a->waiting_since() < b->waiting_since();
    });
    const auto patience = Connection::Clock::now() - std::chrono::seconds(2);
    if (slowest->waiting_since() < patience.time_since_epoch().count()) slowest->cut();
  }

 private:
  static constexpr std::size_t kRequestsOfAConnection = 1000;
  static constexpr std::chrono::seconds kIdle{5};

  bool process_and_close_socket(socket_t socket) override {
    bool answered = false;
    {
      Connection connection(socket, limits_, svr_sock_);
      const Place place(*this, connection);
      for (std::size_t left = kRequestsOfAConnection; left > 0 && svr_sock_ != INVALID_SOCKET; --left) {
        if (!connection.wait_for_request(kIdle)) break;
        bool closed = false;
        connection.begin_request();
        answered = process(*this, connection, left == 1, closed);
        if (connection.must_close()) connection.linger();
        if (!answered || closed || connection.must_close()) break;
      }
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return answered;
  }

  /// Whom the server serves, for as long as it does.
  struct Place {
    Place(ConnectionServer& its_server, Connection& its) : server(its_server), connection(its) {
      const std::lock_guard lock(server.mutex_);
      server.served_.insert(&connection);
    }
    Place(const Place&) = delete;
    ~Place() {
      const std::lock_guard lock(server.mutex_);
      server.served_.erase(&connection);
    }
    ConnectionServer& server;
    Connection& connection;
  };

  static void set_up(httplib::Request& request) {
    Connection::current().content_type = request.get_header_value("Content-Type");
    request.headers.erase("Content-Type");
    request.headers.erase("Accept-Encoding");  // answers are small, and events must not wait in a compressor
  }
  /// httplib 0.11 asks the stream for its addresses, 0.18 wants them from us.
  template <class Self>
  static bool process(Self& self, Connection& connection, bool last, bool& closed) {
    if constexpr (requires { self.process_request(connection, last, closed, set_up); }) {
      return self.process_request(connection, last, closed, set_up);
    } else {
      std::string remote, local;
      int remote_port = 0, local_port = 0;
      connection.get_remote_ip_and_port(remote, remote_port);
      connection.get_local_ip_and_port(local, local_port);
      return self.process_request(connection, remote, remote_port, local, local_port, last, closed, set_up);
    }
  }

  const ConnectionLimits limits_;
  mutable std::mutex mutex_;
  std::set<Connection*> served_;
};

}  // namespace la::cli
