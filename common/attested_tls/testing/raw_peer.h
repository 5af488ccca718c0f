// A TLS 1.3 peer straight over OpenSSL that knows nothing of attested TLS: what it sends in the extension and in frames
// is up to the test. It is every attacker of the tests, and an independent reader of the handshake.
#ifndef TWI_COMMON_ATTESTED_TLS_TESTING_RAW_PEER_H_
#define TWI_COMMON_ATTESTED_TLS_TESTING_RAW_PEER_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/attested_tls/code_points.h"
#include "common/attested_tls/wire.h"
#include "common/crypto/keys.h"
#include "openssl/ssl.h"

namespace twi::atls::testing {

struct RawOptions {
  Role role = Role::kClient;
  // The extension's body by message (SSL_EXT_CLIENT_HELLO, SSL_EXT_TLS1_3_...); none where there is no entry.
  std::map<unsigned, std::string> extension;
  std::optional<std::string> second_hello;  // after a HelloRetryRequest, where it is another; empty: none
  bool knows_extension = true;              // false: plain TLS
  int version = TLS1_3_VERSION;             // of TLS, no other
  std::string leaf_der;                     // with `key`: the certificate to show
  std::vector<std::string> further_certificates;
  std::optional<crypto::PrivateKey> key;
  bool ask_for_certificate = false;  // server
  std::string groups;                // for the key exchange, by preference; OpenSSL's own when empty
  // Client: what follows the server's Finished is not sent, so that the test can send another Certificate, under
  // `client_secret`.
  bool keeps_certificate = false;
};

class RawPeer {
 public:
  RawPeer(RawOptions options, int fd);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;

  // One attempt at whatever is next: the handshake, then reading.
  void Step();
  bool done() const { return done_; }      // handshake complete
  bool failed() const { return failed_; }  // handshake or connection ended
  // The extension's bodies as received, by message.
  std::map<unsigned, std::string> received;
  // Handshake messages as sent and received, decrypted: {type, whole message}.
  std::vector<std::pair<int, std::string>> sent_messages, received_messages;
  // CLIENT_HANDSHAKE_TRAFFIC_SECRET, when the certificate is kept; the cipher is TLS_AES_128_GCM_SHA256 then.
  std::string client_secret;
  std::string peer_leaf_der() const;
  std::string Exporter() const;
  void Send(absl::string_view bytes);
  void SendFrame(FrameType type, absl::string_view body) { Send(WriteFrame(type, body)); }
  // RFC 8446 section 4.6.3. False when the socket is full: the next call goes on with it.
  bool SendKeyUpdate();
  // The next whole frame that was received; "refused:REASON" is easier seen by refused().
  std::optional<Frame> NextFrame();
  std::string application;  // what was received after the handshake and not taken by NextFrame
  std::string refused();    // the reason, when the next frame is a refusal
  int alert = 0;            // last alert received, description

 private:
  static int Add(SSL*, unsigned, unsigned context, const unsigned char** out, std::size_t* size, X509*, std::size_t,
                 int*, void* self);
  static int Parse(SSL*, unsigned, unsigned context, const unsigned char* in, std::size_t size, X509*, std::size_t,
                   int*, void* self);
  static void OnMessage(int write, int version, int content, const void* data, std::size_t size, SSL*, void* self);
  void Configure();
  void KeepCertificate();
  const std::string* BodyFor(unsigned context);  // null: none
  void Try();

  const RawOptions options_;
  SSL_CTX* ctx_ = nullptr;
  SSL* ssl_ = nullptr;
  bool done_ = false, failed_ = false, key_update_pending_ = false;
  int hellos_ = 0;  // ClientHellos sent
};

}  // namespace twi::atls::testing

#endif  // TWI_COMMON_ATTESTED_TLS_TESTING_RAW_PEER_H_
