#include "integration_tests/bench/ca_issue.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/deny.h"
#include "integration_tests/bench/fake_peers.h"
#include "integration_tests/bench/issue_requests.h"
#include "integration_tests/bench/measure.h"
#include "integration_tests/bench/stage.h"
#include "integration_tests/bench/validate_acquired.h"

namespace twi::bench {
namespace {

using integration::kCredentialAuthority;

constexpr int kTamperEvery = 1000;
constexpr std::size_t kMaxPrepared = 60000;  // about 5 KB each
constexpr double kMaxRate = 6000;            // per second: more than any machine that we know issues

// SPIRE's server CPU per SVID, one CSR per call (performance.md section 4), by the calls in flight: the fewer there
// are, the more system calls each pays for, so like is compared with like. Measured on a machine whose P-256 sign and
// verify are 1.3 times slower than section 2's box: (15.5 + 46) * 1.3 with BoringSSL.
constexpr std::pair<int, double> kSpire[] = {{1, 1252}, {4, 847}, {16, 762}, {64, 737}};
constexpr double kSpireSignVerify = (15.5 + 46) * 1.3;

// That of the most calls in flight that are not more than ours.
double SpireMicros(int in_flight) {
  double micros = kSpire[0].second;
  for (const auto& [calls, us] : kSpire) {
    if (calls <= in_flight) micros = us;
  }
  return micros;
}

class Authority {
 public:
  explicit Authority(const IssueOptions& options) : wit_(options.wit) {
    if (!options.durable) {
      deployment_.Edit("config/credential_authority.yaml", "storage:\n", "storage:\n  insecure_not_durable: true\n");
    }
    peers_ = FakePeers::Start(deployment_, clock_, requests_.results_key(), requests_.grant_key(), requests_.policy());
    deployment_.Start(kCredentialAuthority);
    processes_ = DaemonProcesses({kCredentialAuthority});
    config::v1::Tls tls;  // we call as the Verifier
    tls.set_certificate_file(deployment_.File("tls/verifier.pem"));
    tls.set_key_file(deployment_.File("tls/verifier.key.pem"));
    tls.set_trust_bundle_file(deployment_.File("tls/ca.pem"));
    identity_ = OrFail(client::Identity::FromFiles(tls), "verifier identity");
    client_ = OrFail(client::MakeCredentialAuthorityClient(deployment_.Reach(kCredentialAuthority), *identity_, clock_),
                     "credential authority client");
    Services services;
    services.verifier = deployment_.Reach(integration::kVerifier);
    services.credential_authority = deployment_.Reach(kCredentialAuthority);
    services.key_store = deployment_.Reach(integration::kKeyStore);
    services.trust_bundle_file = deployment_.File("tls/ca.pem");
    FetchTrustBundle(*Connections::Open(services, clock_), expected_);
    expected_.workload_identifier = integration::kIdentifier;
    expected_.wit = wit_;
  }

  void Prepare(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) prepared_.push_back(requests_.Make(wit_, clock_.Now()));
    issued_.resize(prepared_.size());
  }

  // Issues the next one that is prepared; false when there is none left.
  bool IssueNext() {
    const std::size_t i = next_.fetch_add(1);
    if (i >= prepared_.size()) return false;
    if (i % kTamperEvery == 0) RefusesTampered(prepared_[i].request);
    auto issued = client_->IssueForVerifier(prepared_[i].request, clock_.Now() + absl::Seconds(10));
    issued_[i] = OrFail(std::move(issued), "ca.issue").credential();
    return true;
  }

  // The same request again is refused: results and grant are good for one credential.
  void RefusesRepeated() {
    const auto again = client_->IssueForVerifier(prepared_.front().request, clock_.Now() + absl::Seconds(10));
    if (DenyReasonOf(again.status()) != v1::DENY_REASON_RESULTS_REPLAYED)
      Fail("a repeated request was not refused as RESULTS_REPLAYED");
  }

  std::size_t Validate() {
    expected_.now = clock_.Now();
    std::size_t count = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(next_, prepared_.size()); ++i, ++count)
      OrFail(ValidateCredential(issued_[i], prepared_[i].key_spki, expected_),
             "a credential that was issued does not validate");
    return count;
  }

  const Processes& processes() const { return processes_; }
  int tampered() const { return tampered_; }

 private:
  void RefusesTampered(v1::IssueForVerifierRequest request) {
    const bool grant = ++tampered_ % 2 == 0;
    std::string& jws = grant ? *request.mutable_grant() : *request.mutable_attestation_results();
    char& in_signature = jws[jws.size() - 20];
    in_signature = in_signature == 'A' ? 'B' : 'A';
    const auto refused = client_->IssueForVerifier(request, clock_.Now() + absl::Seconds(10));
    const DenyReason expected =
        grant ? v1::DENY_REASON_GRANT_SIGNATURE_INVALID : v1::DENY_REASON_RESULTS_SIGNATURE_INVALID;
    if (DenyReasonOf(refused.status()) != expected) Fail("a tampered request was not refused for its signature");
  }

  const bool wit_;
  SystemClock clock_;
  integration::Deployment deployment_;
  IssueRequests requests_;
  FakePeers peers_;
  Processes processes_;
  std::shared_ptr<client::Identity> identity_;
  std::unique_ptr<client::CredentialAuthorityClient> client_;
  Expected expected_;
  std::vector<PreparedIssue> prepared_;
  std::vector<v1::WorkloadCredential> issued_;
  std::atomic<std::size_t> next_{0};
  std::atomic<int> tampered_{0};
};

void AddComparison(nlohmann::ordered_json& row, const IssueOptions& options, const Floors& floors, double cpu_us) {
  const Composition floor = IssueFloor(options.wit, floors);
  row["floor_us"] = floor.total();
  row["floor_composition"] = floor.Text();
  row["fraction_of_floor"] = floor.total() / cpu_us;
  if (options.wit) return;  // SPIRE's figure is for the X.509 form alone
  const double scale = (floors.crypto.p256_sign + floors.crypto.p256_verify) / kSpireSignVerify;
  row["spire_us"] = SpireMicros(options.in_flight);
  row["spire_scale"] = scale;
  row["fraction_of_spire"] = cpu_us / (SpireMicros(options.in_flight) * scale);
}

}  // namespace

nlohmann::ordered_json RunCaIssue(const IssueOptions& options, const Floors& floors) {
  Authority authority(options);
  const double warm_up = options.seconds / 4;
  authority.Prepare(
      std::min<std::size_t>(kMaxPrepared, static_cast<std::size_t>(kMaxRate * (options.seconds + warm_up))));
  const LoopResult result = RunClosedLoop(options.in_flight, warm_up, options.seconds, authority.processes(),
                                          [&](int) { return authority.IssueNext(); });
  authority.RefusesRepeated();
  nlohmann::ordered_json row = ToJson(result);
  row["wit"] = options.wit;
  row["durable"] = options.durable;
  row["in_flight"] = options.in_flight;
  row["credentials_validated"] = authority.Validate();
  row["tampered_refused"] = authority.tampered();
  AddComparison(row, options, floors, result.server_cpu_us());
  return row;
}

}  // namespace twi::bench
