#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../cli/model_identity.hpp"
#include "../cli/report.hpp"
#include "chat.hpp"
#include "connection.hpp"
#include "detection.hpp"
#include "ground_request.hpp"
#include "metrics.hpp"
#include "openapi.hpp"
#include "pending_answer.hpp"
#include "refusal.hpp"
#include "serve_flags.hpp"
#include "web_page.hpp"

namespace la::cli {

/// In a time that tells nothing of where the texts differ.
inline bool same_secret(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(secret[secret.empty() ? 0 : i % secret.size()]);
  return difference == 0;
}

/// One session, asked over HTTP; all requests run in one batch.
class GroundServer {
 public:
  GroundServer(const ServeFlags& flags, const std::string& directory, Session& session)
      : flags_(flags),
        key_(flags.key()),
        model_(model_name(directory).name),
        model_json_(model_json(directory, session.weight_format())),
        session_(session),
        images_(flags.max_pixels * 1'000'000, std::size_t(flags.kept_pictures) * 1'000'000),
        queue_(std::size_t(flags.queue)),
        http_({.max_body = std::size_t(flags.max_body) * 1'000'000,
               .arrival = std::chrono::seconds(flags.arrival),
               .places = flags.connections}) {
    defaults_.flags = flags.model;
    defaults_.echo = false;
    httplib::Headers always{{"X-Content-Type-Options", "nosniff"}};
    if (!flags.cors.empty()) {
      always.emplace("Access-Control-Allow-Origin", flags.cors);
      if (flags.cors != "*") always.emplace("Vary", "Origin");
    }
    http_.set_default_headers(always);
    http_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return admit(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                      : httplib::Server::HandlerResponse::Handled;
    });
    http_.set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty()) explain(request, response);
    });
    http_.set_logger([this](const httplib::Request& request, const httplib::Response& response) {
      const std::chrono::duration<double> taken = Connection::Clock::now() - Connection::current().began();
      metrics_.responded(known(request.path) ? request.path : "other", response.status, taken.count());
    });
    add_routes();
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
      while (!ended && !stop.stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        http_.relieve();
      }
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
  using HttpRequest = httplib::Request;
  using Response = httplib::Response;

  /// What an answer is told with.
  struct Asked {
    Asked(Connection::Clock::time_point deadline, std::atomic<int>& count)
        : pending(deadline), under_way(count) {
      ++under_way;
    }
    Asked(const Asked&) = delete;
    ~Asked() { --under_way; }

    std::string name = "image";
    EncodedImage image;  ///< the first
    Mode mode = Mode::hybrid;
    PendingAnswer pending;
    std::atomic<int>& under_way;
  };

  // Who may ask

  static constexpr std::array<std::string_view, 9> kPaths{
      "/healthz",      "/readyz",       "/metrics",
      "/openapi.json", "/v1/ground",    "/v1/chat/completions",
      "/v1/models",    "/v1/detection", "/v1/vision/detection"};
  static bool of_programs(std::string_view path) {
    return path.starts_with("/v1/") || std::find(kPaths.begin(), kPaths.end(), path) != kPaths.end();
  }
  bool known(std::string_view path) const {
    return page_.has(path) || std::find(kPaths.begin(), kPaths.end(), path) != kPaths.end();
  }
  static bool open_to_all(std::string_view path) { return !path.starts_with("/v1/") && path != "/metrics"; }

  bool admit(const HttpRequest& request, Response& response) const {
    if (!of_programs(request.path)) WebPage::isolate(response);
    try {
      if (request.method == "OPTIONS" && !flags_.cors.empty()) {
        preflight(response);
        return false;
      }
      require_readable(request);
      // DeepStack's clients send their key as a field, which is looked at when the body is there.
      const bool later =
          dialect_of(request.path) == Dialect::deepstack && !request.has_header("Authorization");
      if (!key_.empty() && !open_to_all(request.path) && !later &&
          !same_secret(request.get_header_value("Authorization"), "Bearer " + key_))
        throw Refusal(401, "expected the header Authorization: Bearer KEY", "", "invalid_api_key");
      return true;
    } catch (const Refusal& refusal) {
      refuse(dialect_of(request.path), response, refusal);
      response.set_header("Connection", "close");
      Connection::current().close_after();
      return false;
    }
  }

  /// error: Refusal of a body that httplib would misread, unpack beyond its limit or wait for
  void require_readable(const HttpRequest& request) const {
    if (const std::string how = request.get_header_value("Content-Encoding");
        !how.empty() && how != "identity")
      throw Refusal(415, "Content-Encoding: expected none");
    const std::size_t lengths = request.get_header_value_count("Content-Length");
    const bool chunked = request.has_header("Transfer-Encoding");
    if (lengths > 1 || (lengths == 1 && chunked))
      throw Refusal(400, "expected one of Content-Length and Transfer-Encoding");
    if (chunked && !form_data::same_letters(request.get_header_value("Transfer-Encoding"), "chunked"))
      throw Refusal(400, "Transfer-Encoding: expected chunked");
    if (lengths == 1) {
      const std::string text = request.get_header_value("Content-Length");
      std::size_t length = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
      if (end != text.data() + text.size() || error == std::errc::invalid_argument)
        throw Refusal(400, "Content-Length: expected a number");
      if (error != std::errc() || length > std::size_t(flags_.max_body) * 1'000'000)
        throw Refusal(413, kTooLarge);
    }
    const bool without_body =
        request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
    if (lengths == 0 && !chunked && !without_body) throw Refusal(411, "Content-Length: expected with a body");
    if (without_body && (lengths > 0 || chunked)) Connection::current().close_after();  // nobody reads it
  }

  static void preflight(Response& response) {
    response.status = 204;
    response.set_header("Access-Control-Allow-Methods", "GET, POST");
    response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept");
    response.set_header("Access-Control-Max-Age", "600");
  }

  /// A body for what httplib refuses.
  void explain(const HttpRequest& request, Response& response) const {
    const int status =
        Connection::current().failure() != 0 ? Connection::current().failure() : response.status;
    const Dialect dialect = dialect_of(request.path);
    if (status == 404 && known(request.path))
      refuse(dialect, response,
             {405, request.path.starts_with("/v1/") ? "expected another method, see /openapi.json"
                                                    : "expected GET"});
    else
      refuse(dialect, response,
             {status, status == 413   ? kTooLarge
                      : status == 404 ? "there is nothing here; /openapi.json lists what can be asked"
                      : status == 408 ? "the request took longer than --arrival"
                      : status == 431 ? "expected headers of at most 64 KiB"
                                      : "the request could not be read"});
    if (status == 404) return;  // that request was read to its end
    response.set_header("Connection", "close");
    Connection::current().close_after();
  }

  // What is asked

  template <class Handle>
  httplib::Server::Handler handler(const Handle& handle) {
    return [this, handle](const HttpRequest& request, Response& response) {
      Connection::current().arrived();
      try {
        // What came in chunks had no length to refuse.
        if (request.body.size() > std::size_t(flags_.max_body) * 1'000'000) throw Refusal(413, kTooLarge);
        handle(request, response);
      } catch (const Refusal& refusal) {
        refuse(dialect_of(request.path), response, refusal);
      } catch (const Error& error) {
        refuse(dialect_of(request.path), response,
               {error.kind() == ErrorKind::usage ? 400 : 500, error.what()});
      } catch (const std::bad_alloc&) {
        refuse(dialect_of(request.path), response, {503, "out of memory"});
      } catch (const std::exception& error) {
        refuse(dialect_of(request.path), response, {500, error.what()});
      }
    };
  }

  void add_routes() {
    for (const char* path : {"/healthz", "/readyz"})
      http_.Get(path,
                [](const HttpRequest&, Response& response) { response.set_content("ok\n", "text/plain"); });
    for (const WebPage::File& file : page_.files())
      http_.Get(file.path,
                [this, &file](const HttpRequest&, Response& response) { page_.serve(file, response); });
    http_.Get("/openapi.json", [](const HttpRequest&, Response& response) {
      response.set_content(openapi_json(), "application/json");
    });
    http_.Get(
        "/metrics", handler([this](const HttpRequest&, Response& response) {
          const Gauges now{http_.connections(), under_way_, queue_.waiting(), std::size_t(flags_.queue)};
          response.set_content(metrics_.text(now, session_.statistics(), images_.counts(), model_, isa_,
                                             session_.weight_format()),
                               "text/plain; version=0.0.4");
        }));
    http_.Get("/v1/models", handler([this](const HttpRequest&, Response& response) {
                response.set_content(
                    "{\"object\":\"list\",\"data\":[" + models_json(model_, started_) + "]}\n",
                    "application/json");
              }));
    http_.Post("/v1/ground",
               handler([this](const auto& request, auto& response) { ground(request, response); }));
    http_.Post("/v1/chat/completions",
               handler([this](const auto& request, auto& response) { chat(request, response); }));
    http_.Post("/v1/detection", handler([this](const auto& request, auto& response) {
                 if (const auto result =
                         detect(request, read_localai_request(request.body, flags_.categories, images_)))
                   response.set_content(localai_json(*result) + "\n", "application/json");
               }));
    http_.Post("/v1/vision/detection",
               handler([this](const auto& request, auto& response) { deepstack(request, response); }));
  }

  void ground(const HttpRequest& http, Response& response) {
    GroundRequest read = read_ground_request(http, Connection::current().content_type, defaults_, images_);
    Request request;
    request.question = read.line.question;
    request.categories = read.line.categories;
    request.options = read.line.ask;
    request.max_side = read.line.max_side;
    const bool streamed = http.get_header_value("Accept").find("text/event-stream") != std::string::npos;
    const auto asked =
        push(http, std::move(request), {read.image}, streamed ? Told::items : Told::at_the_end);
    if (streamed)
      return stream(asked, response, [this, asked](const PendingAnswer::News& news) {
        std::string events;
        for (const Item& item : news.items) events += "event: item\ndata: " + json_item(item) + "\n\n";
        if (!news.result) return events;
        if (const auto failure = failure_of(*asked, *news.result))
          return events + "event: error\ndata: " + error_json(Dialect::la, *failure) + "\n\n";
        return events + "event: answer\ndata: " + answer_json(*asked, *news.result) + "\n";
      });
    if (const auto result = wait(*asked))
      response.set_content(answer_json(*asked, *result), "application/json");
  }

  void chat(const HttpRequest& http, Response& response) {
    ChatRequest read = read_chat_request(http.body, flags_.model, model_, images_);
    Request request;
    request.question = std::move(read.question);
    request.options = read.ask;
    request.max_side = read.max_side;
    const auto asked =
        push(http, std::move(request), read.images, read.stream ? Told::tokens : Told::at_the_end);
    const ChatHead head{"chatcmpl-" + hex(random_id()), model_, seconds_since_1970()};
    if (read.stream)
      return stream(asked, response,
                    [this, asked, head, usage = read.include_usage, text = AnswerText(session_),
                     begun = false](const PendingAnswer::News& news) mutable {
                      const auto event = [](const std::string& json) { return "data: " + json + "\n\n"; };
                      std::string events;
                      if (!std::exchange(begun, true))
                        events += event(chunk_json(head, "\"role\":\"assistant\",\"content\":\"\""));
                      std::string content = text.add(news.ids);
                      if (news.result) content += text.finish();
                      if (!content.empty())
                        events += event(chunk_json(head, "\"content\":" + json_quote(content)));
                      if (!news.result) return events;
                      if (const auto failure = failure_of(*asked, *news.result))
                        return events + event(error_json(Dialect::openai, *failure));
                      events += event(chunk_json(head, "\"items\":" + json_items(news.result->items),
                                                 finish_reason(*news.result)));
                      if (usage) events += event(usage_chunk_json(head, *news.result));
                      return events + event("[DONE]");
                    });
    if (const auto result = wait(*asked))
      response.set_content(completion_json(head, *result, session_) + "\n", "application/json");
  }

  std::optional<Result> detect(const HttpRequest& http, DetectionRequest read) {
    Request request;
    request.categories = read.categories;
    request.question = detect_question(read.categories);
    request.options = flags_.model.ask_options(Task::detect);
    request.options.min_score = read.min_score;
    request.max_side = flags_.model.max_image_side;
    return wait(*push(http, std::move(request), {read.image}, Told::at_the_end));
  }

  void deepstack(const HttpRequest& http, Response& response) {
    if (!is_form(Connection::current().content_type))
      fail_usage("Content-Type: expected multipart/form-data");
    const std::vector<FormPart> parts = read_form(Connection::current().content_type, http.body);
    if (!key_.empty() && !http.has_header("Authorization") && !same_secret(field_of(parts, "api_key"), key_))
      throw Refusal(401, "Incorrect api key");
    const auto begin = Connection::Clock::now();
    if (const auto result = detect(http, read_deepstack_request(parts, flags_.categories, images_))) {
      const std::chrono::duration<double> taken = Connection::Clock::now() - begin;
      response.set_content(deepstack_json(*result, taken.count()) + "\n", "application/json");
    }
  }

  // How it is answered

  enum class Told { at_the_end, items, tokens };

  /// error: Refusal when there is no room, or the server is about to end; an image that cannot be encoded
  std::shared_ptr<Asked> push(const HttpRequest& http, Request request,
                              const std::vector<SentImages::Pointer>& images, Told told) {
    const Refusal full(429, "too many requests wait; see --queue", "", "rate_limit_exceeded");
    if (queue_.full()) throw full;  // before the work of encoding
    const auto asked = std::make_shared<Asked>(
        Connection::current().began() + std::chrono::seconds(flags_.timeout), under_way_);
    asked->mode = request.options.generation.mode;
    for (const SentImages::Pointer& image : images) {
      EncodedImage encoded = session_.encode(*image, request.max_side);
      if (request.images.empty()) asked->image = encoded;
      if (request.options.tile.side > 0)
        request.images.emplace_back(Image(*image));
      else
        request.images.emplace_back(std::move(encoded));
    }
    request.options.stop = asked->pending.token();
    if (told == Told::items)
      request.options.on_item = [asked](const Item& item) { asked->pending.found(item); };
    if (told == Told::tokens)
      request.options.on_tokens = [asked](std::span<const std::int32_t> ids) { asked->pending.said(ids); };
    const LiveQueue::Pushed pushed = queue_.push(
        std::move(request),
        [this, asked](Result&& result) {
          metrics_.answered(result);
          asked->pending.ended(std::move(result));
        },
        http.remote_addr);
    if (pushed == LiveQueue::Pushed::full) throw full;
    if (pushed == LiveQueue::Pushed::closed) throw Refusal(503, "this server is about to end");
    return asked;
  }

  static std::optional<Refusal> failure_of(const Asked& asked, const Result& result) {
    if (asked.pending.late()) return Refusal(503, "the answer took longer than --timeout");
    if (!result.ok()) return refusal_of(result);
    return std::nullopt;
  }

  /// The answer; none when the client has gone away, whose question ends with it.
  /// error: Refusal
  static std::optional<Result> wait(Asked& asked) {
    for (;;) {
      auto news = asked.pending.wait_a_moment();
      if (news.result) {
        if (const auto failure = failure_of(asked, *news.result)) throw *failure;
        return std::move(news.result);
      }
      if (Connection::current().gone()) {
        asked.pending.stop();
        Connection::current().close_after();
        return std::nullopt;
      }
    }
  }

  /// events: what to send of the news. Who goes away ends its request.
  template <class Events>
  static void stream(const std::shared_ptr<Asked>& asked, Response& response, Events events) {
    response.set_header("Cache-Control", "no-store");
    response.set_chunked_content_provider(
        "text/event-stream",
        [asked, events](std::size_t, httplib::DataSink& sink) mutable {
          const auto news = asked->pending.wait_a_moment();
          const std::string text = events(news);
          if (!sink.is_writable() || (!text.empty() && !sink.write(text.data(), text.size()))) return false;
          if (news.result) sink.done();
          return true;
        },
        [asked](bool) { asked->pending.stop(); });
  }

  std::string answer_json(const Asked& asked, const Result& result) const {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    print_json({asked.name, asked.image, session_, isa_, asked.mode, 0, model_json_}, result, out);
    return out.str();
  }

  static std::uint64_t random_id() {
    thread_local std::mt19937_64 random(std::random_device{}());
    return random();
  }
  static std::int64_t seconds_since_1970() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  static constexpr const char* kTooLarge = "the request is larger than --max-body";

  const ServeFlags& flags_;
  const std::string key_, model_, model_json_;
  const std::int64_t started_ = seconds_since_1970();
  Session& session_;
  SentImages images_;
  const std::string isa_{session_.ops().isa()};
  const WebPage page_{flags_.page.empty() ? WebPage::directory() : flags_.page};
  LineDefaults defaults_;
  std::atomic<int> under_way_ = 0;
  Metrics metrics_;
  LiveQueue queue_;
  ConnectionServer http_;
};

}  // namespace la::cli
