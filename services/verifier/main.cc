#include "common/server/daemon.h"
#include "services/verifier/verifier_daemon.h"

int main(int argc, char** argv) { return twi::server::RunDaemon(argc, argv, twi::verifier::VerifierSpec()); }
