#include "common/attested_tls/testing/bench_pair.h"

#include <poll.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/endpoint.h"
#include "common/attested_tls/leaf.h"
#include "common/attested_tls/testing/fake_tee.h"
#include "common/attested_tls/testing/loopback.h"
#include "common/crypto/random.h"
#include "common/secret/secret_bytes.h"
#include "common/testing/fake_clock.h"
#include "openssl/err.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"

namespace twi::atls::testing {
namespace {

constexpr std::size_t kRecord = 16 * 1024;

class AttestedPair final : public BenchPair {
 public:
  AttestedPair(Profile profile, bool mutual) {
    Settings server = ServerSettings({profile}, *MakeAttester(FakeTee(), random_));
    Settings client = ClientSettings({profile}, TrustingParty(verifier_));
    if (mutual) {
      server.relying_party = std::make_shared<const RelyingParty>(TrustingParty(verifier_, kServerRpId));
      client.attester = *MakeAttester(FakeTee(), random_);
    }
    server_ = *Endpoint::Make(std::move(server), clock_);
    client_ = *Endpoint::Make(std::move(client), clock_);
  }

  absl::Status Handshake() override {
    SocketPair pair;
    std::unique_ptr<Connection> server, client;
    return Connect(pair, server, client);
  }

  absl::Status Open() override { return Connect(pair_, open_server_, open_client_); }

  absl::Status Carry(std::size_t bytes) override {
    const std::string record(kRecord, 'x');
    std::string sink(kRecord, '\0');
    std::size_t sent = 0, received = 0, in_record = 0;
    while (received < bytes) {
      if (sent < bytes) {
        const IoResult result = open_client_->Write(absl::string_view(record).substr(in_record));
        if (result.kind == IoResult::Kind::kFailed) return absl::InternalError("write");
        sent += result.bytes;
        in_record = (in_record + result.bytes) % kRecord;
      }
      const IoResult result = open_server_->Read(sink.data(), sink.size());
      if (result.kind == IoResult::Kind::kFailed) return absl::InternalError("read");
      received += result.bytes;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Connect(const SocketPair& pair, std::unique_ptr<Connection>& server,
                       std::unique_ptr<Connection>& client) {
    server = *server_->Open(pair.fd(0), waker_.callback(), clock_.Now());
    client = *client_->Open(pair.fd(1), waker_.callback(), clock_.Now());
    Progress s, c;
    for (;;) {
      if (s.state != Progress::State::kOpen) s = server->Advance(clock_.Now());
      if (c.state != Progress::State::kOpen) c = client->Advance(clock_.Now());
      if (s.state == Progress::State::kClosed) return server->why();
      if (c.state == Progress::State::kClosed) return client->why();
      if (s.state == Progress::State::kOpen && c.state == Progress::State::kOpen) return absl::OkStatus();
      pollfd waits[] = {{waker_.fd(), POLLIN, 0}, {pair.fd(0), Events(s), 0}, {pair.fd(1), Events(c), 0}};
      poll(waits, 3, s.again || c.again ? 0 : 10'000);
      waker_.Clear();
    }
  }
  static short Events(const Progress& p) {
    return static_cast<short>((p.want_read ? POLLIN : 0) | (p.want_write ? POLLOUT : 0));
  }

  twi::testing::FakeClock clock_;
  crypto::SystemRandom random_;
  std::shared_ptr<FakeVerifier> verifier_ = std::make_shared<FakeVerifier>();
  Waker waker_;
  std::unique_ptr<Endpoint> server_, client_;
  SocketPair pair_;
  std::unique_ptr<Connection> open_server_, open_client_;
};

class PlainPair final : public BenchPair {
 public:
  PlainPair() : server_(MakeContext(TLS_server_method())), client_(MakeContext(TLS_client_method())) {}
  ~PlainPair() override {
    SSL_free(open_server_);
    SSL_free(open_client_);
    SSL_CTX_free(server_);
    SSL_CTX_free(client_);
  }

  absl::Status Handshake() override {
    SocketPair pair;
    SSL *server = nullptr, *client = nullptr;
    const absl::Status connected = Connect(pair, server, client);
    SSL_free(server);
    SSL_free(client);
    return connected;
  }

  absl::Status Open() override { return Connect(pair_, open_server_, open_client_); }

  absl::Status Carry(std::size_t bytes) override {
    const std::string record(kRecord, 'x');
    std::string sink(kRecord, '\0');
    std::size_t sent = 0, received = 0, in_record = 0;
    while (received < bytes) {
      std::size_t done = 0;
      if (sent < bytes && SSL_write_ex(open_client_, record.data() + in_record, kRecord - in_record, &done) == 1) {
        sent += done;
        in_record = (in_record + done) % kRecord;
      }
      if (SSL_read_ex(open_server_, sink.data(), sink.size(), &done) == 1) {
        received += done;
      } else if (SSL_get_error(open_server_, 0) == SSL_ERROR_SSL) {
        return absl::InternalError("read");
      }
      ERR_clear_error();
    }
    return absl::OkStatus();
  }

 private:
  // The same cipher suites, group and signature as attested TLS.
  static SSL_CTX* MakeContext(const SSL_METHOD* method) {
    SSL_CTX* ctx = SSL_CTX_new(method);
    crypto::SystemRandom random;
    const crypto::PrivateKey key = *crypto::PrivateKey::Generate(crypto::KeyType::kP256);
    const std::string der = *MakeLeaf(key, std::nullopt, absl::Now(), random);
    const SecretBytes pem = key.ToPem();
    BIO* bio = BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size()));
    EVP_PKEY* pkey = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate_ASN1(ctx, static_cast<int>(der.size()), reinterpret_cast<const unsigned char*>(der.data()));
    SSL_CTX_use_PrivateKey(ctx, pkey);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(ctx, "X25519:P-256");
    SSL_CTX_set1_sigalgs_list(ctx, "ecdsa_secp256r1_sha256");
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_cert_verify_callback(
        ctx, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return ctx;
  }

  absl::Status Connect(const SocketPair& pair, SSL*& server, SSL*& client) {
    server = SSL_new(server_);
    client = SSL_new(client_);
    SSL_set_fd(server, pair.fd(0));
    SSL_set_fd(client, pair.fd(1));
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int turn = 0; turn < 20; ++turn) {
      ERR_clear_error();
      const int c = SSL_do_handshake(client), s = SSL_do_handshake(server);
      if (c == 1 && s == 1) return absl::OkStatus();
    }
    return absl::InternalError("plain TLS does not come to an end");
  }

  SSL_CTX *server_, *client_;
  SocketPair pair_;
  SSL *open_server_ = nullptr, *open_client_ = nullptr;
};

}  // namespace

std::unique_ptr<BenchPair> BenchPair::Attested(Profile profile, bool mutual) {
  return std::make_unique<AttestedPair>(profile, mutual);
}
std::unique_ptr<BenchPair> BenchPair::Plain() { return std::make_unique<PlainPair>(); }

}  // namespace twi::atls::testing
