// One HTTPS connection: TLS handshake, then requests one after the other until somebody ends it.
#ifndef TWI_COMMON_HTTP_CONNECTION_H_
#define TWI_COMMON_HTTP_CONNECTION_H_

#include <functional>
#include <memory>

#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/thread_pool.hpp"
#include "common/http/admission.h"
#include "openssl/ssl.h"

namespace twi::http {

// Thread-safe.
class Connection {
 public:
  virtual ~Connection() = default;
  // Ends it when it is idle, else after the answer in progress.
  virtual void Drain() = 0;
  // Ends it now.
  virtual void Cut() = 0;
};

// `socket`'s executor is a strand of its own. `admission` and `workers` outlive the connection; `on_end` is called
// once, when nothing of it runs any more.
std::shared_ptr<Connection> StartConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<SSL_CTX> tls,
                                            Admission& admission, boost::asio::thread_pool& workers,
                                            std::function<void()> on_end);

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_CONNECTION_H_
