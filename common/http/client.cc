#include "common/http/client.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/client/check_peer.h"
#include "common/config/load_yaml.h"
#include "common/http/header_line.h"
#include "common/http/tls_context.h"
#include "common/server/tls_files.h"
#include "common/server/verify_peer.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/trace/trace.h"
#include "curl/curl.h"

namespace twi::http {
namespace {

constexpr std::size_t kMaxHeaders = 16 << 10;
constexpr std::size_t kMaxIdle = 16;   // handles, and so open connections, that are kept
constexpr long kMaxIdleSeconds = 5;    // a server has more patience than that
constexpr long kMaxLifeSeconds = 300;  // of a connection: then the peer is verified anew

absl::Status Unavailable(absl::string_view what, absl::string_view why) {
  return Deny(v1::DENY_REASON_DEPENDENCY_UNAVAILABLE, absl::StrCat(what, ": ", why));
}

struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, FreeCurl>;
using Headers = std::unique_ptr<curl_slist, FreeCurl>;

// What the callbacks of one transfer share.
struct Transfer {
  ClientResponse response;
  std::size_t max_body = 0, header_bytes = 0;
  bool too_large = false;
  bool repeatable = false, refused_repeat = false;
  int sent = 0;  // how often the request has been
};

// Before each sending of the request. libcurl repeats one by itself when a kept connection breaks before any answer;
// but what is not safe must not be repeated by who cannot know whether it was done (RFC 9110 section 9.2.2).
int OnSending(void* user, char*, char*, int, int) {
  auto* transfer = static_cast<Transfer*>(user);
  transfer->refused_repeat = transfer->sent++ > 0 && !transfer->repeatable;
  return transfer->refused_repeat ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

std::size_t OnBody(char* data, std::size_t, std::size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  if (size > transfer->max_body - transfer->response.body.size()) {
    transfer->too_large = true;
    return 0;
  }
  transfer->response.body.append(data, size);
  return size;
}

std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  transfer->header_bytes += size;
  if (transfer->header_bytes > kMaxHeaders) {
    transfer->too_large = true;
    return 0;
  }
  const absl::string_view line(data, size);
  if (absl::StartsWith(line, "HTTP/")) transfer->response = {};  // what came before was 100 Continue
  const std::optional<HeaderLine> field = SplitHeaderLine(line);
  if (!field.has_value()) return size;
  if (absl::EqualsIgnoreCase(field->name, "content-type")) transfer->response.content_type = std::string(field->value);
  if (absl::EqualsIgnoreCase(field->name, "location")) transfer->response.location = std::string(field->value);
  return size;
}

// Visible ASCII, so that nothing of ours can end a line of the request.
bool IsVisible(absl::string_view text, bool spaces) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) || (spaces && c == ' ');
  });
}

absl::Status CheckRequest(const ClientRequest& request) {
  const bool method = request.method == "GET" || request.method == "POST" || request.method == "DELETE";
  const bool path = !request.path.empty() && request.path[0] == '/' && IsVisible(request.path, false);
  if (!method || !path || !IsVisible(request.content_type, true) || !IsVisible(request.accept, true) ||
      (request.content_type.empty() && !request.body.empty())) {
    return Deny(v1::DENY_REASON_REQUEST_MALFORMED, absl::StrCat(request.method, " ", request.path));
  }
  return absl::OkStatus();
}

class ClientImpl final : public Client {
 public:
  ClientImpl(const config::v1::Peer& peer, std::shared_ptr<server::TlsFiles> files, const Clock& clock,
             absl::Duration timeout)
      : peer_(peer), files_(std::move(files)), clock_(clock), timeout_(timeout) {}
  ~ClientImpl() override { files_->Stop(); }

  absl::StatusOr<ClientResponse> Send(const ClientRequest& request, absl::Time deadline) override {
    TWI_RETURN_IF_ERROR(CheckRequest(request));
    const std::string what = absl::StrCat(request.method, " of ", peer_.spiffe_id());
    const absl::Duration left = std::min(deadline - clock_.Now(), timeout_);
    if (left < absl::Milliseconds(1)) return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, what);
    const Generation generation{files_->pair_generation(), files_->bundle()->generation};
    Handle handle = Take(generation);
    if (handle == nullptr) return Unavailable(what, "libcurl");
    Transfer transfer;
    transfer.max_body = request.max_response;
    transfer.repeatable = request.method == "GET";
    Verification verification{this, absl::OkStatus()};
    const Headers headers = HeadersOf(request);
    if (!SetUp(handle.get(), request, left, transfer, verification, headers.get()))
      return Unavailable(what, "libcurl lacks an option that is needed");
    const CURLcode code = curl_easy_perform(handle.get());
    if (!verification.status.ok()) return WithContext(verification.status, what);
    if (code == CURLE_OPERATION_TIMEDOUT) return Deny(v1::DENY_REASON_DEADLINE_EXCEEDED, what);
    if (transfer.too_large) return Unavailable(what, "the answer is too large");
    if (transfer.refused_repeat) return Unavailable(what, "the connection broke before the answer; not repeated");
    if (code != CURLE_OK) return Unavailable(what, curl_easy_strerror(code));
    long status = 0;
    if (curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 200 || status > 599)
      return Unavailable(what, "no HTTP status");
    transfer.response.status = static_cast<int>(status);
    GiveBack(std::move(handle), generation);
    return std::move(transfer.response);
  }

 private:
  struct Verification {
    ClientImpl* client;
    absl::Status status;
  };
  // Of what connections are made with: they last as long as it does.
  struct Generation {
    std::uint64_t pair = 0, bundle = 0;
    bool operator==(const Generation& other) const { return pair == other.pair && bundle == other.bundle; }
  };

  // "Name:" keeps libcurl from sending a header of its own: the body is small (no waiting for 100 Continue), and none
  // has no type.
  static Headers HeadersOf(const ClientRequest& request) {
    curl_slist* list = curl_slist_append(nullptr, "Expect:");
    const auto add = [&list](const char* name, const std::string& value) {
      list = curl_slist_append(list, absl::StrCat(name, value.empty() ? ":" : ": ", value).c_str());
    };
    add("Content-Type", request.content_type);
    add("Accept", request.accept);
    if (const trace::Trace* current = trace::Current(); current != nullptr)
      add(trace::kTraceparent, trace::ToTraceparent(*current));
    return Headers(list);
  }

  bool SetUp(CURL* curl, const ClientRequest& request, absl::Duration left, Transfer& transfer,
             Verification& verification, curl_slist* headers) {
    curl_easy_reset(curl);  // options only: the open connection stays
    bool ok = headers != nullptr;
    const auto set = [&](CURLoption option, auto value) {
      ok = curl_easy_setopt(curl, option, value) == CURLE_OK && ok;
    };
    const std::string pair = files_->pair_path();
    set(CURLOPT_URL, absl::StrCat("https://", peer_.address(), request.path).c_str());
    set(CURLOPT_PROTOCOLS_STR, "https");
    set(CURLOPT_PROXY, "");
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // a name that does not resolve in time: its thread is left behind, not waited for
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3));
    set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    set(CURLOPT_SSLCERTTYPE, "PEM");
    set(CURLOPT_SSLCERT, pair.c_str());
    set(CURLOPT_SSLKEY, pair.c_str());
    // The path is ours to validate (VerifyServer), in place of OpenSSL's; names are SPIFFE IDs, not hosts.
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
    set(CURLOPT_CAINFO, nullptr);
    set(CURLOPT_CAPATH, nullptr);
    set(CURLOPT_SSL_CTX_FUNCTION, &ClientImpl::OnContext);
    set(CURLOPT_SSL_CTX_DATA, static_cast<void*>(&verification));
    set(CURLOPT_MAXCONNECTS, 1L);
    set(CURLOPT_MAXAGE_CONN, kMaxIdleSeconds);
    set(CURLOPT_MAXLIFETIME_CONN, kMaxLifeSeconds);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, absl::ToInt64Milliseconds(left))));
    set(CURLOPT_WRITEFUNCTION, &OnBody);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
    set(CURLOPT_HEADERFUNCTION, &OnHeader);
    set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_PREREQFUNCTION, &OnSending);
    set(CURLOPT_PREREQDATA, static_cast<void*>(&transfer));
    if (request.method == "POST") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDS, request.body.data());
      set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
    } else {
      set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    return ok;
  }

  static CURLcode OnContext(CURL*, void* context, void* user) {
    auto* tls = static_cast<SSL_CTX*>(context);
    SSL_CTX_set_security_level(tls, 2);
    SSL_CTX_set_cert_verify_callback(tls, &ClientImpl::OnCertificate, user);
    return CURLE_OK;
  }

  static int OnCertificate(X509_STORE_CTX* store, void* user) {
    auto* verification = static_cast<Verification*>(user);
    verification->status = verification->client->VerifyServer(PeerCertificateOf(*store));
    X509_STORE_CTX_set_error(store, verification->status.ok() ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return verification->status.ok() ? 1 : 0;
  }

  // As common/client/identity.cc does for gRPC.
  absl::Status VerifyServer(const PeerCertificate& certificate) const {
    const std::shared_ptr<const server::TrustBundle> bundle = files_->bundle();
    const absl::StatusOr<server::VerifiedPeer> peer =
        server::VerifyPeer(certificate.leaf_pem, certificate.chain_pem, bundle->anchors,
                           {server::PeerRole::kServer, /*allow_attested_key=*/false, clock_.Now()});
    if (!peer.ok()) {
      return Deny(v1::DENY_REASON_SERVER_UNAUTHENTICATED,
                  absl::StrCat("expected ", peer_.spiffe_id(), ": ", peer.status().message()));
    }
    if (peer->identity.kind == server::PeerIdentity::Kind::kSpiffeId && peer->identity.spiffe_id == peer_.spiffe_id()) {
      return absl::OkStatus();
    }
    return Deny(v1::DENY_REASON_SERVER_IDENTITY_MISMATCH,
                absl::StrCat("expected ", peer_.spiffe_id(), ", the server is ", peer->identity.ToString()));
  }

  // Handles of an earlier certificate or bundle are dropped, and their connections with them.
  Handle Take(const Generation& generation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!(generation == generation_)) idle_.clear();
    generation_ = generation;
    if (idle_.empty()) return Handle(curl_easy_init());
    Handle handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
  }
  void GiveBack(Handle handle, const Generation& generation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (generation == generation_ && idle_.size() < kMaxIdle) idle_.push_back(std::move(handle));
  }

  const config::v1::Peer peer_;
  const std::shared_ptr<server::TlsFiles> files_;
  const Clock& clock_;
  const absl::Duration timeout_;
  std::mutex mutex_;  // guards the next two
  std::vector<Handle> idle_;
  Generation generation_;
};

// The host of "HOST:PORT" as a URL has it (RFC 3986 section 3.2.2): a name or an IPv4 address, or [IPv6]. No user, no
// second port.
bool HasUrlHost(absl::string_view address) {
  absl::string_view host = address.substr(0, address.rfind(':'));
  const bool bracketed = absl::ConsumePrefix(&host, "[");
  if (bracketed && !absl::ConsumeSuffix(&host, "]")) return false;
  return !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           (bracketed ? c == ':' : c == '-' || c == '_');
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Make(const config::v1::Peer& peer, const config::v1::Tls& tls,
                                                     const Clock& clock) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialized != CURLE_OK) return Deny(v1::DENY_REASON_INTERNAL, "libcurl does not start");
  TWI_RETURN_IF_ERROR(client::CheckPeer(peer, "peer"));
  if (!HasUrlHost(peer.address()))
    return config::AtField("peer.address", absl::StrCat("expected HOST:PORT, got \"", peer.address(), "\""));
  TWI_ASSIGN_OR_RETURN(std::unique_ptr<server::TlsFiles> files, server::TlsFiles::Open(tls, clock, {}));
  return std::make_unique<ClientImpl>(peer, std::move(files), clock, client::TimeoutOf(peer));
}

}  // namespace twi::http
