#include "common/http/server.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/strand.hpp"
#include "boost/asio/thread_pool.hpp"
#include "common/config/checks.h"
#include "common/http/connection.h"
#include "common/http/http_config.h"
#include "common/http/tls_context.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/server/peer_source.h"
#include "common/server/tls_files.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"

namespace twi::http {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

constexpr int kNetworkThreads = 2;
constexpr int kWorkers = 4;
constexpr int kBacklog = 1024;
constexpr std::chrono::milliseconds kAcceptPause(100);  // when the process is out of descriptors

// The connections that live, and the wait for their end.
class Connections {
 public:
  // `start` makes one and is given what the connection calls at its end. It may end, or fail (an exception, which goes
  // on to the caller), at once: so no lock is held, and none when the connection is let go of.
  void Add(const std::function<std::shared_ptr<Connection>(std::function<void()>)>& start) {
    std::shared_ptr<Connection> connection;
    const std::uint64_t id = Reserve();
    try {
      connection = start([this, id] { End(id); });
    } catch (...) {
      End(id);
      throw;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto at = all_.find(id); at != all_.end()) at->second = connection;
  }
  std::size_t size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return all_.size();
  }
  std::vector<std::shared_ptr<Connection>> All() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [id, weak] : all_) {
      if (auto connection = weak.lock(); connection != nullptr) all.push_back(std::move(connection));
    }
    return all;
  }
  bool AwaitNone(absl::Duration timeout) {
    std::unique_lock<std::mutex> lock(mutex_);
    return none_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [this] { return all_.empty(); });
  }

 private:
  std::uint64_t Reserve() {
    const std::lock_guard<std::mutex> lock(mutex_);
    all_.emplace(++last_, std::weak_ptr<Connection>());
    return last_;
  }
  void End(std::uint64_t id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    all_.erase(id);
    if (all_.empty()) none_.notify_all();
  }

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable none_;
  std::map<std::uint64_t, std::weak_ptr<Connection>> all_;
  std::uint64_t last_ = 0;
};

absl::Status CannotListen(const config::v1::Http& config, const std::string& section, const error_code& error) {
  return config::Expect(false, FieldOf(section, "listen"),
                        absl::StrCat("an address and port to listen on, got ", config.listen(), ": ", error.message()));
}

class ServerImpl final : public Server {
 public:
  ServerImpl() : acceptor_(net::make_strand(io_)), pause_(acceptor_.get_executor()), workers_(kWorkers) {}
  ~ServerImpl() override {
    Drain();
    if (files_ != nullptr) files_->Stop();
  }

  absl::Status Run(const config::v1::Http& config, const Clock& clock, std::vector<Route> routes,
                   const Options& options) {
    std::vector<std::string> names;
    for (const Route& route : routes) names.push_back(route.name);
    TWI_ASSIGN_OR_RETURN(HttpSettings settings, CheckHttpConfig(config, options.section, names));
    server::TlsFiles::Options file_options;
    file_options.field = FieldOf(options.section, "tls");
    file_options.expiry_warning = settings.certificate_expiry_warning;
    TWI_ASSIGN_OR_RETURN(std::unique_ptr<server::TlsFiles> files,
                         server::TlsFiles::Open(config.tls(), clock, file_options));
    files_ = std::move(files);
    peers_ = std::make_shared<server::TlsPeerSource>(files_, clock, settings.any_attested_key);
    TWI_ASSIGN_OR_RETURN(contexts_, TlsContexts::Make(files_, peers_, /*require_certificate=*/!settings.any_anonymous));
    WarnOfAnonymous(settings);
    admission_ = std::make_unique<Admission>(clock, std::move(settings), std::move(routes), peers_, options.on_outcome);
    TWI_RETURN_IF_ERROR(Listen(config, options.section));
    Accept();
    for (int i = 0; i < kNetworkThreads; ++i) threads_.emplace_back([this] { RunNetwork(); });
    log::Info("listening_https", {{log::fields::kListen, config.listen()}, {log::fields::kPort, absl::StrCat(port_)}});
    return absl::OkStatus();
  }

  int port() const override { return port_; }

  void Drain() override {
    const std::lock_guard<std::mutex> lock(drain_mutex_);
    if (drained_) return;
    drained_ = true;
    if (admission_ != nullptr) admission_->Close();
    if (!threads_.empty()) {
      StopAccepting();
      EndConnections();
    }
    workers_.join();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  absl::Status Listen(const config::v1::Http& config, const std::string& section) {
    error_code error;
    const tcp::endpoint endpoint(net::ip::make_address(admission_->settings().address, error),
                                 admission_->settings().port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(kBacklog, error);
    if (error) return CannotListen(config, section, error);
    port_ = acceptor_.local_endpoint(error).port();
    return error ? CannotListen(config, section, error) : absl::OkStatus();
  }

  void WarnOfAnonymous(const HttpSettings& settings) const {
    std::vector<std::string> open;
    for (const auto& [route, rule] : settings.allow) {
      if (rule.anonymous) open.push_back(route);
    }
    if (!open.empty()) log::Warn("anonymous_clients_allowed", {{log::fields::kRpc, absl::StrJoin(open, ",")}});
  }

  // The next accept is under way before this socket is taken: whatever Take throws ends this connection only. (They
  // follow one another all the same: all handlers are on the acceptor's strand.)
  void Accept() {
    acceptor_.async_accept(net::make_strand(io_), [this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) return AcceptLater();
      Accept();
      Take(std::move(socket));
    });
  }

  void AcceptLater() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
  }

  // Waits: from here on nothing is accepted, and all that ever was stands in connections_.
  void StopAccepting() {
    std::packaged_task<void()> close([this] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel(ignored);
    });
    const std::future<void> closed = close.get_future();
    net::post(acceptor_.get_executor(), std::move(close));
    closed.wait();
  }

  void Take(tcp::socket socket) {
    const bool full = connections_.size() >= static_cast<std::size_t>(admission_->settings().max_connections);
    if (full && !was_full_) {
      log::Warn("connections_full", {{log::fields::kReason, DenyReasonName(v1::DENY_REASON_OVERLOADED)},
                                     {log::fields::kCount, absl::StrCat(admission_->settings().max_connections)}});
    }
    was_full_ = full;
    if (full) return;  // closed by going out of scope
    connections_.Add([&](std::function<void()> on_end) {
      return StartConnection(std::move(socket), contexts_->Current(), *admission_, workers_, std::move(on_end));
    });
  }

  // Our own code throws nothing; what a handler of Asio's throws (out of memory) ends that one operation only.
  void RunNetwork() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (const std::exception& e) {
        log::Error("internal_error", {{log::fields::kDetail, absl::StrCat("exception: ", e.what())}});
      }
    }
  }

  void EndConnections() {
    for (const auto& connection : connections_.All()) connection->Drain();
    if (connections_.AwaitNone(admission_->settings().drain_timeout)) return;
    log::Warn("drain_timeout", {{log::fields::kCount, absl::StrCat(connections_.size())}});
    for (const auto& connection : connections_.All()) connection->Cut();
    connections_.AwaitNone(admission_->settings().request_timeout);  // handlers have their deadline
  }

  // In the order of their making: what is below uses what is above.
  std::shared_ptr<server::TlsFiles> files_;
  std::shared_ptr<server::TlsPeerSource> peers_;
  std::unique_ptr<TlsContexts> contexts_;
  std::unique_ptr<Admission> admission_;
  Connections connections_;
  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  tcp::acceptor acceptor_;  // on a strand of its own, and with it the next, was_full_, and what they run
  net::steady_timer pause_;
  net::thread_pool workers_;
  std::vector<std::thread> threads_;
  bool was_full_ = false;
  int port_ = 0;
  std::mutex drain_mutex_;
  bool drained_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const config::v1::Http& config, const Clock& clock,
                                                      std::vector<Route> routes, const Options& options) {
  auto server = std::make_unique<ServerImpl>();
  TWI_RETURN_IF_ERROR(server->Run(config, clock, std::move(routes), options));
  return server;
}

}  // namespace twi::http
