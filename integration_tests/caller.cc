#include "integration_tests/caller.h"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "common/client/channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "proto/google/rpc/status_details.pb.h"
#include "proto/twi/v1/claims_mapper.grpc.pb.h"
#include "proto/twi/v1/credential_authority.grpc.pb.h"
#include "proto/twi/v1/key_store.grpc.pb.h"
#include "proto/twi/v1/verifier.grpc.pb.h"

namespace twi::integration {
namespace {

constexpr std::chrono::seconds kDeadline(20);

using MakeChannel = std::function<std::shared_ptr<grpc::Channel>(const config::v1::Peer&)>;

// Any server certificate will do: what is tested is what the server does with a client like this.
std::shared_ptr<grpc::ChannelCredentials> TlsWithoutCertificate() {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  return grpc::experimental::TlsCredentials(options);
}

template <typename Interface, typename Request, typename Response>
absl::StatusOr<Response> Call(Interface& stub,
                              grpc::Status (Interface::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, const char* what) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return client::FromGrpc(status, what);
  return response;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info) && info.domain() == "twi") return info.reason();
  }
  return "";
}

}  // namespace

struct Caller::Impl {
  Impl(const Deployment& deployment, MakeChannel make_channel) : make(std::move(make_channel)) {
    for (const std::string& daemon : kDaemons) peers[daemon] = deployment.Reach(daemon);
  }

  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& daemon) {
    const std::lock_guard<std::mutex> lock(mutex);
    std::shared_ptr<grpc::Channel>& channel = channels[daemon];
    if (channel == nullptr) channel = make(peers.at(daemon));
    return channel;
  }
  v1::Verifier::Stub Verifier() { return v1::Verifier::Stub(ChannelTo(kVerifier)); }
  v1::CredentialAuthority::Stub Authority() { return v1::CredentialAuthority::Stub(ChannelTo(kCredentialAuthority)); }
  v1::ClaimsMapper::Stub Mapper() { return v1::ClaimsMapper::Stub(ChannelTo(kClaimsMapper)); }
  v1::KeyStore::Stub Store() { return v1::KeyStore::Stub(ChannelTo(kKeyStore)); }

  const MakeChannel make;
  std::shared_ptr<client::Identity> identity;
  std::map<std::string, config::v1::Peer> peers;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
};

Caller::Caller(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Caller::~Caller() = default;
Caller::Caller(Caller&&) noexcept = default;

Caller Caller::Workload(const Deployment& deployment) {
  const std::shared_ptr<client::Identity> identity =
      client::Identity::AttestedKey(deployment.File("tls/ca.pem"), absl::Now()).value();
  Caller caller(std::make_unique<Impl>(
      deployment, [identity](const config::v1::Peer& peer) { return client::MakeChannel(peer, *identity).value(); }));
  caller.impl_->identity = identity;
  return caller;
}

Caller Caller::Holder(const Deployment& deployment, const std::string& name) {
  return Files(deployment, deployment.File(name + ".pem"), deployment.File(name + ".key.pem"));
}

Caller Caller::Files(const Deployment& deployment, const std::string& certificate_file, const std::string& key_file) {
  config::v1::Tls tls;
  tls.set_certificate_file(certificate_file);
  tls.set_key_file(key_file);
  tls.set_trust_bundle_file(deployment.File("tls/ca.pem"));
  const std::shared_ptr<client::Identity> identity = client::Identity::FromFiles(tls).value();
  Caller caller(std::make_unique<Impl>(
      deployment, [identity](const config::v1::Peer& peer) { return client::MakeChannel(peer, *identity).value(); }));
  caller.impl_->identity = identity;
  return caller;
}

Caller Caller::WithoutCertificate(const Deployment& deployment) {
  return Caller(std::make_unique<Impl>(deployment, [](const config::v1::Peer& peer) {
    return grpc::CreateChannel(peer.address(), TlsWithoutCertificate());
  }));
}

Caller Caller::Plaintext(const Deployment& deployment) {
  return Caller(std::make_unique<Impl>(deployment, [](const config::v1::Peer& peer) {
    return grpc::CreateChannel(peer.address(), grpc::InsecureChannelCredentials());
  }));
}

std::string Caller::key_sha256() const { return impl_->identity == nullptr ? "" : impl_->identity->key_sha256(); }

// One line per RPC: the stub, the method, the request.
#define TWI_CALL(stub, Service, Method, request) \
  auto service = impl_->stub();                  \
  return Call(service, &v1::Service::Stub::Method, request, #Method)

absl::StatusOr<v1::NewChallengeResponse> Caller::VerifierChallenge() {
  TWI_CALL(Verifier, Verifier, NewChallenge, v1::NewChallengeRequest());
}
absl::StatusOr<v1::AppraiseResponse> Caller::Appraise(const v1::AppraiseRequest& request) {
  TWI_CALL(Verifier, Verifier, Appraise, request);
}
absl::StatusOr<v1::AppraiseResponse> Caller::AppraiseForRelyingParty(
    const v1::AppraiseForRelyingPartyRequest& request) {
  TWI_CALL(Verifier, Verifier, AppraiseForRelyingParty, request);
}
absl::StatusOr<v1::RequestCredentialResponse> Caller::RequestCredential(const v1::RequestCredentialRequest& request) {
  TWI_CALL(Verifier, Verifier, RequestCredential, request);
}
absl::StatusOr<v1::GetVerifierKeysResponse> Caller::GetVerifierKeys() {
  TWI_CALL(Verifier, Verifier, GetVerifierKeys, v1::GetVerifierKeysRequest());
}

absl::StatusOr<v1::NewChallengeResponse> Caller::AuthorityChallenge() {
  TWI_CALL(Authority, CredentialAuthority, NewChallenge, v1::NewChallengeRequest());
}
absl::StatusOr<v1::IssueResponse> Caller::IssueForVerifier(const v1::IssueForVerifierRequest& request) {
  TWI_CALL(Authority, CredentialAuthority, IssueForVerifier, request);
}
absl::StatusOr<v1::IssueResponse> Caller::IssueFromResults(const v1::IssueFromResultsRequest& request) {
  TWI_CALL(Authority, CredentialAuthority, IssueFromResults, request);
}
absl::StatusOr<v1::IssueResponse> Caller::IssueFromEvidence(const v1::IssueFromEvidenceRequest& request) {
  TWI_CALL(Authority, CredentialAuthority, IssueFromEvidence, request);
}
absl::StatusOr<v1::IssueResponse> Caller::IssueForOwner(const v1::IssueForOwnerRequest& request) {
  TWI_CALL(Authority, CredentialAuthority, IssueForOwner, request);
}
absl::StatusOr<v1::GetIssuanceResponse> Caller::GetIssuance(const std::string& serial) {
  v1::GetIssuanceRequest request;
  request.set_serial(serial);
  TWI_CALL(Authority, CredentialAuthority, GetIssuance, request);
}
absl::StatusOr<v1::GetTrustBundleResponse> Caller::GetTrustBundle() {
  TWI_CALL(Authority, CredentialAuthority, GetTrustBundle, v1::GetTrustBundleRequest());
}

absl::StatusOr<v1::MapClaimsResponse> Caller::MapClaims(const v1::MapClaimsRequest& request) {
  TWI_CALL(Mapper, ClaimsMapper, MapClaims, request);
}
absl::StatusOr<v1::PlanClaimsResponse> Caller::PlanClaims(const v1::PlanClaimsRequest& request) {
  TWI_CALL(Mapper, ClaimsMapper, PlanClaims, request);
}
absl::StatusOr<v1::PutPolicyResponse> Caller::PutPolicy(const std::string& signed_policy) {
  v1::PutPolicyRequest request;
  request.set_signed_policy(signed_policy);
  TWI_CALL(Mapper, ClaimsMapper, PutPolicy, request);
}
absl::StatusOr<v1::GetPolicyVersionsResponse> Caller::GetPolicyVersions(const std::string& name) {
  v1::GetPolicyVersionsRequest request;
  request.add_names(name);
  TWI_CALL(Mapper, ClaimsMapper, GetPolicyVersions, request);
}
absl::StatusOr<v1::GetGrantKeysResponse> Caller::GetGrantKeys() {
  TWI_CALL(Mapper, ClaimsMapper, GetGrantKeys, v1::GetGrantKeysRequest());
}

absl::StatusOr<v1::ProvisionKeyResponse> Caller::ProvisionKey(const v1::ProvisionKeyRequest& request) {
  TWI_CALL(Store, KeyStore, ProvisionKey, request);
}
absl::StatusOr<v1::ReleaseKeyResponse> Caller::ReleaseKey(const v1::ReleaseKeyRequest& request) {
  TWI_CALL(Store, KeyStore, ReleaseKey, request);
}
absl::StatusOr<v1::ListKeysResponse> Caller::ListKeys() { TWI_CALL(Store, KeyStore, ListKeys, v1::ListKeysRequest()); }
absl::StatusOr<v1::GetKeyStoreKeysResponse> Caller::GetKeyStoreKeys() {
  TWI_CALL(Store, KeyStore, GetKeyStoreKeys, v1::GetKeyStoreKeysRequest());
}

#undef TWI_CALL

RawAnswer Caller::Raw(const std::string& daemon, const std::string& method, const std::string& message) {
  grpc::GenericStub generic(impl_->ChannelTo(daemon));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  const grpc::Slice slice(message);
  const grpc::ByteBuffer request(&slice, 1);
  auto call = generic.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return {static_cast<int>(status.error_code()), ReasonOf(status), status.error_message()};
}

}  // namespace twi::integration
