#include "common/server/metrics_listener.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/config/load_yaml.h"
#include "common/server/unix_listener.h"
#include "common/status/status_macros.h"

namespace twi::server {
namespace {

constexpr absl::string_view kUnix = "unix:";
constexpr absl::string_view kUid = "uid:";
constexpr std::size_t kMaxHead = 8 << 10;
constexpr std::chrono::seconds kPatience(2);  // for the whole exchange: one scraper at a time

using Time = std::chrono::steady_clock::time_point;

absl::StatusOr<std::set<std::uint32_t>> UidsOf(const config::v1::Metrics& config, const std::string& field) {
  std::set<std::uint32_t> uids;
  for (int i = 0; i < config.peers_size(); ++i) {
    const std::string& peer = config.peers(i);
    const std::string place = absl::StrCat(field, ".peers[", i, "]");
    std::uint32_t uid = 0;
    if (!absl::StartsWith(peer, kUid) || !absl::SimpleAtoi(absl::string_view(peer).substr(kUid.size()), &uid))
      return config::AtField(place, absl::StrCat("expected uid:N on a Unix socket, got \"", peer, "\""));
    if (!uids.insert(uid).second) return config::AtField(place, absl::StrCat(peer, " stands there twice"));
  }
  if (uids.empty()) return config::AtField(field + ".peers", "expected at least one: as it is nobody may scrape");
  return uids;
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
  const Time end = std::chrono::steady_clock::now() + kPatience;
  const std::string head = ReadHead(fd, end);
  if (!head.empty()) {
    const int status = StatusOfScrape(head);
    const char* const reason = status == 200   ? "OK"
                               : status == 404 ? "Not Found"
                               : status == 405 ? "Method Not Allowed"
                                               : "Bad Request";
    const std::string body = status == 200 ? metrics.Text() : absl::StrCat(reason, "\n");
    const char* const type = status == 200 ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain";
    WriteAll(fd,
             absl::StrCat("HTTP/1.1 ", status, " ", reason, "\r\nContent-Type: ", type, "\r\nContent-Length: ",
                          body.size(), status == 405 ? "\r\nAllow: GET" : "", "\r\nConnection: close\r\n\r\n", body),
             end);
  }
  close(fd);
}

class UnixMetricsListener final : public MetricsListener {
 public:
  absl::Status Listen(const std::string& path, std::set<std::uint32_t> uids, const metrics::Metrics& metrics) {
    TWI_ASSIGN_OR_RETURN(listener_,
                         UnixListener::Start(path, std::move(uids), [&metrics](int fd) { AnswerScrape(fd, metrics); }));
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<UnixListener> listener_;
};

}  // namespace

int StatusOfScrape(absl::string_view head) {
  const std::vector<absl::string_view> line = absl::StrSplit(head.substr(0, head.find("\r\n")), ' ');
  if (line.size() != 3 || !absl::StartsWith(line[2], "HTTP/1.")) return 400;
  if (line[1].substr(0, line[1].find('?')) != "/metrics") return 404;
  return line[0] == "GET" ? 200 : 405;
}

absl::Status CheckMetricsConfig(const config::v1::Metrics& config, const std::string& field) {
  const std::string listen = field + ".listen";
  if (!absl::StartsWith(config.listen(), kUnix))
    return config::AtField(listen, absl::StrCat("expected unix:/path, got \"", config.listen(), "\""));
  const absl::string_view path = absl::string_view(config.listen()).substr(kUnix.size());
  if (path.empty() || path[0] != '/' || path.size() > 107)
    return config::AtField(listen, "expected unix: and an absolute path of at most 107 bytes");
  return UidsOf(config, field).status();
}

absl::StatusOr<std::unique_ptr<MetricsListener>> MetricsListener::Start(const config::v1::Metrics& config,
                                                                        const std::string& field,
                                                                        const metrics::Metrics& metrics) {
  TWI_RETURN_IF_ERROR(CheckMetricsConfig(config, field));
  TWI_ASSIGN_OR_RETURN(std::set<std::uint32_t> uids, UidsOf(config, field));
  auto listener = std::make_unique<UnixMetricsListener>();
  TWI_RETURN_IF_ERROR(config::AtField(
      field + ".listen", listener->Listen(config.listen().substr(kUnix.size()), std::move(uids), metrics)));
  return listener;
}

}  // namespace twi::server
