// A bare TLS connection for tests: sends any bytes, as slowly as a test likes, and says how the other side ended it.
#ifndef TWI_COMMON_HTTP_RAW_TLS_H_
#define TWI_COMMON_HTTP_RAW_TLS_H_

#include <memory>
#include <string>

namespace twi::http {

class RawTls {
 public:
  struct Options {
    std::string certificate_pem, key_pem;  // of the client; none when empty
    bool tls12 = false;
    std::string alpn;     // one protocol name; not offered when empty
    bool silent = false;  // connects, and never says a word
  };
  // To 127.0.0.1:port; accepts any server certificate. Not connected: handshake_done() is false.
  RawTls(int port, const Options& options);
  ~RawTls();
  RawTls(RawTls&&) noexcept;

  bool handshake_done() const;
  std::string server_certificate_sha256() const;  // hex
  bool Write(const std::string& bytes);
  // What comes until the end of the stream, or (a response with Content-Length) until its body is complete.
  std::string ReadResponse();
  // Whether something has come that was not read yet. Does not wait.
  bool HasInput() const;
  // True when the other side has ended the connection (all it sent is read away). Waits, at most 10 s.
  bool AwaitClosed();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace twi::http

#endif  // TWI_COMMON_HTTP_RAW_TLS_H_
