// Every RPC of every daemon, from the services' own descriptors: a new RPC is in the tests that walk them all by being
// there.
#ifndef TWI_INTEGRATION_TESTS_RPCS_H_
#define TWI_INTEGRATION_TESTS_RPCS_H_

#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "integration_tests/deployment.h"

namespace twi::integration {

struct Rpc {
  std::string daemon;  // kVerifier
  std::string method;  // "Appraise"
  std::string path;    // "/twi.v1.Verifier/Appraise"
};

constexpr char kAgent[] = "workload_agent";

inline void AddRpcs(const std::string& daemon, const std::string& name, std::vector<Rpc>& rpcs) {
  const google::protobuf::ServiceDescriptor* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
  EXPECT_NE(service, nullptr) << name;
  for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
    const std::string method = service->method(i)->name();
    rpcs.push_back({daemon, method, "/" + name + "/" + method});
  }
}

// Of the daemons that are called over the network.
inline std::vector<Rpc> AllRpcs() {
  const std::pair<const char*, const char*> services[] = {{kVerifier, "twi.v1.Verifier"},
                                                          {kClaimsMapper, "twi.v1.ClaimsMapper"},
                                                          {kCredentialAuthority, "twi.v1.CredentialAuthority"},
                                                          {kKeyStore, "twi.v1.KeyStore"}};
  std::vector<Rpc> rpcs;
  for (const auto& [daemon, name] : services) AddRpcs(daemon, name, rpcs);
  return rpcs;
}

// Of the agent, on its Unix socket.
inline std::vector<Rpc> AgentRpcs() {
  std::vector<Rpc> rpcs;
  AddRpcs(kAgent, "twi.v1.WorkloadAgent", rpcs);
  return rpcs;
}

}  // namespace twi::integration

#endif  // TWI_INTEGRATION_TESTS_RPCS_H_
