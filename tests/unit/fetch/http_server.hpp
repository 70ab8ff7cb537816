// A small HTTP/1.1 server on 127.0.0.1 for tests, with ranges, persistent connections, and faults of mirrors.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace k8simg::test {

struct HttpRequest {
  std::string target;                 ///< as sent: a path, or a complete URL if the server is used as a proxy
  std::optional<std::uint64_t> from;  ///< Range: bytes=FROM-
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string headers{};               ///< further lines, each ended by \r\n
  std::optional<std::size_t> cut{};    ///< close the connection after this many bytes of the body
  std::chrono::milliseconds delay{0};  ///< before every 16 bytes of the body
};

/// A correct mirror.
inline HttpResponse serve(const HttpRequest& request, const std::string& body) {
  if (!request.from) return {200, body};
  if (*request.from >= body.size()) return {416, "", "Content-Range: bytes */" + std::to_string(body.size()) + "\r\n"};
  return {206, body.substr(*request.from),
          "Content-Range: bytes " + std::to_string(*request.from) + "-" + std::to_string(body.size() - 1) + "/" +
              std::to_string(body.size()) + "\r\n"};
}

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw std::runtime_error("no socket on 127.0.0.1");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~HttpServer() {
    {
      const std::lock_guard guard(mutex_);
      closing_ = true;
      for (const int client : clients_) shutdown(client, SHUT_RDWR);
    }
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    for (const int client : clients_) close(client);
    close(listener_);
  }

  std::string url(const std::string& path = "") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::vector<HttpRequest> requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
  }
  std::size_t connections() const {
    const std::lock_guard guard(mutex_);
    return clients_.size();
  }

 private:
  void accept_all() {
    for (;;) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const std::lock_guard guard(mutex_);
      if (client < 0 || closing_) {
        if (client >= 0) close(client);
        return;
      }
      clients_.push_back(client);
      threads_.emplace_back([this, client] { answer_all(client); });
    }
  }

  static bool send_all(int client, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void answer_all(int client) {
    std::string buffer;
    for (;;) {
      std::size_t end;
      while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
        char chunk[4096];
        const ssize_t got = recv(client, chunk, sizeof chunk, 0);
        if (got <= 0) return;
        buffer.append(chunk, static_cast<std::size_t>(got));
      }
      const std::string head = buffer.substr(0, end + 2);
      buffer.erase(0, end + 4);
      HttpRequest request;
      const auto space = head.find(' ');
      request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
      if (const auto range = head.find("\r\nRange: bytes="); range != std::string::npos)
        request.from = std::stoull(head.substr(range + 15));
      {
        const std::lock_guard guard(mutex_);
        requests_.push_back(request);
      }
      const HttpResponse response = handler_(request);
      if (!send_all(client, "HTTP/1.1 " + std::to_string(response.status) + " Answer\r\nContent-Length: " +
                                std::to_string(response.body.size()) + "\r\n" + response.headers + "\r\n"))
        return;
      const std::string_view body =
          std::string_view(response.body).substr(0, response.cut.value_or(response.body.size()));
      const std::size_t piece = response.delay.count() ? 16 : std::max<std::size_t>(body.size(), 1);
      for (std::size_t at = 0; at < body.size(); at += piece) {
        std::this_thread::sleep_for(response.delay);
        if (!send_all(client, body.substr(at, piece))) return;
      }
      if (response.cut) {
        shutdown(client, SHUT_RDWR);
        return;
      }
    }
  }

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  bool closing_ = false;
  std::vector<int> clients_;  // closed only at the end, so that no number is reused
  std::vector<std::thread> threads_;
  std::vector<HttpRequest> requests_;
};

}  // namespace k8simg::test
