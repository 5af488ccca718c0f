#include "common/server/daemon.h"
#include "services/claims_mapper/claims_mapper_daemon.h"

int main(int argc, char** argv) { return twi::server::RunDaemon(argc, argv, twi::claims_mapper::ClaimsMapperSpec()); }
