// What happens inside the TLS handshake: the extension in each message, the leaf with its KAT, the appraisal before
// CertificateVerify. The comments name the diagram's arrows (README.md).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/attested_tls/attested_key.h"
#include "common/attested_tls/connection.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "openssl/err.h"

namespace twi::atls {
namespace {

absl::Status NotAccepted(absl::string_view detail) {
  return Deny(v1::DENY_REASON_ATTESTED_TLS_PROFILE_NOT_ACCEPTED, detail);
}

int AlertFor(const absl::Status& why) {
  switch (DenyReasonOf(why)) {
    case v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID:
      return SSL_AD_ILLEGAL_PARAMETER;
    case v1::DENY_REASON_INTERNAL:
    case v1::DENY_REASON_OVERLOADED:
    case v1::DENY_REASON_DEPENDENCY_UNAVAILABLE:
    case v1::DENY_REASON_DEADLINE_EXCEEDED:
    case v1::DENY_REASON_ATTESTER_FAILED:
    case v1::DENY_REASON_SERVER_UNAUTHENTICATED:  // our Verifier's fault, not the peer's
    case v1::DENY_REASON_SERVER_IDENTITY_MISMATCH:
      return SSL_AD_INTERNAL_ERROR;
    default:
      return SSL_AD_HANDSHAKE_FAILURE;
  }
}

}  // namespace

// --- server: ClientHello { attested-key-ext-req }

absl::Status ConnectionImpl::ChooseProfile(absl::string_view extension) {
  TWI_ASSIGN_OR_RETURN(HelloRequest request, ReadHelloRequest(extension));
  for (const Profile profile : {Profile::kSession, Profile::kHandshake}) {
    if (!core_.Accepts(profile) || std::count(request.profiles.begin(), request.profiles.end(), profile) == 0) continue;
    profile_ = profile;
    if (profile == Profile::kHandshake) their_challenge_ = std::move(request.challenge);
    return absl::OkStatus();
  }
  return NotAccepted("the ClientHello offers no profile that we accept");
}

int ConnectionImpl::OnClientHello(int* alert) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  const bool present = SSL_client_hello_get0_ext(ssl_.get(), kExtensionType, &data, &size) == 1;
  const std::string extension = present ? std::string(reinterpret_cast<const char*>(data), size) : "";
  if (hello_extension_.empty() && !plain_peer_) {
    if (present) {
      const absl::Status chosen = ChooseProfile(extension);
      if (!chosen.ok()) return Refuse(chosen, alert, AlertFor(chosen)), SSL_CLIENT_HELLO_ERROR;
    } else if (!core_.Accepts(Profile::kSession)) {
      // Profile session lets a plain TLS client complete, so that it can be told why it is refused.
      Refuse(Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT, "the ClientHello carries no attested_key: plain TLS"),
             alert, SSL_AD_HANDSHAKE_FAILURE);
      return SSL_CLIENT_HELLO_ERROR;
    } else {
      profile_ = Profile::kSession;
      plain_peer_ = true;
      SSL_set_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);  // else OpenSSL demands a certificate, and tells nothing
    }
    hello_extension_ = extension;
  } else if (extension != hello_extension_) {  // the second ClientHello, after HelloRetryRequest (RFC 8446 4.1.2)
    Refuse(Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID, "attested_key changed between two ClientHellos"), alert,
           SSL_AD_ILLEGAL_PARAMETER);
    return SSL_CLIENT_HELLO_ERROR;
  }
  // attest_key(nonce, TIK) -> KAT; and our own session at the Verifier, when the client is to be challenged here.
  absl::StatusOr<bool> ready = LeafReady();
  if (ready.ok() && profile_ == Profile::kHandshake && self() != nullptr) {
    const absl::StatusOr<bool> session = SessionReady();
    if (!session.ok()) {
      ready = session;
    } else {
      ready = *ready && *session;
    }
  }
  if (!ready.ok()) return Refuse(ready.status(), alert, AlertFor(ready.status())), SSL_CLIENT_HELLO_ERROR;
  return *ready ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_RETRY;
}

int ConnectionImpl::Refuse(absl::Status why, int* alert, int description) {
  if (alert != nullptr) *alert = description;
  refusal_ = std::move(why);
  return 0;
}

// --- both: the leaf, with its KAT when we are challenged in the handshake

absl::Status ConnectionImpl::InstallLeaf(absl::string_view der) {
  UniqueX509 leaf;
  if (der.empty()) {
    TWI_ASSIGN_OR_RETURN(leaf, core_.PlainLeaf(now_));
  } else {
    TWI_ASSIGN_OR_RETURN(leaf, ParseX509(der));
  }
  if (SSL_use_certificate(ssl_.get(), leaf.get()) != 1 || SSL_use_PrivateKey(ssl_.get(), core_.handle.get()) != 1) {
    ERR_clear_error();
    return Deny(v1::DENY_REASON_INTERNAL, "OpenSSL does not take our leaf");
  }
  leaf_installed_ = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> ConnectionImpl::LeafReady() {
  if (leaf_installed_) return true;
  if (!their_challenge_.has_value()) {
    TWI_RETURN_IF_ERROR(InstallLeaf(""));
    return true;
  }
  if (leaf_job_ == nullptr) {
    const v1::Binding binding = MakeBinding(Profile::kHandshake, settings().role, their_challenge_->nonce,
                                            their_challenge_->relying_party, {settings().attester->key_spki(), "", ""});
    const Deadline deadline = AttesterDeadline();
    leaf_job_ = RunPending<AttestedLeaf>(
        *settings().attester_workers, deadline,
        [attester = settings().attester, binding, now = now_]() -> absl::StatusOr<AttestedLeaf> {
          TWI_ASSIGN_OR_RETURN(const CmwRecord kat, attester->AttestKey(binding));
          TWI_ASSIGN_OR_RETURN(std::string der, attester->MakeLeaf(kat, now));
          return AttestedLeaf{std::move(der), kat.media_type};
        },
        wake_);
    if (leaf_job_ == nullptr) return deadline.late;
  }
  if (!leaf_job_->ready()) return false;
  TWI_ASSIGN_OR_RETURN(const AttestedLeaf leaf, leaf_job_->Take());
  leaf_job_.reset();
  const std::vector<std::string>& accepted = their_challenge_->media_types;
  if (std::find(accepted.begin(), accepted.end(), leaf.media_type) == accepted.end())
    return Deny(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED,
                absl::StrCat("our Evidence is ", leaf.media_type, ", which the peer's Verifier does not take"));
  own_media_type_ = leaf.media_type;
  TWI_RETURN_IF_ERROR(InstallLeaf(leaf.der));
  return true;
}

// client: CertificateRequest. Without an attester there is no certificate to show, and the server says what it thinks
// of that.
int ConnectionImpl::OnCertificateWanted() {
  if (settings().attester == nullptr) return 1;
  const absl::StatusOr<bool> ready = LeafReady();
  if (!ready.ok()) return Refuse(ready.status(), nullptr, 0);
  return *ready ? 1 : -1;
}

// --- both: the extension in every message

absl::StatusOr<std::string> ConnectionImpl::ExtensionBody(unsigned context) const {
  switch (context) {
    case SSL_EXT_CLIENT_HELLO: {  // client: attested-key-ext-req(nonce, supp-media-types)
      HelloRequest request;
      request.profiles = settings().profiles;
      if (core_.Accepts(Profile::kHandshake))
        request.challenge = Challenge{(*session_)->nonce, (*session_)->media_types, self()->rp_id};
      return WriteHelloRequest(request);
    }
    case SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS:  // server: attested-key-ext-provide(kat-media-type)
      return WriteHelloProvide({profile_, own_media_type_});
    case SSL_EXT_TLS1_3_CERTIFICATE_REQUEST:  // server: attested-key-ext-req, when the client is challenged here
      if (profile_ != Profile::kHandshake) return std::string();
      return WriteChallenge({(*session_)->nonce, (*session_)->media_types, self()->rp_id});
    case SSL_EXT_TLS1_3_CERTIFICATE:  // client: attested-key-ext-provide
      return IsClient() && !own_media_type_.empty() ? WriteMediaType(own_media_type_) : std::string();
    default:
      return Deny(v1::DENY_REASON_INTERNAL, "attested_key asked for in a message that never has it");
  }
}

int ConnectionImpl::OnExtensionAdd(unsigned context, std::size_t chain_index, const unsigned char** out,
                                   std::size_t* size, int* alert) {
  const absl::StatusOr<std::string> body = ExtensionBody(context);
  if (!body.ok()) return Refuse(body.status(), alert, SSL_AD_INTERNAL_ERROR), -1;
  if (body->empty() || chain_index != 0) return 0;
  extension_out_ = *body;
  *out = reinterpret_cast<const unsigned char*>(extension_out_.data());
  *size = extension_out_.size();
  return 1;
}

absl::Status ConnectionImpl::ParseExtension(unsigned context, absl::string_view body) {
  if (context == SSL_EXT_CLIENT_HELLO && !IsClient()) return absl::OkStatus();  // OnClientHello has read it
  if (context == SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS && IsClient()) {
    TWI_ASSIGN_OR_RETURN(const HelloProvide provide, ReadHelloProvide(body));
    if (!core_.Accepts(provide.profile)) return NotAccepted("the server selected a profile that we did not offer");
    if (provide.profile == Profile::kHandshake && provide.media_type.empty())
      return Deny(v1::DENY_REASON_ATTESTED_TLS_KAT_MISSING, "the server announces no KAT");
    profile_ = provide.profile;
    peer_media_type_ = provide.media_type;
    provide_seen_ = true;
    return absl::OkStatus();
  }
  const bool handshake = profile_ == Profile::kHandshake;
  if (context == SSL_EXT_TLS1_3_CERTIFICATE_REQUEST && IsClient() && provide_seen_ && handshake) {
    TWI_ASSIGN_OR_RETURN(their_challenge_, ReadChallenge(body));
    return absl::OkStatus();
  }
  if (context == SSL_EXT_TLS1_3_CERTIFICATE && !IsClient() && handshake) {
    TWI_ASSIGN_OR_RETURN(peer_media_type_, ReadMediaType(body));
    return absl::OkStatus();
  }
  return Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID, "attested_key in a message where it must not stand");
}

int ConnectionImpl::OnExtensionParse(unsigned context, absl::string_view body, std::size_t chain_index, int* alert) {
  const absl::Status parsed = chain_index == 0 ? ParseExtension(context, body)
                                               : Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_INVALID,
                                                      "attested_key on a certificate that is not the leaf");
  if (!parsed.ok()) return Refuse(parsed, alert, AlertFor(parsed));
  return 1;
}

// --- both: Certificate(KAT)

absl::Status ConnectionImpl::CheckPeerLeaf(absl::string_view der) {
  if (IsClient() && !provide_seen_)
    return Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT,
                "EncryptedExtensions carries no attested_key: plain TLS");
  TWI_ASSIGN_OR_RETURN(peer_leaf_, ReadLeaf(der, now_));
  if (profile_ == Profile::kSession) {
    if (!peer_leaf_->kat.has_value()) return absl::OkStatus();
    return Deny(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID, "a leaf with a KAT in profile session");
  }
  if (self() == nullptr) return absl::OkStatus();
  if (peer_media_type_.empty())
    return Deny(v1::DENY_REASON_ATTESTED_TLS_EXTENSION_ABSENT, "the client's Certificate carries no attested_key");
  if (!peer_leaf_->kat.has_value())
    return Deny(v1::DENY_REASON_ATTESTED_TLS_KAT_MISSING, "the leaf carries no id-pe-cmw");
  if (peer_leaf_->kat->media_type != peer_media_type_) {
    return Deny(v1::DENY_REASON_ATTESTED_TLS_MEDIA_TYPE_NOT_ACCEPTED,
                absl::StrCat("the KAT is ", peer_leaf_->kat->media_type, ", announced was \"", peer_media_type_, "\""));
  }
  return absl::OkStatus();
}

// The client pauses the handshake here while the Verifier appraises: POST {kat-media-type, KAT} -> AR, verify AR{}.
// Only then OpenSSL goes on to CertificateVerify (verify sig) and Finished. A TLS 1.3 server has sent its Finished
// before it sees the client's Certificate, and appraises after the handshake, before the first byte of the application.
int ConnectionImpl::OnVerify(X509_STORE_CTX* store_context) {
  if (!peer_leaf_.has_value()) {
    STACK_OF(X509)* chain = X509_STORE_CTX_get0_untrusted(store_context);
    unsigned char* der = nullptr;
    const int size = i2d_X509(X509_STORE_CTX_get0_cert(store_context), &der);
    absl::Status checked = Deny(v1::DENY_REASON_ATTESTED_TLS_CERTIFICATE_INVALID, "expected one certificate, the leaf");
    if (size > 0 && sk_X509_num(chain) == 1)
      checked = CheckPeerLeaf(absl::string_view(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)));
    OPENSSL_free(der);
    if (!checked.ok()) {
      peer_leaf_.reset();
      X509_STORE_CTX_set_error(store_context, X509_V_ERR_APPLICATION_VERIFICATION);
      return Refuse(checked, nullptr, 0);
    }
  }
  if (!IsClient() || profile_ == Profile::kSession) return 1;
  if (!peer_.has_value()) {
    absl::StatusOr<bool> ready = true;
    if (appraisal_job_ == nullptr) {
      const absl::Status started = StartAppraisal(
          {profile_, PeerRole(), peer_leaf_->spki, "", "", peer_leaf_->kat->media_type, peer_leaf_->kat->value});
      if (!started.ok()) ready = started;
    }
    if (ready.ok()) ready = AppraisalReady();
    if (!ready.ok()) {
      X509_STORE_CTX_set_error(store_context, X509_V_ERR_APPLICATION_VERIFICATION);
      return Refuse(ready.status(), nullptr, 0);
    }
    if (!*ready) return SSL_set_retry_verify(ssl_.get());
  }
  return 1;
}

}  // namespace twi::atls
