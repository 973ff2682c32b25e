// Answers requests over HTTP: `serve --port 8080`, then `curl --data-binary @photo.jpg
// 'http://127.0.0.1:8080/v1/ground?task=ground-multi&phrase=red+car'`.

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "cli/model_flags.hpp"
#include "cli/report.hpp"
#include "cli/run_main.hpp"
#include "cli/stop_signals.hpp"
#include "serve/ground_request.hpp"
#include "serve/pending_answer.hpp"

namespace la::cli {
namespace {

struct ServeFlags {
  ModelFlags model;
  std::string host = "127.0.0.1", api_key;
  int port = 8080, connections = 64, batch_size = 8, queue = 64, timeout = 120;
  i64 max_body = 32, max_pixels = 40;

  void add_to(Flags& flags) {
    flags.text("--host", "ADDRESS", "where it listens [127.0.0.1: this machine alone]", host);
    flags.number<int>("--port", "0: any that is free [8080]", port, 0, 65535);
    flags.text("--api-key", "KEY", "refuse who does not send `Authorization: Bearer KEY` [$LA_API_KEY, none]",
               api_key);
    flags.number<int>("--connections", "that are served at once [64]", connections, 1, 4096);
    flags.number<int>("--batch-size", "requests that run at once [8]", batch_size, 1, 4096);
    flags.number<int>("--queue", "requests that may wait for their turn [64]", queue, 1, 1 << 20);
    flags.number<i64>("--max-body", "largest request, in MB [32]", max_body, 1, 1 << 12);
    flags.number<i64>("--max-pixels", "largest picture, in megapixels [40]", max_pixels, 1, 1 << 10);
    flags.number<int>("--timeout", "seconds that an answer may take [120]", timeout, 1, 1 << 20);
    model.add_to(flags);
  }

  std::string key() const {
    const char* from_environment = std::getenv("LA_API_KEY");
    return !api_key.empty() ? api_key : from_environment ? from_environment : "";
  }
};

/// In a time that tells nothing of where the texts differ.
bool same_secret(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(secret[secret.empty() ? 0 : i % secret.size()]);
  return difference == 0;
}

void refuse(httplib::Response& response, int status, const std::string& why) {
  response.status = status;
  if (status == 429 || status == 503) response.set_header("Retry-After", "1");
  response.set_content("{\"error\":" + json_quote(why) + "}\n", "application/json");
}

class GroundServer {
 public:
  GroundServer(const ServeFlags& flags, Session& session)
      : flags_(flags), key_(flags.key()), session_(session), queue_(std::size_t(flags.queue)) {
    defaults_.flags = flags.model;
    http_.new_task_queue = [this] { return new httplib::ThreadPool(std::size_t(flags_.connections)); };
    http_.set_payload_max_length(std::size_t(flags.max_body) * 1'000'000);
    http_.set_socket_options([](int socket) {  // not SO_REUSEPORT: a second server is an error
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    http_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return admit(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                      : httplib::Server::HandlerResponse::Handled;
    });
    http_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty())
        refuse(response, response.status,
               response.status == 413   ? "the request is larger than --max-body"
               : response.status == 404 ? "expected POST /v1/ground, GET /healthz or GET /readyz"
                                        : "the request could not be read");
    });
    for (const char* path : {"/healthz", "/readyz"})
      http_.Get(path, [](const httplib::Request&, httplib::Response& response) {
        response.set_content("ok\n", "text/plain");
      });
    http_.Post("/v1/ground", [this](const httplib::Request& request, httplib::Response& response) {
      guarded(response, [&] { ground(request, response); });
    });
  }

  /// Until a stop is asked for; what is under way is answered.
  void run(const StopToken& stop) {
    const int port = flags_.port > 0
                         ? (http_.bind_to_port(flags_.host.c_str(), flags_.port) ? flags_.port : -1)
                         : http_.bind_to_any_port(flags_.host.c_str());
    require(port > 0, flags_.host, ":", flags_.port, ": could not be listened on");
    BatchOptions options;
    options.batch_size = flags_.batch_size;
    std::thread answering([&] { session_.answer(queue_, options); });
    std::atomic<bool> ended = false;
    std::thread watching([&] {
      while (!ended && !stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      queue_.close();
      // Stopping cuts streams, so it waits for them.
      while (under_way_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      http_.stop();
    });
    std::cerr << "listening on http://" << flags_.host << ":" << port << std::endl;
    http_.listen_after_bind();
    ended = true;
    watching.join();
    queue_.close();
    answering.join();
    require(stop.stop_requested(), flags_.host, ":", port, ": could not be listened on any longer");
  }

 private:
  /// error: told to who asked, as all that goes wrong with a request
  template <class Handle>
  static void guarded(httplib::Response& response, const Handle& handle) {
    try {
      handle();
    } catch (const Error& error) {
      refuse(response, error.kind() == ErrorKind::usage ? 400 : 500, error.what());
    } catch (const std::bad_alloc&) {
      refuse(response, 503, "out of memory");
    } catch (const std::exception& error) {
      refuse(response, 500, error.what());
    }
  }

  bool admit(const httplib::Request& request, httplib::Response& response) const {
    if (key_.empty() || request.path == "/healthz" || request.path == "/readyz") return true;
    if (same_secret(request.get_header_value("Authorization"), "Bearer " + key_)) return true;
    response.set_header("WWW-Authenticate", "Bearer");
    refuse(response, 401, "expected the header Authorization: Bearer KEY");
    return false;
  }

  /// What an answer is told with.
  struct Asked {
    Asked(EncodedImage encoded, Mode how, std::chrono::steady_clock::time_point deadline,
          std::atomic<int>& count)
        : image(std::move(encoded)), mode(how), pending(deadline), under_way(count) {
      ++under_way;
    }
    Asked(const Asked&) = delete;
    ~Asked() { --under_way; }

    std::string name = "image";
    EncodedImage image;
    Mode mode;
    PendingAnswer pending;
    std::atomic<int>& under_way;
  };

  std::string answer_json(const Asked& asked, const Result& result) const {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    print_json({asked.name, asked.image, session_, isa_, asked.mode, 0}, result, out);
    return out.str();
  }

  void ground(const httplib::Request& http, httplib::Response& response) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(flags_.timeout);
    GroundRequest read = read_ground_request(http, defaults_, flags_.max_pixels * 1'000'000);
    const auto full = [&] { refuse(response, 429, "too many requests wait; see --queue"); };
    if (queue_.waiting() >= std::size_t(flags_.queue)) return full();  // before the work of encoding
    const auto asked = std::make_shared<Asked>(session_.encode(read.image, read.line.max_side),
                                               read.line.ask.generation.mode, deadline, under_way_);
    Request request;
    if (read.line.ask.tile.side > 0)
      request.images.emplace_back(std::move(read.image));
    else
      request.images.emplace_back(asked->image);
    request.question = read.line.question;
    request.categories = read.line.categories;
    request.options = read.line.ask;
    request.max_side = read.line.max_side;
    request.options.stop = asked->pending.token();
    request.options.on_item = [asked](const Item& item) { asked->pending.found(item); };
    const LiveQueue::Pushed pushed = queue_.push(
        std::move(request), [asked](Result&& result) { asked->pending.ended(std::move(result)); },
        http.remote_addr);
    if (pushed == LiveQueue::Pushed::full) return full();
    if (pushed == LiveQueue::Pushed::closed) return refuse(response, 503, "this server is about to end");
    if (http.get_header_value("Accept").find("text/event-stream") != std::string::npos)
      stream(asked, response);
    else
      whole(*asked, response);
  }

  void whole(Asked& asked, httplib::Response& response) const {
    for (;;) {
      const auto news = asked.pending.wait_a_moment();
      if (!news.result) continue;
      if (asked.pending.late()) return refuse(response, 503, "the answer took longer than --timeout");
      if (!news.result->ok())
        return refuse(response, news.result->error_kind == ErrorKind::usage ? 400 : 500, news.result->error);
      return response.set_content(answer_json(asked, *news.result), "application/json");
    }
  }

  /// Events "item", each as soon as it is decoded, then "answer" or "error". Who goes away ends its request.
  void stream(const std::shared_ptr<Asked>& asked, httplib::Response& response) const {
    response.set_header("Cache-Control", "no-store");
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, asked](std::size_t, httplib::DataSink& sink) {
          const auto news = asked->pending.wait_a_moment();
          std::string events;
          for (const Item& item : news.items) events += "event: item\ndata: " + json_item(item) + "\n\n";
          if (news.result && asked->pending.late())
            events += "event: error\ndata: {\"error\":\"the answer took longer than --timeout\"}\n\n";
          else if (news.result && !news.result->ok())
            events += "event: error\ndata: {\"error\":" + json_quote(news.result->error) + "}\n\n";
          else if (news.result)
            events += "event: answer\ndata: " + answer_json(*asked, *news.result) + "\n";
          if (!sink.is_writable() || (!events.empty() && !sink.write(events.data(), events.size())))
            return false;
          if (news.result) sink.done();
          return true;
        },
        [asked](bool) { asked->pending.stop(); });
  }

  const ServeFlags& flags_;
  const std::string key_;
  Session& session_;
  const std::string isa_{session_.ops().isa()};
  LineDefaults defaults_;
  std::atomic<int> under_way_ = 0;
  LiveQueue queue_;
  httplib::Server http_;
};

void run(int argc, char** argv) {
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
           "GET /healthz, /readyz. SIGTERM: what is under way is answered, then it ends.\n";
    return check_written(std::cout);
  }
  if (flags.model.version) {
    std::cout << "serve (la) " << LA_VERSION << "\n";
    return check_written(std::cout);
  }
  if (flags.model.dry || flags.model.check || flags.model.warmup)
    fail_usage("--dry, --check, --warmup: expected of ground, found of serve");
  const StopSignals signals;
  Session session = Session::open(flags.model.directory(), flags.model.session_options());
  for (const std::string& warning : session.warnings()) std::cerr << "warning: " << warning << "\n";
  print_device(flags.model, session, std::cerr);
  GroundServer(flags, session).run(signals.token());
}

}  // namespace
}  // namespace la::cli

int main(int argc, char** argv) {
  const la::TruncationGuard guard;
  return la::cli::run_main("serve", [&] { return la::cli::run(argc, argv); });
}
