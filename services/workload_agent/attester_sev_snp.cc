// SEV-SNP through configfs-tsm. Every request gets a report directory of its own, so nobody else's options can come
// between; `generation` is compared all the same, as the kernel documents: it counts the writes to options, and a
// report is ours only if it counted exactly our own.
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/binding/binding.h"
#include "common/config/read_file.h"
#include "common/crypto/x509.h"
#include "common/snp_cert_table/snp_cert_table.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "services/workload_agent/attester.h"

namespace twi::agent {
namespace {

constexpr std::size_t kReportSize = 1184;
constexpr std::size_t kMaxOutblob = 16 * 1024;
constexpr std::size_t kMaxAuxblob = 64 * 1024;
constexpr std::size_t kMaxAttribute = 256;
constexpr int kAttempts = 5;  // under contention (EBUSY)
constexpr char kProvider[] = "sev_guest";

absl::Status Failed(absl::string_view what) {
  return Deny(v1::DENY_REASON_ATTESTER_FAILED, absl::StrCat("configfs-tsm: ", what));
}

// What the kernel said, under the reason that callers know. Contention stays UNAVAILABLE inside this file.
absl::Status AsAttesterFailed(const absl::Status& status) {
  return status.ok() || DenyReasonOf(status) == v1::DENY_REASON_ATTESTER_FAILED
             ? status
             : Deny(v1::DENY_REASON_ATTESTER_FAILED, status.message());
}

// A report directory that is removed when this goes away. A directory left behind would keep its name; names are never
// used twice by one process.
class ReportDirectory {
 public:
  static absl::StatusOr<std::unique_ptr<ReportDirectory>> Make(TsmReports& tsm) {
    static std::atomic<std::uint64_t> counter{0};
    std::string name = absl::StrCat("twi-agent-", getpid(), "-", counter.fetch_add(1));
    absl::Status made = tsm.MakeReport(name);
    if (made.code() == absl::StatusCode::kAlreadyExists) {  // of an earlier process with our pid that was killed
      TWI_RETURN_IF_ERROR(tsm.RemoveReport(name));
      made = tsm.MakeReport(name);
    }
    TWI_RETURN_IF_ERROR(made);
    return std::unique_ptr<ReportDirectory>(new ReportDirectory(tsm, std::move(name)));
  }
  ~ReportDirectory() {
    tsm_.RemoveReport(name_).IgnoreError();
  }  // nothing depends on it: the kernel drops all of them at reboot

  absl::StatusOr<std::uint64_t> Generation() {
    TWI_ASSIGN_OR_RETURN(const std::string text, Text("generation"));
    std::uint64_t value = 0;
    if (!absl::SimpleAtoi(text, &value)) return Failed(absl::StrCat("generation is \"", text, "\", expected a number"));
    return value;
  }
  absl::StatusOr<std::string> Text(absl::string_view attribute) {
    TWI_ASSIGN_OR_RETURN(const std::string bytes, tsm_.Read(name_, attribute, kMaxAttribute));
    return std::string(absl::StripAsciiWhitespace(bytes));
  }
  absl::StatusOr<std::string> Read(absl::string_view attribute, std::size_t max) {
    return tsm_.Read(name_, attribute, max);
  }
  absl::Status Write(absl::string_view attribute, absl::string_view bytes) {
    return tsm_.Write(name_, attribute, bytes);
  }

 private:
  ReportDirectory(TsmReports& tsm, std::string name) : tsm_(tsm), name_(std::move(name)) {}
  TsmReports& tsm_;
  const std::string name_;
};

class SevSnpAttester final : public Attester {
 public:
  SevSnpAttester(std::uint32_t privlevel, std::vector<std::string> certificates, std::unique_ptr<TsmReports> tsm)
      : privlevel_(privlevel), certificates_(std::move(certificates)), tsm_(std::move(tsm)) {}

  absl::StatusOr<v1::Evidence> Attest(const v1::Binding& binding, absl::Duration limit) override {
    TWI_RETURN_IF_ERROR(ValidateBinding(binding));
    const std::string report_data = BindingValue64(binding);
    const std::unique_lock<std::timed_mutex> lock(mutex_, absl::ToChronoNanoseconds(limit));
    if (!lock.owns_lock()) return Failed("busy with another attestation");
    absl::StatusOr<v1::SnpEvidence> report = Request(report_data);
    for (int attempt = 1; attempt < kAttempts && report.status().code() == absl::StatusCode::kUnavailable; ++attempt) {
      tsm_->Pause();
      report = Request(report_data);
    }
    if (!report.ok()) return AsAttesterFailed(report.status());
    v1::Evidence evidence;
    *evidence.mutable_sev_snp() = *std::move(report);
    for (const std::string& certificate : certificates_) evidence.mutable_sev_snp()->add_certificates(certificate);
    return evidence;
  }

 private:
  absl::StatusOr<v1::SnpEvidence> Request(const std::string& report_data) {
    TWI_ASSIGN_OR_RETURN(const std::unique_ptr<ReportDirectory> report, ReportDirectory::Make(*tsm_));
    TWI_ASSIGN_OR_RETURN(const std::string provider, report->Text("provider"));
    if (provider != kProvider) return Failed(absl::StrCat("provider is \"", provider, "\", expected ", kProvider));
    TWI_ASSIGN_OR_RETURN(const std::uint64_t before, report->Generation());
    std::uint64_t writes = 1;
    if (privlevel_ != 0) {
      TWI_RETURN_IF_ERROR(report->Write("privlevel", absl::StrCat(privlevel_)));
      ++writes;
    }
    TWI_RETURN_IF_ERROR(report->Write("inblob", report_data));
    TWI_ASSIGN_OR_RETURN(std::string outblob, report->Read("outblob", kMaxOutblob));
    absl::StatusOr<std::string> auxblob = report->Read("auxblob", kMaxAuxblob);
    if (auxblob.status().code() == absl::StatusCode::kNotFound)
      auxblob = std::string();  // a kernel or host without a certificate table
    TWI_RETURN_IF_ERROR(auxblob.status());
    TWI_ASSIGN_OR_RETURN(const std::uint64_t after, report->Generation());
    if (after != before + writes)
      return absl::UnavailableError("configfs-tsm: generation shows somebody else's write to this report");
    if (outblob.size() != kReportSize)
      return Failed(absl::StrCat("outblob is ", outblob.size(), " bytes, expected a report of ", kReportSize));

    v1::SnpEvidence evidence;
    evidence.set_report(std::move(outblob));
    TWI_ASSIGN_OR_RETURN(std::vector<SnpCertTableEntry> table, ParseSnpCertTable(*auxblob));
    for (SnpCertTableEntry& entry : table) {
      if (!entry.what.empty()) evidence.add_certificates(std::move(entry.data));
    }
    return evidence;
  }

  const std::uint32_t privlevel_;
  const std::vector<std::string> certificates_;  // DER, from config
  std::timed_mutex mutex_;
  const std::unique_ptr<TsmReports> tsm_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Attester>> MakeSevSnpAttester(const config::v1::SevSnpAttester& config,
                                                             std::unique_ptr<TsmReports> tsm) {
  if (config.privlevel() > 3)
    return Deny(v1::DENY_REASON_CONFIG_INVALID,
                absl::StrCat("attester.sev_snp.privlevel: ", config.privlevel(), ", expected 0..3"));
  std::vector<std::string> certificates;
  for (const std::string& path : config.certificate_files()) {
    TWI_ASSIGN_OR_RETURN(const std::string bytes, config::ReadFile(path, {}));
    auto parsed = crypto::ParseCertificates(bytes);
    if (!parsed.ok()) return Deny(v1::DENY_REASON_CONFIG_INVALID, absl::StrCat(path, ": ", parsed.status().message()));
    for (crypto::Certificate& certificate : *parsed) certificates.push_back(std::move(certificate.der));
  }
  return std::unique_ptr<Attester>(
      std::make_unique<SevSnpAttester>(config.privlevel(), std::move(certificates), std::move(tsm)));
}

}  // namespace twi::agent
