// A bare TLS connection for tests, for what the libraries' clients cannot be made to do (TLS 1.2; any bytes, as slowly
// as a test likes), and how the other side ended it. Tests only; OpenSSL inside.
#ifndef TWI_COMMON_TESTING_RAW_TLS_H_
#define TWI_COMMON_TESTING_RAW_TLS_H_

#include <memory>
#include <string>

namespace twi::testing {

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
  std::string version() const;                    // "TLSv1.3"
  std::string server_certificate_sha256() const;  // hex
  bool Write(const std::string& bytes);
  // What comes next; empty at the end of the stream, and after 10 s without a byte.
  std::string Read();
  // What comes until the end of the stream, or (an HTTP response with Content-Length) until its body is complete.
  std::string ReadResponse();
  // Whether something has come that was not read yet. Does not wait.
  bool HasInput() const;
  // True when the other side has ended the connection (all it sent is read away). Waits, at most 10 s.
  bool AwaitClosed();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace twi::testing

#endif  // TWI_COMMON_TESTING_RAW_TLS_H_
