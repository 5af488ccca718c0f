// The state machine behind Connection. Inside common/attested_tls only.
//   kStart -> kHandshake -> [kExchange] -> kOpen, and from each of them -> kLingering -> kClosed
#ifndef TWI_COMMON_ATTESTED_TLS_CONNECTION_H_
#define TWI_COMMON_ATTESTED_TLS_CONNECTION_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/attested_tls/endpoint.h"
#include "common/attested_tls/leaf.h"
#include "common/attested_tls/open_session.h"
#include "common/attested_tls/socket_bio.h"
#include "common/attested_tls/tls_library.h"
#include "common/attested_tls/wire.h"

namespace twi::atls {

// What the connections of an endpoint share.
class EndpointCore {
 public:
  EndpointCore(Settings settings, const Clock& clock) : settings(std::move(settings)), clock(clock) {}
  // Our leaf without a KAT, renewed at half of its life. Thread-safe.
  absl::StatusOr<UniqueX509> PlainLeaf(absl::Time now);
  bool Accepts(Profile profile) const;

  const Settings settings;
  const Clock& clock;
  UniquePkey handle;  // of the TLS identity key; before ctx, which uses it
  UniqueSslCtx ctx;

 private:
  std::mutex mutex_;  // guards leaf_, leaf_made_
  UniqueX509 leaf_;
  absl::Time leaf_made_ = absl::InfinitePast();
};

// A leaf with its KAT, and the KAT's media type.
struct AttestedLeaf {
  std::string der;
  std::string media_type;
};

class ConnectionImpl final : public Connection {
 public:
  ConnectionImpl(EndpointCore& core, int socket, std::function<void()> wake, absl::Time now);

  Progress Advance(absl::Time now) override;
  absl::Time deadline() const override { return deadline_; }
  IoResult Read(char* buffer, std::size_t size) override;
  IoResult Write(absl::string_view bytes) override;
  IoResult CloseWrite() override;
  const AttestedPeer* peer() const override { return phase_ == Phase::kOpen && peer_ ? &*peer_ : nullptr; }
  const absl::Status& why() const override { return why_; }
  Profile profile() const override { return profile_; }

  // Called by OpenSSL through tls_context.cc; the return values are those of the callbacks.
  int OnClientHello(int* alert);                // server
  int OnCertificateWanted();                    // client, asked by CertificateRequest
  int OnVerify(X509_STORE_CTX* store_context);  // the peer's Certificate
  int OnExtensionAdd(unsigned context, std::size_t chain_index, const unsigned char** out, std::size_t* size,
                     int* alert);
  int OnExtensionParse(unsigned context, absl::string_view body, std::size_t chain_index, int* alert);

 private:
  enum class Phase { kStart, kHandshake, kExchange, kOpen, kLingering, kClosed };
  enum class Step { kAgain, kWait };  // another phase may go on at once, or not

  const Settings& settings() const { return core_.settings; }
  bool IsClient() const { return settings().role == Role::kClient; }
  const RelyingParty* self() const { return settings().relying_party.get(); }
  Role PeerRole() const { return IsClient() ? Role::kServer : Role::kClient; }

  // connection.cc
  Step Start();
  absl::Status MakeSsl();
  Step Handshake();
  void HandshakeDone();
  absl::Status CheckHandshake();
  Step Linger();
  bool SaidFarewell();
  void Fail(absl::Status why);
  void BeginStep();              // before each call of OpenSSL
  void WaitToRead();             // OpenSSL wants to read
  IoResult Stopped(int result);  // what SSL_read, SSL_write or SSL_shutdown stopped for
  Deadline VerifierDeadline() const;
  Deadline AttesterDeadline() const;
  absl::StatusOr<bool> SessionReady();  // opens the session at the Verifier; true once it is there
  absl::Status StartAppraisal(ReceivedEvidence received);
  absl::StatusOr<bool> AppraisalReady();  // true once peer_ is set
  std::string OwnKeySha256() const;       // zeros when we showed no certificate

  // hello.cc
  int Refuse(absl::Status why, int* alert, int description);
  absl::Status ChooseProfile(absl::string_view extension);
  absl::StatusOr<bool> LeafReady();  // attests if challenged in the handshake; true once the leaf is installed
  absl::Status InstallLeaf(absl::string_view der);
  absl::StatusOr<std::string> ExtensionBody(unsigned context) const;
  absl::Status ParseExtension(unsigned context, absl::string_view body);
  absl::Status CheckPeerLeaf(absl::string_view der);

  // exchange.cc
  absl::Status StartExchange();
  Step Exchange();
  bool Exchanged() const { return accepted_sent_ && accepted_seen_ && out_.empty(); }
  absl::Status ReadFrames();
  absl::Status CheckDue(FrameType type) const;
  absl::Status TakeFrame(const Frame& frame);
  absl::Status TakeChallenge(const Frame& frame);
  absl::Status TakeEvidence(const Frame& frame);
  absl::Status Produce();
  absl::Status ProduceChallenge();
  absl::Status ProduceEvidence();
  absl::Status Accept();
  absl::Status Flush();
  absl::StatusOr<std::string> Exporter();

  EndpointCore& core_;
  const int socket_;
  const std::function<void()> wake_;
  absl::Time now_;
  absl::Time deadline_;
  Phase phase_ = Phase::kStart;
  bool want_read_ = false, want_write_ = false, again_ = false;
  absl::Status why_;
  absl::Status refusal_;             // set by a callback that made OpenSSL fail
  std::unique_ptr<SocketEnd> wire_;  // before ssl_, which uses it
  UniqueSsl ssl_;
  bool farewell_said_ = false;  // kLingering: all is written that will be
  bool close_sent_ = false;     // kOpen: close_notify

  Profile profile_ = Profile::kSession;
  bool plain_peer_ = false;      // server: the ClientHello has no attested_key
  bool provide_seen_ = false;    // client: EncryptedExtensions has it
  std::string hello_extension_;  // server: as first seen
  std::string peer_media_type_;  // of the KAT that the peer announced
  std::string extension_out_;    // while OpenSSL writes it
  std::optional<Challenge> their_challenge_;
  bool leaf_installed_ = false;
  std::string own_media_type_;  // of our KAT
  std::optional<Leaf> peer_leaf_;
  std::shared_ptr<OpenSession> session_;  // null until it is there
  std::optional<AttestedPeer> peer_;

  std::shared_ptr<Pending<std::shared_ptr<OpenSession>>> session_job_;
  std::shared_ptr<Pending<AttestedLeaf>> leaf_job_;
  std::shared_ptr<Pending<CmwRecord>> evidence_job_;
  std::shared_ptr<Pending<AttestedPeer>> appraisal_job_;

  FrameReader frames_;
  std::string out_;  // frames on their way to the peer
  bool challenge_sent_ = false, challenge_seen_ = false;
  bool evidence_due_ = false, evidence_seen_ = false;   // from us; from the peer
  bool accepted_sent_ = false, accepted_seen_ = false;  // the last frame of each side: sent, we say nothing more
};

// tls_context.cc
absl::StatusOr<UniqueSslCtx> MakeTlsContext(Role role, bool demands_certificate);
// Why SSL_do_handshake, SSL_read or SSL_write failed, from OpenSSL's error queue, which is cleared.
absl::Status TlsFailure();

}  // namespace twi::atls

#endif  // TWI_COMMON_ATTESTED_TLS_CONNECTION_H_
