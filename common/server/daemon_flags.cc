#include "common/server/daemon_flags.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace twi::server {

absl::StatusOr<DaemonFlags> ParseDaemonFlags(int argc, const char* const* argv) {
  DaemonFlags flags;
  const auto usage = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    const std::size_t equals = argument.find('=');
    const absl::string_view name = argument.substr(0, equals);
    std::string* text = name == "--config" ? &flags.config : name == "--port-file" ? &flags.port_file : nullptr;
    if (text != nullptr) {
      if (!text->empty()) return usage(absl::StrCat(name, " given twice"));
      if (equals != absl::string_view::npos) {
        *text = std::string(argument.substr(equals + 1));
      } else if (++i < argc) {
        *text = argv[i];
      }
      if (text->empty()) return usage(absl::StrCat(name, " needs a value"));
      continue;
    }
    if (name == "--probe") {
      if (!flags.probe.empty()) return usage("--probe given twice");
      const bool next_is_value =
          equals == absl::string_view::npos && i + 1 < argc && !absl::StartsWith(argv[i + 1], "-");
      flags.probe = equals != absl::string_view::npos ? std::string(argument.substr(equals + 1))
                    : next_is_value                   ? argv[++i]
                                                      : "ready";
      if (flags.probe != "live" && flags.probe != "ready" && flags.probe != "started")
        return usage(absl::StrCat("--probe: expected live, ready or started, got \"", flags.probe, "\""));
      continue;
    }
    bool* flag = argument == "--check-config" ? &flags.check_config
                 : argument == "--help"       ? &flags.help
                 : argument == "--version"    ? &flags.version
                                              : nullptr;
    if (flag == nullptr) return usage(absl::StrCat("unknown argument ", argument));
    if (*flag) return usage(absl::StrCat(argument, " given twice"));
    *flag = true;
  }
  if (flags.check_config && !flags.probe.empty()) return usage("--check-config and --probe: expected one of them");
  if (flags.config.empty() && !flags.help && !flags.version) return usage("--config FILE is required");
  return flags;
}

std::string DaemonHelp(const std::string& name, const std::string& summary) {
  return absl::StrCat(
      name, ": ", summary, "\n\nusage: ", name,
      " --config FILE [--check-config | --probe [live|ready|started]] [--port-file FILE]\n",
      "  --config FILE     the configuration (YAML); group and others must not be able to write to it\n"
      "  --check-config    read and check it, and whatever it names, then stop: 0 good, 2 not\n"
      "  --probe QUESTION  ask the running daemon of this config how it is: live, ready (default) or started; says "
      "one\n"
      "                    line and ends with 0 or 1\n"
      "  --port-file FILE  write the port to FILE when listening; with --probe: where to find it when listen has port "
      "0\n"
      "  --help, --version\n"
      "signals: SIGTERM and SIGINT finish what is in flight and stop; SIGHUP reads the configuration anew\n"
      "exit: 0 stopped in good order; 1 could not start; 2 usage or configuration\n");
}

}  // namespace twi::server
