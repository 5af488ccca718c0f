#include "services/twictl/run_command.h"

#include "services/twictl/connection.h"
#include "services/twictl/printable.h"

namespace twi::twictl {

FlagSpec OutputFlag() { return {"--output", "text|json", "default text"}; }
FlagSpec HelpFlag() { return {"--help", "", "this text"}; }

int RunFramed(const CommandFrame& frame, const Args& args) {
  for (const std::string& word : args.words) {
    if (word != "--help") continue;
    args.out << Usage(frame.name, frame.summary, frame.specs);
    return kExitDone;
  }
  const absl::StatusOr<Flags> flags = Flags::Parse(frame.specs, args.words, frame.max_positional);
  const absl::StatusOr<bool> as_json = flags.ok() ? WantsJson(*flags) : flags.status();
  if (!as_json.ok()) {
    args.err << "twictl " << frame.name << ": " << std::string(as_json.status().message()) << "\n\n"
             << Usage(frame.name, frame.summary, frame.specs);
    return kExitUsage;
  }
  const absl::StatusOr<Shown> shown = frame.run(*flags);
  if (!shown.ok()) return ShowRefusal(args, frame.name, *as_json, shown.status());
  // ASCII, so that the JSON is safe on a terminal too.
  args.out << (*as_json ? shown->json.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"
                        : PrintableLines(shown->text));
  args.out.flush();
  return args.out ? shown->exit_code : kExitRefused;  // what could not be shown is not done
}

}  // namespace twi::twictl
