// What an unmodified workload does through its agent's tunnels: plaintext over a Unix socket, one line each way.
#ifndef TWI_INTEGRATION_TESTS_CONTAINERS_PLAIN_GREETING_H_
#define TWI_INTEGRATION_TESTS_CONTAINERS_PLAIN_GREETING_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace twi::containers {

// Answers each line "NAME" with "hello NAME" until it is destroyed, one caller at a time.
class PlainGreetings {
 public:
  // `path`: a socket that is there already is replaced.
  static absl::StatusOr<std::unique_ptr<PlainGreetings>> Start(const std::string& path);
  ~PlainGreetings();

 private:
  explicit PlainGreetings(int listener);
  void Serve() const;

  const int listener_;
  std::thread thread_;
};

// Says "NAME" and expects "hello NAME", within two seconds.
absl::Status GreetPlainly(const std::string& path, const std::string& name);

}  // namespace twi::containers

#endif  // TWI_INTEGRATION_TESTS_CONTAINERS_PLAIN_GREETING_H_
