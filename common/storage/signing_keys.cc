#include "common/storage/signing_keys.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/log/fields.h"
#include "common/log/log.h"
#include "common/status/deny.h"
#include "common/status/status_macros.h"
#include "common/storage/rotation.h"

namespace twi::storage {

const char kSigningKeysSchema[] =
    "CREATE TABLE signing_keys("
    "purpose TEXT NOT NULL, kid TEXT NOT NULL, created_unix_ms INTEGER NOT NULL, retired_unix_ms INTEGER, sealed_pkcs8 "
    "BLOB NOT NULL,"
    "PRIMARY KEY (purpose, kid)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys(purpose) WHERE retired_unix_ms IS NULL;";

namespace {

using ActiveKey = std::shared_ptr<const SigningKeys::Active>;

constexpr std::size_t kMaxRetired = 31;  // A JWKS of ours holds 32 keys (common/jose/jwk.h).
constexpr absl::Duration kRetryAfter = absl::Minutes(1);

struct Row {
  std::string kid, sealed_pkcs8;
  long long created_ms = 0;
  std::optional<long long> retired_ms;
};

struct Retired {
  std::string kid;
  crypto::PublicKey key;
  absl::Time at;
};

std::string ContextOf(absl::string_view purpose, absl::string_view kid) {
  return absl::StrCat("signing-key/", purpose, "/", kid);
}

absl::StatusOr<std::vector<Row>> ReadRows(Database& database, const std::string& purpose) {
  std::vector<Row> rows;
  TWI_RETURN_IF_ERROR(database.Read([&](Session& s) {
    Row row;
    long long retired_ms = 0;
    soci::indicator retired = soci::i_null;
    s.Rows(
        "SELECT kid, created_unix_ms, retired_unix_ms, sealed_pkcs8 FROM signing_keys WHERE purpose = ?",
        [&] {
          row.retired_ms = retired == soci::i_null ? std::nullopt : std::make_optional(retired_ms);
          rows.push_back(row);
        },
        soci::into(row.kid), soci::into(row.created_ms), soci::into(retired_ms, retired), soci::into(row.sealed_pkcs8),
        soci::use(purpose));
    return absl::OkStatus();
  }));
  return rows;
}

absl::StatusOr<crypto::PrivateKey> OpenKey(const Sealer& sealer, const std::string& purpose, const Row& row) {
  const std::string context = ContextOf(purpose, row.kid);
  absl::StatusOr<SecretBytes> pkcs8 = sealer.Open(context, row.sealed_pkcs8);
  if (!pkcs8.ok()) {
    return WithContext(pkcs8.status(), absl::StrCat(context,
                                                    ": the file of storage.root_key_file is not the root key "
                                                    "that this database was sealed under, or it was changed"));
  }
  absl::StatusOr<crypto::PrivateKey> key = crypto::PrivateKey::FromPkcs8(*pkcs8);
  if (!key.ok()) return WithContext(key.status(), context);
  if (jose::Thumbprint(key->public_key()) != row.kid) {
    return Deny(v1::DENY_REASON_KEY_MALFORMED, absl::StrCat(context, ": is another key"));
  }
  return *std::move(key);
}

class StoredSigningKeys final : public SigningKeys {
 public:
  StoredSigningKeys(Database& database, const Sealer& sealer, crypto::Random& random, absl::string_view purpose,
                    RotationPolicy policy)
      : database_(database), sealer_(sealer), random_(random), purpose_(purpose), policy_(policy) {}

  absl::Status Start(absl::Time now) {
    TWI_ASSIGN_OR_RETURN(const std::vector<Row> rows, ReadRows(database_, purpose_));
    for (const Row& row : rows) {
      TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, OpenKey(sealer_, purpose_, row));
      if (row.retired_ms.has_value()) {
        retired_.push_back({row.kid, key.public_key(), absl::FromUnixMillis(*row.retired_ms)});
      } else {
        current_ = std::make_shared<const Active>(Active{row.kid, std::move(key)});
        created_ = absl::FromUnixMillis(row.created_ms);
      }
    }
    std::sort(retired_.begin(), retired_.end(), [](const Retired& a, const Retired& b) { return a.at > b.at; });
    if (current_ == nullptr) return Rotate(now);
    (void)Current(now);  // Rotates when it is due; the key itself is not wanted here.
    return absl::OkStatus();
  }

  ActiveKey Current(absl::Time now) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!WorkDue(now)) return current_;
    }
    // One thread does the work; the others sign with the old key meanwhile.
    if (std::unique_lock<std::mutex> working(work_mutex_, std::try_to_lock); working.owns_lock()) Work(now);
    std::lock_guard<std::mutex> lock(mutex_);
    return current_;
  }

  jose::JwkSet Published(absl::Time now) override {
    std::lock_guard<std::mutex> lock(mutex_);
    const crypto::PublicKey& key = current_->key.public_key();
    jose::JwkSet set;
    set.keys.push_back({current_->kid, jose::JwsAlgFor(key.type()), "sig", key});
    for (const Retired& old : retired_) {
      if (!Expired(old, now)) set.keys.push_back({old.kid, jose::JwsAlgFor(old.key.type()), "sig", old.key});
    }
    return set;
  }

  absl::Status StillStored(absl::Time now) override {
    const std::string kid = Current(now)->kid;
    return database_.Read([&](Session& s) {
      long long found = 0;  // also a row that is retired by now: the rotation is in between
      s.Row("SELECT count(*) FROM signing_keys WHERE purpose = ? AND kid = ?", soci::into(found), soci::use(purpose_),
            soci::use(kid));
      if (found == 1) return absl::OkStatus();
      return Deny(v1::DENY_REASON_KEY_UNKNOWN,
                  absl::StrCat("the signing key ", ContextOf(purpose_, kid), " is not in the store any more"));
    });
  }

  absl::Status Rotate(absl::Time now) override {
    std::lock_guard<std::mutex> working(work_mutex_);
    return RotateUnderWork(now);
  }

 private:
  bool Expired(const Retired& old, absl::Time now) const { return old.at + policy_.overlap <= now; }
  // mutex_ is held. A clock that was set back must not stop the retries for long: only a minute from the last attempt
  // counts, in either direction.
  bool WorkDue(absl::Time now) const {
    if (absl::AbsDuration(now - last_failure_) < kRetryAfter) return false;
    return RotationDue(now) ||
           std::any_of(retired_.begin(), retired_.end(), [&](const Retired& old) { return Expired(old, now); });
  }
  bool RotationDue(absl::Time now) const { return now - created_ >= policy_.rotate_after; }

  // work_mutex_ is held. Another thread may have done the work between the caller's look and its lock.
  void Work(absl::Time now) {
    bool rotate = false, due = false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      due = WorkDue(now);
      rotate = RotationDue(now);
    }
    if (!due) return;
    const absl::Status done = rotate ? RotateUnderWork(now) : DeleteExpired(now);
    if (done.ok()) return;
    log::Error("signing_key_rotation_failed",
               {{log::fields::kReason, DenyReasonName(DenyReasonOf(done))},
                {log::fields::kDetail, absl::StrCat(purpose_, ": ", std::string(done.message()))}});
    std::lock_guard<std::mutex> lock(mutex_);
    last_failure_ = now;
  }

  static void Delete(Session& s, const std::string& purpose, long long retired_before_ms) {
    s.Change("DELETE FROM signing_keys WHERE purpose = ? AND retired_unix_ms <= ?", soci::use(purpose),
             soci::use(retired_before_ms));
  }

  // mutex_ is held.
  void ForgetExpired(absl::Time now) {
    retired_.erase(
        std::remove_if(retired_.begin(), retired_.end(), [&](const Retired& old) { return Expired(old, now); }),
        retired_.end());
  }

  absl::Status DeleteExpired(absl::Time now) {
    const long long before_ms = absl::ToUnixMillis(now - policy_.overlap);
    TWI_RETURN_IF_ERROR(database_.Write([&](Session& s) {
      Delete(s, purpose_, before_ms);
      return absl::OkStatus();
    }));
    std::lock_guard<std::mutex> lock(mutex_);
    ForgetExpired(now);
    return absl::OkStatus();
  }

  // The new key signs only after it is on disk: a restart never meets a signature of a key that it does not have.
  absl::Status RotateUnderWork(absl::Time now) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto published =
          std::count_if(retired_.begin(), retired_.end(), [&](const Retired& old) { return !Expired(old, now); });
      if (published >= static_cast<std::ptrdiff_t>(kMaxRetired)) {
        return Deny(v1::DENY_REASON_OVERLOADED,
                    absl::StrCat(purpose_, ": ", published, " older keys are still published"));
      }
    }
    TWI_ASSIGN_OR_RETURN(crypto::PrivateKey key, crypto::PrivateKey::Generate(crypto::KeyType::kP256));
    const std::string kid = jose::Thumbprint(key.public_key());
    TWI_ASSIGN_OR_RETURN(const std::string sealed, sealer_.Seal(ContextOf(purpose_, kid), key.ToPkcs8(), random_));
    const long long now_ms = absl::ToUnixMillis(now), before_ms = absl::ToUnixMillis(now - policy_.overlap);
    TWI_RETURN_IF_ERROR(database_.Write([&](Session& s) {
      s.Change("UPDATE signing_keys SET retired_unix_ms = ? WHERE purpose = ? AND retired_unix_ms IS NULL",
               soci::use(now_ms), soci::use(purpose_));
      Delete(s, purpose_, before_ms);
      s.Change("INSERT INTO signing_keys VALUES (?, ?, ?, NULL, CAST(? AS BLOB))", soci::use(purpose_), soci::use(kid),
               soci::use(now_ms), soci::use(sealed));
      return absl::OkStatus();
    }));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ForgetExpired(now);
      const absl::Time stored_now = absl::FromUnixMillis(now_ms);
      if (current_ != nullptr)
        retired_.insert(retired_.begin(), {current_->kid, current_->key.public_key(), stored_now});
      current_ = std::make_shared<const Active>(Active{kid, std::move(key)});
      created_ = stored_now;
    }
    log::Info("signing_key_rotated", {{log::fields::kKid, kid}, {log::fields::kDetail, purpose_}});
    return absl::OkStatus();
  }

  Database& database_;
  const Sealer& sealer_;
  crypto::Random& random_;
  const std::string purpose_;
  const RotationPolicy policy_;

  std::mutex work_mutex_;  // Held while a key is made or deleted; taken before mutex_.
  std::mutex mutex_;       // Guards what follows; never held over the database.
  ActiveKey current_;
  absl::Time created_;
  std::vector<Retired> retired_;  // Latest first.
  absl::Time last_failure_ = absl::InfinitePast();
};

}  // namespace

absl::StatusOr<std::unique_ptr<SigningKeys>> SigningKeys::Load(Database& database, const Sealer& sealer,
                                                               crypto::Random& random, absl::string_view purpose,
                                                               const config::v1::SigningKeys& config, absl::Time now) {
  if (purpose.empty()) return Deny(v1::DENY_REASON_INTERNAL, "signing keys without a purpose");
  TWI_RETURN_IF_ERROR(CheckSigningKeys(config, "signing keys"));
  auto keys = std::make_unique<StoredSigningKeys>(database, sealer, random, purpose, RotationOf(config));
  TWI_RETURN_IF_ERROR(keys->Start(now));
  return std::unique_ptr<SigningKeys>(std::move(keys));
}

}  // namespace twi::storage
