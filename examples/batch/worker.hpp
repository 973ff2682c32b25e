#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "answer_line.hpp"
#include "request_queue.hpp"

namespace la::cli {

/// What a worker makes of a ticket.
struct Reply {
  i64 index = 0;
  std::uint64_t digest = 0;
  i64 number = 0;  ///< of the line of requests
  Outcome outcome = Outcome::found;
  bool malformed = false;  ///< pieces of the answer were skipped
  std::string line;
};

/// Answers requests with a session, many at a time.
class Worker {
 public:
  struct Options {
    LineDefaults defaults;
    std::string stamp;         ///< see answer_line
    std::string annotate_dir;  ///< empty: no pictures are drawn
    const LabelFont* font = nullptr;
    i64 batch_size = 8;
    StopToken stop;
  };
  /// The next ticket; nothing when there is none for now.
  using Supply = std::function<std::optional<Ticket>()>;
  using Sink = std::function<void(Reply&&)>;

  Worker(Session& session, Options options) : session_(session), options_(std::move(options)) {}

  /// Until the supply is empty. Lines that a stop cancels get no reply.
  void run(const Supply& supply, const Sink& sink) {
    std::map<i64, Open> open;
    i64 asked = 0;
    BatchOptions batch;
    batch.batch_size = options_.batch_size;
    batch.on_result = [&](i64 number, const Result& result) {
      const auto node = open.extract(number);
      if (result.stop == StopReason::cancelled && result.ok()) return;
      sink(reply(node.mapped(), result));
    };
    session_.batch(
        [&]() -> std::optional<Request> {
          if (options_.stop.stop_requested()) return std::nullopt;
          std::optional<Ticket> ticket = supply();
          if (!ticket) return std::nullopt;
          Open& line = open[asked++];
          return prepare(std::move(*ticket), line);
        },
        batch);
  }

  bool stopped() const { return options_.stop.stop_requested(); }

 private:
  struct Open {
    i64 index = 0;
    RequestLine line;
    bool bad_image = false;
    std::optional<Image> image{};  // kept to be drawn on
  };

  /// A line that cannot be asked becomes a request without pictures, which fails at its turn.
  Request prepare(Ticket ticket, Open& open) {
    open.index = ticket.index;
    open.line = read_request(parser_, ticket.request, options_.defaults);
    RequestLine& line = open.line;
    Request request;
    if (line.error.empty()) {
      try {
        check_target(line);
        Image image =
            load_address(line.image, ticket.request.image_bytes, options_.defaults.folder, line.load);
        if (!options_.annotate_dir.empty()) open.image = image;
        request.images.push_back(std::move(image));
        request.question = line.question;
        request.categories = line.categories;
        request.options = line.ask;
        request.max_side = line.max_side;
      } catch (const Error& error) {
        line.error = error.what();
        open.bad_image = true;
      }
    }
    request.options.stop = options_.stop;
    return request;
  }

  Reply reply(const Open& open, const Result& result) {
    Result shown = result;
    if (!open.line.error.empty()) shown.error = open.line.error;
    if (shown.ok() && open.image) {
      try {
        draw(open, shown);
      } catch (const Error& error) {
        shown.error = error.what();
      }
    }
    const Outcome outcome = shown.ok()                 ? outcome_of(shown)
                            : open.bad_image           ? Outcome::bad_image
                            : !open.line.error.empty() ? Outcome::bad_request
                                                       : Outcome::failed;
    const bool malformed = shown.ok() && shown.warnings.size() > std::size_t(shown.truncated());
    return {open.index, open.line.digest, open.line.number,
            outcome,    malformed,        answer_line(open.line, shown, options_.stamp)};
  }

  /// error: the folder of drawn pictures is that of the picture
  void check_target(const RequestLine& line) const {
    if (options_.annotate_dir.empty() || is_data_uri(line.image)) return;
    const std::filesystem::path from =
        std::filesystem::absolute(image_path(line.image, options_.defaults.folder)).parent_path();
    std::error_code ignored;
    require(!std::filesystem::equivalent(from, options_.annotate_dir, ignored),
            "--annotate-dir: ", options_.annotate_dir, " holds the picture ", line.image,
            " itself; expected another folder");
  }

  /// "000012-photo.png", by the line's number, so that no two are the same.
  void draw(const Open& open, const Result& result) const {
    char number[24];
    std::snprintf(number, sizeof number, "%06lld", static_cast<long long>(open.line.number));
    std::string stem =
        is_data_uri(open.line.image) ? "data" : std::filesystem::path(open.line.image).stem().string();
    if (stem.size() > 120) stem.resize(120);
    std::vector<Mark> marks;
    for (const Item& item : result.items) marks.push_back(to_mark(item));
    AnnotateOptions look;
    look.font = options_.font;
    write_png(options_.annotate_dir + "/" + number + "-" + stem + ".png", annotate(*open.image, marks, look));
  }

  Session& session_;
  Options options_;
  simdjson::dom::parser parser_;
};

}  // namespace la::cli
