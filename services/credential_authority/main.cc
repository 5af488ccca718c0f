#include "common/server/daemon.h"
#include "services/credential_authority/credential_authority_daemon.h"

int main(int argc, char** argv) {
  return twi::server::RunDaemon(argc, argv, twi::credential_authority::CredentialAuthoritySpec());
}
