#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "../cli/model_flags.hpp"

namespace la::cli {

struct ServeFlags {
  ModelFlags model;
  std::string host = "127.0.0.1", api_key, cors, categories, page;
  int port = 8080, connections = 64, batch_size = 8, queue = 64, timeout = 120, arrival = 30;
  i64 max_body = 32, max_pixels = 40, kept_pictures = 64;

  void add_to(Flags& flags) {
    flags.text("--host", "ADDRESS", "where it listens [127.0.0.1: this machine alone]", host);
    flags.number<int>("--port", "0: any that is free [8080]", port, 0, 65535);
    flags.text("--api-key", "KEY", "refuse who does not send `Authorization: Bearer KEY` [$LA_API_KEY, none]",
               api_key);
    flags.text("--cors", "ORIGIN", "pages of this origin may ask, such as https://example.org; *: all [none]",
               [this](const std::string& v) { cors = require_origin(v); });
    flags.text("--categories", "A,B", "what /v1/detection and /v1/vision/detection look for [as asked]",
               categories);
    flags.text("--page", "DIRECTORY",
               "what browsers see, such as build/web, where la runs in them [a page that asks here]", page);
    flags.number<int>("--connections", "that are served at once [64]", connections, 1, 4096);
    flags.number<int>("--batch-size", "requests that run at once [8]", batch_size, 1, 4096);
    flags.number<int>("--queue", "requests that may wait for their turn [64]", queue, 1, 1 << 20);
    flags.number<i64>("--max-body", "largest request, in MB [32]", max_body, 1, 1 << 12);
    flags.number<i64>("--max-pixels", "largest picture, in megapixels [40]", max_pixels, 1, 1 << 10);
    flags.number<i64>("--kept-pictures", "MB of pictures that stay decoded for the next question [64]",
                      kept_pictures, 0, 1 << 16);
    flags.number<int>("--timeout", "seconds that an answer may take [120]", timeout, 1, 1 << 20);
    flags.number<int>("--arrival", "seconds in which a request must be there [30]", arrival, 1, 1 << 20);
    model.add_to(flags);
  }

  std::string key() const {
    const char* from_environment = std::getenv("LA_API_KEY");
    return !api_key.empty() ? api_key : from_environment ? from_environment : "";
  }

  /// error: (usage) neither `*` nor scheme://host, as browsers send it
  static std::string require_origin(const std::string& text) {
    const std::size_t scheme = text.find("://");
    const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (text != "*" && (!printable || scheme == text.npos || scheme == 0 || scheme + 3 == text.size() ||
                        text.find('/', scheme + 3) != text.npos))
      fail_usage("--cors: expected * or an origin such as https://example.org, found '", text, "'");
    return text;
  }
};

}  // namespace la::cli
