#include "common/server/daemon.h"
#include "services/key_store/key_store_daemon.h"

int main(int argc, char** argv) { return twi::server::RunDaemon(argc, argv, twi::key_store::KeyStoreSpec()); }
