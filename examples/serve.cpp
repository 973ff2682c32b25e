// Answers requests over HTTP: `serve --port 8080`, then `curl --data-binary @photo.jpg
// 'http://127.0.0.1:8080/v1/ground?task=ground-multi&phrase=red+car'`.

#include <iostream>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "cli/run_main.hpp"
#include "cli/stop_signals.hpp"
#include "serve/ground_server.hpp"

namespace la::cli {
namespace {

void run(int argc, char** argv) {
#if defined(__GLIBC__)
  // An arena for each connection's thread would keep what it once needed: a third of all memory under load, and growing.
  ::mallopt(M_ARENA_MAX, 2);
#endif
  ServeFlags flags;
  Flags parser;
  flags.add_to(parser);
  parser.parse(argc, argv);
  if (flags.model.help) {
    std::cout
        << "serve: answers requests over HTTP\n\n"
        << parser.help()
        << "\nPOST /v1/ground: the body is a JSON object, a line of batch whose image is a data: URI; or a\n"
           "form with a file `image`; or the picture, with the fields in the address. The answer is the\n"
           "object that `ground --json` prints; with `Accept: text/event-stream`, items as they come.\n"
           "POST /v1/chat/completions, GET /v1/models: as OpenAI's. POST /v1/detection: as LocalAI's.\n"
           "POST /v1/vision/detection: as DeepStack's. GET /openapi.json describes them all.\n"
           "GET /healthz, /readyz, /metrics. SIGTERM: what is under way is answered, then it ends.\n";
    return check_written(std::cout);
  }
  if (flags.model.version) {
    std::cout << "serve (la) " << LA_VERSION << "\n";
    return check_written(std::cout);
  }
  if (flags.model.dry || flags.model.check || flags.model.warmup)
    fail_usage("--dry, --check, --warmup: expected of ground, found of serve");
  if (!flags.categories.empty()) detect_categories(flags.categories);  // an error now, not with each request
  const StopSignals signals;
  const std::string directory = flags.model.directory();
  Session session = Session::open(directory, flags.model.session_options());
  for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
  print_device(flags.model, session, std::cerr);
  GroundServer(flags, directory, session).run(signals.token());
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("serve", [&] { return la::cli::run(argc, argv); });
}
