// The issuance record: what justified each credential, durable before the credential leaves; and the memory of what was
// used up (AR, grants), in the same transaction.
#ifndef TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUANCE_RECORD_H_
#define TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUANCE_RECORD_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/storage/database.h"
#include "proto/twi/v1/credential_authority.pb.h"

namespace twi::credential_authority {

// SQL of the tables, to be appended to the migrations.
extern const char kIssuanceSchema[];

// What is good for one credential only.
struct SingleUse {
  std::string results_jti;  // empty for D
  absl::Time results_expire;
  std::string csr_sha256;  // 32 bytes; of D's counter-signed request, else empty
  absl::Time csr_expires;  // when its counter-signature is too old anyway
  std::string grant_jti;
  absl::Time grant_expires;
};

// Records the issuance and uses up the results, the counter-signed request and the grant, in one transaction; returns
// when it is on disk. RESULTS_REPLAYED, COUNTER_SIGNATURE_INVALID (used before), GRANT_REPLAYED: nothing is recorded
// then, and the credential must not leave. STORAGE_FAILED.
absl::Status RecordIssuance(storage::Database& database, const v1::GetIssuanceResponse& record,
                            const SingleUse& single_use, absl::Time now);

// `reader`: whose credentials' records are told, as a Workload Owner's SPIFFE ID; unset: all. Another's is as unknown
// as one that never was: ISSUANCE_UNKNOWN.
absl::StatusOr<v1::GetIssuanceResponse> FindIssuance(storage::Database& database, const v1::GetIssuanceRequest& request,
                                                     const std::optional<std::string>& reader);

// How many credentials were issued: for operators and the crash test.
absl::StatusOr<long long> CountIssuances(storage::Database& database);

}  // namespace twi::credential_authority

#endif  // TWI_SERVICES_CREDENTIAL_AUTHORITY_ISSUANCE_RECORD_H_
