#include "common/http/connection.h"

#include <array>
#include <chrono>
#include <exception>
#include <optional>

#include "absl/strings/str_cat.h"
#include "boost/asio/post.hpp"
#include "boost/asio/ssl.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http.hpp"
#include "common/http/http_head.h"
#include "common/http/problem.h"
#include "common/http/router.h"
#include "common/status/status_macros.h"
#include "common/trace/trace.h"

namespace twi::http {
namespace {

namespace net = boost::asio;
namespace bh = boost::beast::http;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kMaxBuffer = 64 << 10;
constexpr std::chrono::seconds kFarewell(2);            // for the peer to see our last answer and to hang up
constexpr std::chrono::milliseconds kCancelAgain(100);  // of a read whose time is over
constexpr int kMaxCancels = 20;
constexpr std::size_t kMaxDiscarded = 16 << 20;  // of a body that was refused unread
constexpr std::uint64_t kAnySize = ~std::uint64_t{0};

class ConnectionImpl final : public Connection, public std::enable_shared_from_this<ConnectionImpl> {
 public:
  ConnectionImpl(net::ip::tcp::socket socket, net::ssl::context context, Admission& admission,
                 net::thread_pool& workers, std::function<void()> on_end)
      : context_(std::move(context)),
        stream_(std::move(socket), context_),
        timer_(stream_.get_executor()),
        admission_(admission),
        workers_(workers),
        on_end_(std::move(on_end)) {}
  ~ConnectionImpl() override {
    current_ = {};  // the ticket, before the server may go
    on_end_();
  }

  void Run() {
    OnStrand([this] {
      error_code ignored;
      stream_.next_layer().set_option(net::ip::tcp::no_delay(true), ignored);
      Enter(Stage::kHandshake);
      stream_.async_handshake(net::ssl::stream_base::server, [self = shared_from_this()](error_code error) {
        if (error) return self->CloseSocket();
        self->client_ = PeerCertificateOf(*self->stream_.native_handle());
        self->ReadHeader();
      });
    });
  }
  void Drain() override {
    OnStrand([this] {
      draining_ = true;
      if (stage_ == Stage::kHandshake) return CloseSocket();
      if (Idle()) CancelRead();
    });
  }
  void Cut() override {
    OnStrand([this] { CloseSocket(); });
  }

 private:
  enum class Stage { kHandshake, kHeader, kBody, kWork, kAnswer, kFarewell };

  template <typename F>
  void OnStrand(F work) {
    net::post(stream_.get_executor(), [self = shared_from_this(), work = std::move(work)] { work(); });
  }

  // --- time: each stage but the handler's work has its own ---

  void Enter(Stage stage) {
    stage_ = stage;
    cancels_ = 0;
    if (stage == Stage::kWork) {
      timer_.cancel();
      return;
    }
    Arm(stage == Stage::kFarewell ? SteadyClock::duration(kFarewell)
                                  : absl::ToChronoNanoseconds(admission_.settings().request_timeout));
  }
  void Arm(SteadyClock::duration time) {
    timer_.expires_after(time);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error && self->timer_.expiry() <= SteadyClock::now()) self->OnTimeout();
    });
  }
  // Who is slow with a header or a body still gets an answer, so only the read is cancelled. When a record has just
  // come there is none to cancel, and the next one begins at once: it is tried again, and in the end the connection
  // goes, whatever still comes.
  void OnTimeout() {
    const bool reading = stage_ == Stage::kHeader || stage_ == Stage::kBody;
    if (!reading || cancels_ == kMaxCancels) return CloseSocket();
    ++cancels_;
    CancelRead();
    Arm(kCancelAgain);
  }
  bool timed_out() const { return cancels_ > 0; }
  void CancelRead() {
    error_code ignored;
    stream_.next_layer().cancel(ignored);
  }
  bool Idle() const { return stage_ == Stage::kHeader && !parser_->got_some() && buffer_.size() == 0; }

  // --- reading ---

  void ReadHeader() {
    if (draining_) return SayFarewell();
    parser_.emplace();
    parser_->header_limit(kMaxHead);
    parser_->body_limit(kAnySize);  // the route's, once it is known and before any of the body is read
    current_ = {};
    Enter(Stage::kHeader);
    bh::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](error_code error, std::size_t) { self->OnHeader(error); });
  }

  void OnHeader(error_code error) {
    started_ = SteadyClock::now();
    if (error) {
      if (Idle()) return SayFarewell();
      return OnReadError(error, "header");
    }
    absl::StatusOr<Head> head = ReadHead(parser_->get().base());
    if (!head.ok()) return Refuse(head.status());
    const bool wait = head->headers.count("expect") != 0;
    const auto admitted = admission_.Admit(head->method, head->target, std::move(head->headers), client_, current_);
    if (!admitted.ok()) return Refuse(admitted);
    const std::size_t limit = current_.route->max_body;
    if (parser_->content_length().has_value() && *parser_->content_length() > limit) {
      return Refuse(Deny(v1::DENY_REASON_REQUEST_TOO_LARGE,
                         absl::StrCat("a body of ", *parser_->content_length(), " bytes, at most ", limit)));
    }
    parser_->body_limit(limit);
    if (parser_->is_done()) return Work();
    Enter(Stage::kBody);
    if (wait) return SendContinue();
    ReadBody();
  }

  void SendContinue() {
    static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
    net::async_write(stream_, net::buffer(kContinue, sizeof kContinue - 1),
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error) return self->CloseSocket();
                       self->ReadBody();
                     });
  }

  void ReadBody() {
    bh::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->OnReadError(error, "body");
      self->Work();
    });
  }

  void OnReadError(error_code error, const char* what) {
    if (timed_out())
      return Refuse(Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, absl::StrCat("a slow client: the ", what)), 408);
    if (error == bh::error::header_limit || error == bh::error::body_limit || error == bh::error::buffer_overflow)
      return Refuse(Deny(v1::DENY_REASON_REQUEST_TOO_LARGE, absl::StrCat("the ", what, ": ", error.message())));
    const absl::Status malformed =
        Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat("the ", what, ": ", error.message()));
    const bool by_parser = error.category() == bh::make_error_code(bh::error::bad_method).category();
    if (by_parser && error != bh::error::partial_message && error != bh::error::end_of_stream) return Refuse(malformed);
    Finish(malformed);  // nobody is there to be told
    CloseSocket();
  }

  // --- answering ---

  void Work() {
    keep_alive_ = parser_->get().keep_alive();
    if (const absl::Status begun = admission_.Begin(current_); !begun.ok()) return Answer(Refusal(begun));
    current_.request.body = std::move(parser_->get().body());
    Enter(Stage::kWork);
    net::post(workers_, [self = shared_from_this()] {
      absl::StatusOr<Response> answer = self->RunHandler();
      Response response = answer.ok() ? *std::move(answer) : Refusal(answer.status());
      self->OnStrand([self, response = std::move(response)] { self->Answer(response); });
    });
  }

  // Our own code throws nothing; a library below may.
  absl::StatusOr<Response> RunHandler() const {
    const trace::Scope scope(current_.trace);
    TWI_RETURN_IF_ERROR(admission_.InTime(current_));
    try {
      return current_.route->handler(current_.request);
    } catch (const std::exception& e) {
      return Deny(v1::DENY_REASON_INTERNAL, absl::StrCat("exception: ", e.what()));
    }
  }

  // Of a request that was not read to its end: the connection ends with it.
  void Refuse(const absl::Status& why, int http_status = 0) {
    keep_alive_ = false;
    unread_ = true;
    std::vector<std::pair<std::string, std::string>> headers;
    if (DenyReasonOf(why) == v1::DENY_REASON_METHOD_NOT_ALLOWED)
      headers.emplace_back("Allow", AllowedMethods(admission_.routes(), current_.request.path));
    Answer(Refusal(why, std::move(headers), http_status));
  }

  void Finish(const absl::Status& outcome) {
    admission_.Finish(current_, outcome, absl::FromChrono(SteadyClock::now() - started_));
    current_ = {};
  }

  void Answer(const Response& response) {
    Finish(response.outcome);
    keep_alive_ = keep_alive_ && !draining_;
    answer_ = bh::response<bh::string_body>(static_cast<bh::status>(response.status), 11);
    answer_.set(bh::field::cache_control, "no-store");
    if (!response.content_type.empty()) answer_.set(bh::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) answer_.set(name, value);
    answer_.body() = response.body;
    answer_.keep_alive(keep_alive_);
    if (response.status != 204) answer_.prepare_payload();
    Enter(Stage::kAnswer);
    bh::async_write(stream_, answer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->CloseSocket();
      if (!self->keep_alive_) return self->SayFarewell();
      self->ReadHeader();
    });
  }

  // --- ending ---

  // close_notify, then what the peer still sends of a body that we refused is read away: with unread bytes in the
  // socket the kernel would reset the connection, and the peer might never see the answer.
  void SayFarewell() {
    Enter(Stage::kFarewell);
    stream_.async_shutdown([self = shared_from_this()](error_code) {
      if (!self->unread_) return self->CloseSocket();
      error_code ignored;
      self->stream_.next_layer().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
      self->Discard();
    });
  }
  void Discard() {
    stream_.next_layer().async_read_some(net::buffer(scratch_),
                                         [self = shared_from_this()](error_code error, std::size_t size) {
                                           self->discarded_ += size;
                                           if (error || self->discarded_ > kMaxDiscarded) return self->CloseSocket();
                                           self->Discard();
                                         });
  }
  void CloseSocket() {
    error_code ignored;
    timer_.cancel(ignored);
    stream_.next_layer().close(ignored);
  }

  net::ssl::context context_;
  net::ssl::stream<net::ip::tcp::socket> stream_;
  net::steady_timer timer_;
  Admission& admission_;
  net::thread_pool& workers_;
  const std::function<void()> on_end_;

  // All below: on the strand only, but current_ while a worker has it.
  Stage stage_ = Stage::kHandshake;
  int cancels_ = 0;  // of the read of this stage, since its time is over
  bool draining_ = false, keep_alive_ = false, unread_ = false;
  PeerCertificate client_;
  boost::beast::flat_buffer buffer_{kMaxBuffer};
  std::optional<bh::request_parser<bh::string_body>> parser_;
  Admission::Admitted current_;
  SteadyClock::time_point started_;
  bh::response<bh::string_body> answer_;
  std::array<char, 4096> scratch_;
  std::size_t discarded_ = 0;
};

}  // namespace

std::shared_ptr<Connection> StartConnection(net::ip::tcp::socket socket, std::shared_ptr<SSL_CTX> tls,
                                            Admission& admission, net::thread_pool& workers,
                                            std::function<void()> on_end) {
  SSL_CTX_up_ref(tls.get());
  auto connection = std::make_shared<ConnectionImpl>(std::move(socket), net::ssl::context(tls.get()), admission,
                                                     workers, std::move(on_end));
  connection->Run();
  return connection;
}

}  // namespace twi::http
