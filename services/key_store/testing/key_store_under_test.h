// A Key Store behind its real door (sockets, TLS 1.3, gRPC), with a Verifier's key whose signing half the test holds.
#ifndef TWI_SERVICES_KEY_STORE_TESTING_KEY_STORE_UNDER_TEST_H_
#define TWI_SERVICES_KEY_STORE_TESTING_KEY_STORE_UNDER_TEST_H_

#include <memory>
#include <string>

#include "common/attestation_results/attestation_results.h"
#include "common/client/channel.h"
#include "common/client/key_store_client.h"
#include "common/crypto/hpke.h"
#include "common/server/server.h"
#include "common/storage/database.h"
#include "common/storage/sealed.h"
#include "common/testing/fake_clock.h"
#include "common/testing/test_pki.h"
#include "services/key_store/key_store_service.h"

namespace twi::key_store {

constexpr char kRpId[] = "https://keys.test.example";
constexpr char kTarget[] = "https://payroll.test.example";
constexpr char kKeyStoreId[] = "spiffe://test.example/twi/key-store";
constexpr char kVerifierId[] = "spiffe://test.example/twi/verifier";
constexpr char kOwner[] = "spiffe://test.example/owner/payroll";
constexpr char kOtherOwner[] = "spiffe://test.example/owner/other";
constexpr char kStranger[] = "spiffe://test.example/stranger";     // not on any allow-list
constexpr char kNotAnOwner[] = "spiffe://test.example/not-owner";  // allowed at the door, not a Workload Owner
constexpr char kPolicy[] =
    "conditions:\n- name: payroll\n  expression: results.software.name == \"payroll\" && results.attester.vmpl == 0\n";

class KeyStoreUnderTest {
 public:
  KeyStoreUnderTest();
  // Opens the stores and listens; what was stored by an earlier Start of this object is there again.
  void Start();
  void Stop();

  // A client with that SPIFFE ID, and one with a fresh self-signed key (the workload).
  std::unique_ptr<client::KeyStoreClient> As(const std::string& spiffe_id);
  struct Workload {
    std::shared_ptr<client::Identity> identity;
    std::unique_ptr<client::KeyStoreClient> client;
    crypto::HpkePrivateKey encryption_key;
    v1::Binding binding;
  };
  Workload NewWorkload();

  // P3: a P-256 key of kOwner for kTarget under `policy`.
  v1::ProvisionKeyResponse Provision(const std::string& policy = kPolicy);
  // What the Verifier says of that workload, unsigned, and signed by its key.
  AttestationResults ResultsFor(const Workload& workload);
  std::string Sign(const AttestationResults& results) const;
  v1::ReleaseKeyRequest RequestFor(const Workload& workload, const std::string& key_id,
                                   const AttestationResults& results) const;

  absl::Time deadline() const { return clock.Now() + absl::Seconds(20); }

  testing::FakeClock clock;
  testing::TestPki pki;
  crypto::SystemRandom random;
  crypto::PrivateKey verifier_key;
  std::unique_ptr<storage::Sealer> sealer;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<storage::SigningKeys> signing_keys;
  std::unique_ptr<SealedStore> keys;
  std::unique_ptr<ReleaseRecords> records;
  std::unique_ptr<ReleasePolicyCache> policies;
  std::unique_ptr<client::KeySource> verifier_keys;
  std::unique_ptr<KeyStoreDeps> deps;
  std::unique_ptr<server::Server> server;

 private:
  int serial_ = 0;
};

}  // namespace twi::key_store

#endif  // TWI_SERVICES_KEY_STORE_TESTING_KEY_STORE_UNDER_TEST_H_
