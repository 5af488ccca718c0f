#include "common/server/metrics_listener.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/config/load_yaml.h"
#include "common/http/http_config.h"
#include "common/http/server.h"
#include "common/server/unix_address.h"
#include "common/server/unix_listener.h"
#include "common/spiffe/spiffe_id.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

constexpr char kPath[] = "/metrics";
constexpr char kScrape[] = "Scrape";
constexpr char kExposition[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::uint32_t kMaxScrapers = 16;
constexpr std::size_t kMaxHead = 8 << 10;
constexpr std::chrono::seconds kPatience(2);  // for the request, and again for the answer: one scraper at a time

using Time = std::chrono::steady_clock::time_point;

bool OnUnixSocket(const config::v1::Metrics& config) { return IsUnixAddress(config.listen()); }

absl::Status CheckPeers(const config::v1::Metrics& config, const std::string& field) {
  std::set<std::string> seen;
  for (int i = 0; i < config.peers_size(); ++i) {
    const std::string& peer = config.peers(i);
    const std::string place = absl::StrCat(field, ".peers[", i, "]");
    if (OnUnixSocket(config) ? !UidOf(peer).has_value() : !ValidateWorkloadIdentifier(peer).ok()) {
      return config::AtField(
          place, absl::StrCat("expected ", OnUnixSocket(config) ? "uid:N" : "a SPIFFE ID", ", got \"", peer, "\""));
    }
    if (!seen.insert(peer).second) return config::AtField(place, absl::StrCat(peer, " stands there twice"));
  }
  if (seen.empty()) return config::AtField(field + ".peers", "expected at least one: as it is nobody may scrape");
  return absl::OkStatus();
}

// Waits until `fd` is ready for `event`; false when the time is over.
bool Await(int fd, short event, Time end) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd, event, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// Up to the empty line; "" when it is too long, or does not come in time.
std::string ReadHead(int fd, Time end) {
  std::string head;
  char buffer[1024];
  while (head.size() < kMaxHead && Await(fd, POLLIN, end)) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return "";
    head.append(buffer, static_cast<std::size_t>(n));
    if (const std::size_t empty_line = head.find("\r\n\r\n"); empty_line != std::string::npos)
      return head.substr(0, empty_line);
  }
  return "";
}

void WriteAll(int fd, absl::string_view text, Time end) {
  while (!text.empty() && Await(fd, POLLOUT, end)) {
    const ssize_t n = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void AnswerScrape(int fd, const metrics::Metrics& metrics) {
  const std::string head = ReadHead(fd, std::chrono::steady_clock::now() + kPatience);
  if (!head.empty()) {
    const int status = StatusOfScrape(head);
    const char* const reason = status == 200   ? "OK"
                               : status == 404 ? "Not Found"
                               : status == 405 ? "Method Not Allowed"
                                               : "Bad Request";
    const std::string body = status == 200 ? metrics.Text() : absl::StrCat(reason, "\n");
    const char* const type = status == 200 ? kExposition : "text/plain";
    WriteAll(
        fd,
        absl::StrCat("HTTP/1.1 ", status, " ", reason, "\r\nContent-Type: ", type, "\r\nContent-Length: ", body.size(),
                     status == 405 ? "\r\nAllow: GET" : "", "\r\nConnection: close\r\n\r\n", body),
        std::chrono::steady_clock::now() + kPatience);  // what is sampled may take its time, like the store's probe
  }
  close(fd);
}

class UnixMetricsListener final : public MetricsListener {
 public:
  absl::Status Listen(const config::v1::Metrics& config, const metrics::Metrics& metrics) {
    std::set<std::uint32_t> uids;
    for (const std::string& peer : config.peers()) uids.insert(UidOf(peer).value());
    TWI_ASSIGN_OR_RETURN(listener_, UnixListener::Start(UnixPathOf(config.listen()).value(), std::move(uids),
                                                        [&metrics](int fd) { AnswerScrape(fd, metrics); }));
    return absl::OkStatus();
  }
  int port() const override { return 0; }

 private:
  std::unique_ptr<UnixListener> listener_;
};

// The HTTPS listener that serves nothing but the scrape, to those peers.
config::v1::Http HttpConfigOf(const config::v1::Metrics& config) {
  config::v1::Http http;
  http.set_listen(config.listen());
  *http.mutable_tls() = config.tls();
  config::v1::Allow* allow = http.add_allow();
  allow->set_rpc(kScrape);
  *allow->mutable_peers() = config.peers();
  http.set_max_connections(kMaxScrapers);
  http.set_max_concurrent_requests(kMaxScrapers);
  return http;
}

class HttpsMetricsListener final : public MetricsListener {
 public:
  absl::Status Listen(const config::v1::Metrics& config, const std::string& field, const metrics::Metrics& metrics,
                      const Clock& clock) {
    const http::Handler answer = [&metrics](const http::Request&) -> absl::StatusOr<http::Response> {
      return http::Response{200, kExposition, metrics.Text()};
    };
    TWI_ASSIGN_OR_RETURN(server_, http::Server::Start(HttpConfigOf(config), clock, {{kScrape, "GET", kPath, 0, answer}},
                                                      {field, nullptr}));
    return absl::OkStatus();
  }
  int port() const override { return server_->port(); }

 private:
  std::unique_ptr<http::Server> server_;
};

}  // namespace

int StatusOfScrape(absl::string_view head) {
  const std::vector<absl::string_view> line = absl::StrSplit(head.substr(0, head.find("\r\n")), ' ');
  if (line.size() != 3 || !absl::StartsWith(line[2], "HTTP/1.")) return 400;
  if (line[1].substr(0, line[1].find('?')) != kPath) return 404;
  return line[0] == "GET" ? 200 : 405;
}

absl::Status CheckMetricsConfig(const config::v1::Metrics& config, const std::string& field) {
  TWI_RETURN_IF_ERROR(CheckPeers(config, field));
  if (!OnUnixSocket(config)) {
    if (!config.has_tls()) return config::AtField(field + ".tls", "expected a section: no metrics over plaintext TCP");
    return http::CheckHttpConfig(HttpConfigOf(config), field, {kScrape}).status();
  }
  if (!UnixPathOf(config.listen()).has_value())
    return config::AtField(field + ".listen", absl::StrCat("expected ", kUnixAddressForm));
  return config.has_tls() ? config::AtField(field + ".tls", "expected nothing on a Unix socket") : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<MetricsListener>> MetricsListener::Start(const config::v1::Metrics& config,
                                                                        const std::string& field,
                                                                        const metrics::Metrics& metrics,
                                                                        const Clock& clock) {
  TWI_RETURN_IF_ERROR(CheckMetricsConfig(config, field));
  if (!OnUnixSocket(config)) {
    auto listener = std::make_unique<HttpsMetricsListener>();
    TWI_RETURN_IF_ERROR(listener->Listen(config, field, metrics, clock));
    return listener;
  }
  auto listener = std::make_unique<UnixMetricsListener>();
  TWI_RETURN_IF_ERROR(config::AtField(field + ".listen", listener->Listen(config, metrics)));
  return listener;
}

}  // namespace twi::server
